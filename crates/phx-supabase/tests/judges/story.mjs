// The official JavaScript client in a room of its own:
//
//   node story.mjs http://127.0.0.1:4711 KEY

import { RealtimeClient } from "@supabase/realtime-js"
import WebSocket from "ws"

import { Reports, ask, saw, shown, play } from "./lines.mjs"

const [url, key] = process.argv.slice(2)

await play(async () => {
  const client = new RealtimeClient(`${url}/realtime/v1`, {
    transport: WebSocket,
    params: { apikey: key },
    reconnectAfterMs: () => 20,
  })
  await client.setAuth("first token")
  const channel = client.channel("story", {
    config: { broadcast: { self: true, ack: true }, presence: { key: "js" } },
  })
  const [statuses, broadcasts, changes, systems, syncs] = Array.from({ length: 5 }, () => new Reports())
  channel
    .on("broadcast", { event: "*" }, ({ event, payload, meta }) => {
      broadcasts.add({ event, payload: shown(payload), meta: meta ?? null })
    })
    .on("presence", { event: "sync" }, () => {
      const state = Object.entries(channel.presenceState())
      syncs.add(Object.fromEntries(state.map(([key, metas]) => [key, metas.map(({ n }) => n)])))
    })
    .on("postgres_changes", { event: "INSERT", schema: "public", table: "msgs", filter: "id=gt.5" },
      change => changes.add({ type: change.eventType, new: change.new }))
    .on("system", {}, ({ status, message }) => systems.add({ status, message }))
    .subscribe(status => statuses.add(status))

  saw("status", await statuses.next("the join"))
  saw("system", await systems.next("the subscription"))

  const send = async (event, payload) => {
    const result = await channel.send({ type: "broadcast", event, payload })
    saw("sent", { result, own: await broadcasts.next("its broadcast") })
  }
  await send("json", { x: 1, text: "hé ✓" })
  await send("bytes", new Uint8Array([0, 1, 255]).buffer)
  await send("empty", undefined)
  for (const what of ["broadcast json", "broadcast bytes", "broadcast text"]) {
    await ask(what)
    saw(what, await broadcasts.next(what))
  }

  for (const n of [1, 2]) {
    saw("track", await channel.track({ n }))
    saw("presences", await syncs.next("the presence", state => state.js?.[0] === n))
  }
  saw("untrack", await channel.untrack())
  saw("presences", await syncs.next("the untrack", state => state.js === undefined))

  // The first doesn't pass the filter.
  await ask("insert 5")
  await ask("insert 6")
  saw("change", await changes.next("the change"))

  await client.setAuth("second token")
  await send("after the token", {})

  await ask("cut")
  saw("status", await statuses.next("the loss"))
  saw("status", await statuses.next("the rejoin"))
  await send("after the rejoin", {})
  saw("system", await systems.next("the subscription"))
  await ask("insert 7")
  saw("change", await changes.next("the change"))

  saw("unsubscribe", await channel.unsubscribe())
  saw("status", await statuses.next("the end"))
  await client.disconnect()
})
