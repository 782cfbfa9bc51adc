// The official JavaScript client in a room with others; the test says what it sends:
//
//   node room.mjs http://127.0.0.1:4711 KEY

import { RealtimeClient } from "@supabase/realtime-js"
import WebSocket from "ws"

import { commands, saw, shown, play } from "./lines.mjs"

const [url, key] = process.argv.slice(2)

await play(async () => {
  const client = new RealtimeClient(`${url}/realtime/v1`, { transport: WebSocket, params: { apikey: key } })
  const channel = client.channel("room", {
    config: { broadcast: { ack: true }, presence: { key: "js" } },
  })
  channel
    .on("broadcast", { event: "*" }, ({ event, payload }) => saw("broadcast", [event, shown(payload)]))
    .on("presence", { event: "sync" }, () => saw("present", Object.keys(channel.presenceState()).sort()))
    .subscribe(status => saw("status", status))
  // One that never joins: it sends by HTTP.
  const poster = new RealtimeClient(`${url}/realtime/v1`, { transport: WebSocket, params: { apikey: key } })
  const unjoined = poster.channel("room", { config: { private: false } })
  for await (const { send, post, batch, payload, bytes, track } of commands()) {
    const body = bytes ? new Uint8Array(bytes).buffer : payload
    if (track) {
      saw("tracked", await channel.track(track))
    } else if (post) {
      saw("posted", await unjoined.httpSend(post, body))
    } else if (batch) {
      saw("posted", await unjoined.send({ type: "broadcast", event: batch, payload: body }))
    } else if (send) {
      saw("sent", await channel.send({ type: "broadcast", event: send, payload: body }))
    }
  }
  await client.disconnect()
})
