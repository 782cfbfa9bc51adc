// What happens to connections:
//
//   node connections.mjs ws://127.0.0.1:4711/socket
//
// {"please": ..} asks whoever started this to do something to the server: "refuse" the next attempt,
// "half-open" all links, "drain", "disconnect" the socket of "ann".

import { Socket } from "phoenix"
import WebSocket from "ws"

import { Reports, reply, print, play, within } from "./story.mjs"

const url = process.argv[2]
const HEARTBEAT_MS = 150

async function story() {
  // Without a token nobody is let in.
  const stranger = new Socket(url, { transport: WebSocket, reconnectAfterMs: () => 60_000 })
  const refused = new Reports()
  stranger.onClose(({ code }) => refused.add(code))
  stranger.connect()
  print({ step: "no token", code: await within("the refusal", refused.next("the refusal")) })
  stranger.disconnect()

  let attempts = 0
  const socket = new Socket(url, {
    transport: WebSocket,
    authToken: "s3cr3t-token",
    params: () => ({ user: "ann", attempt: ++attempts }),
    heartbeatIntervalMs: HEARTBEAT_MS,
    reconnectAfterMs: () => 20,
    rejoinAfterMs: () => 20,
  })
  const [connection, heartbeats, joins, errors] = [new Reports(), new Reports(), new Reports(), new Reports()]
  socket.onOpen(() => connection.add("open"))
  socket.onClose(({ code }) => connection.add({ code }))
  socket.onMessage(({ topic, event, payload, join_ref }) => {
    if (topic === "phoenix") { heartbeats.add({ event, payload, join_ref }) }
  })
  socket.connect()
  print({ step: "token", news: await connection.next("the connection") })
  const room = socket.channel("room:1")
  room.onError(({ reason }) => errors.add(reason))
  room.join().receive("ok", response => joins.add(response))
  print({ step: "join", who: await joins.next("the join") })

  print({ step: "heartbeat", ...await heartbeats.next("the heartbeat's reply") })
  print({ step: "heartbeat", ...await heartbeats.next("the next one's"), state: socket.connectionState() })

  const comeBack = async step => {
    print({ step, news: await connection.until("the reconnect", news => news === "open") })
    print({ step, who: await joins.next("the rejoin") })
  }

  print({ please: "refuse" })
  print({ step: "refused", lost: await connection.next("the cut") })
  print({ step: "refused", refused: await connection.next("the refusal") })
  print({ step: "refused", reason: await errors.next("the channel's error") })
  await comeBack("refused")

  print({ please: "drain" })
  print({ step: "drain", ...await connection.next("the close") })
  await comeBack("drain")

  print({ please: "disconnect" })
  print({ step: "disconnect by id", ...await connection.next("the close") })
  await comeBack("disconnect by id")

  errors.clear()
  const dead = socket.conn
  print({ please: "half-open" })
  print({ step: "half-open", reason: await errors.next("the heartbeat's timeout") })
  await comeBack("half-open")
  print({ step: "push", ...await reply("the reply", room.push("echo", { still: "there" })) })

  // Node's WebSocket would wait half a minute for the dead link's answer.
  dead.terminate()
  socket.disconnect()
}

await play(story)
