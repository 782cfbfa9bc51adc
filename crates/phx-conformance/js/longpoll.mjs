// The client's long-poll transport, beside a WebSocket of the same topic:
//
//   node longpoll.mjs ws://127.0.0.1:4711/socket [quick]
//
// The server is `phx_testing::demo_server()`, which refuses a stranger; not if "quick" is there. {"please": ..} asks
// whoever started this to do something to it: "cut" all connections, also after the next attempt is set to be answered with
// 403 ("refuse"), and "forget" all sessions; not if "quick" is there.

import { LongPoll, Presence, Socket } from "phoenix"
import WebSocket from "ws"

import { Reports, bytes, reply, print, play, within } from "./story.mjs"

const [, , url, quick] = process.argv
// For pushes that get no reply: their timers would keep the program alive for 10 s.
const soon = 50
const retries = { reconnectAfterMs: () => 20, rejoinAfterMs: () => 20 }

// The numbers of lines of the client's POSTs. Node has no XMLHttpRequest, so phoenix.js uses fetch.
const batches = new Reports()
const { fetch } = globalThis
globalThis.fetch = (address, options) => {
  if (options.method === "POST") { batches.add({ lines: options.body.split("\n").length }) }
  return fetch(address, options)
}

function listen(socket) {
  const connection = new Reports()
  socket.onOpen(() => connection.add("open"))
  socket.onClose(({ code, wasClean }) => connection.add({ code, clean: wasClean }))
  return connection
}

async function story() {
  if (!quick) {
    const params = { user: "stranger" }
    const stranger = new Socket(url, { transport: LongPoll, params, reconnectAfterMs: () => 60_000 })
    const refused = listen(stranger)
    stranger.connect()
    print({ step: "stranger", ...await refused.next("the refusal") })
    stranger.disconnect()
  }

  let attempts = 0
  const params = () => ({ user: "ann & b\u00e9a", attempt: ++attempts })
  const ann = new Socket(url, { transport: LongPoll, authToken: "s3cr3t-token", params, ...retries })
  const connection = listen(ann)

  ann.connect()
  print({ step: "open", news: await connection.next("the session"), state: ann.connectionState() })

  const room = ann.channel("room:lobby", { name: "ann" })
  const [joins, errors, heard, lists] = [new Reports(), new Reports(), new Reports(), new Reports()]
  room.onError(({ reason }) => errors.add(reason))
  room.on("shout", payload => heard.add(payload))
  const presence = new Presence(room)
  presence.onSync(() => lists.add(presence.list(key => key).join()))
  room.join().receive("ok", response => joins.add(response))
  print({ step: "join", response: await joins.next("the join"), state: room.state })
  print({ step: "presence", list: await lists.until("the list", list => list === "ann") })

  const rejected = ann.channel("room:private", { reject: true })
  print({ step: "rejected join", ...await reply("the rejection", rejected.join()) })
  rejected.leave()
  print({ step: "push", ...await reply("the reply", room.push("echo", { text: "anybody? \u{1f426}" })) })
  print({ step: "error reply", ...await reply("the error reply", room.push("fail", { why: "no" })) })
  const pong = new Promise(resolve => ann.ping(() => resolve("pong")))
  print({ step: "ping", news: await within("the pong", pong) })

  // More than a POST may hold: the order stays.
  batches.clear()
  const pushes = Array.from({ length: 250 }, (_, n) => reply(`the reply to ${n}`, room.push("echo", { n })))
  const replies = await Promise.all(pushes)
  print({ step: "burst", replies: replies.length, ordered: replies.every(({ response }, n) => response.n === n) })
  for (const step of ["first batch", "second batch", "third batch"]) {
    print({ step, ...await batches.next("a batch") })
  }

  // Binary goes up. phoenix.js can't decode what comes down: it is a string there.
  const bob = new Socket(url, { transport: WebSocket, ...retries })
  bob.connect()
  const bobs = bob.channel("room:lobby", { name: "bob" })
  const whispers = new Reports()
  bobs.on("whisper", payload => whispers.add(payload))
  print({ step: "bob", ...await reply("bob's join", bobs.join()) })
  print({ step: "presence", list: await lists.until("both", list => list === "ann,bob") })
  room.push("whisper", new Uint8Array([0, 1, 255]).buffer, soon)
  print({ step: "binary", bytes: bytes(await whispers.next("the whisper")) })
  bobs.push("shout", { from: "bob" }, soon)
  print({ step: "broadcast", message: await heard.next("bob's broadcast") })
  room.push("shout", { from: "ann" }, soon)
  print({ step: "broadcast", message: await heard.next("her own broadcast") })
  bob.disconnect()
  print({ step: "presence", list: await lists.until("ann alone", list => list === "ann") })

  room.push("crash", {}, soon)
  print({ step: "crash", reason: await errors.next("the crash") })
  print({ step: "crash", response: await joins.next("the rejoin") })

  for (const step of quick ? ["cut", "refuse"] : ["cut", "refuse", "forget"]) {
    print({ please: step })
    // A cut between two polls harms nobody: it is asked for again.
    const asking = step === "forget" ? null : setInterval(() => print({ please: "cut" }), 500)
    print({ step, ...await connection.next("the end of the session") })
    clearInterval(asking)
    if (step === "refuse") { print({ step, ...await connection.next("the refusal") }) }
    print({ step, news: await connection.next("the next session"), attempts })
    print({ step, response: await joins.next("the rejoin") })
    print({ step, ...await reply("the reply", room.push("echo", { still: "there" })) })
  }

  print({ step: "leave", ...await reply("the leave", room.leave()), state: room.state })
  ann.disconnect()
  print({ step: "disconnect", ...await connection.next("the end"), state: ann.connectionState() })
}

await play(story)
