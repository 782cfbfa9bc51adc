// The ends of channels, and what belongs to none:
//
//   node channels.mjs ws://127.0.0.1:4711/socket

import { Socket } from "phoenix"
import WebSocket from "ws"

import { Reports, bytes, reply, print, play, within } from "./story.mjs"

const url = process.argv[2]
const soon = 50

async function story() {
  const retries = { reconnectAfterMs: () => 20, rejoinAfterMs: () => 20 }
  const socket = new Socket(url, { transport: WebSocket, ...retries })
  const wire = new Reports()
  // What comes over the wire, with the join it names: "own" is the channel's.
  let own = () => null
  socket.onMessage(({ event, payload, ref, join_ref }) => {
    const join = join_ref === null ? null : join_ref === own() ? "own" : "other"
    wire.add({ event, join, ref: ref === join_ref ? "join's" : ref && "push's", payload })
  })
  const opened = new Reports()
  socket.onOpen(() => opened.add("open"))
  socket.connect()
  await within("the connection", opened.next("the connection"))

  // Stop: phx_close with the join's ref, twice.
  const first = socket.channel("desk:1")
  const ends = new Reports()
  first.onClose(() => ends.add("closed"))
  print({ step: "join", ...await reply("the join", first.join()) })
  own = () => first.joinRef()
  wire.clear()
  first.push("stop", {}, soon)
  print({ step: "stop", wire: await wire.next("the close") })
  print({ step: "stop", news: await ends.next("the end"), state: first.state })

  // A crash, and the rejoin.
  const second = socket.channel("desk:1")
  const crashes = new Reports()
  second.onError(reason => crashes.add(reason))
  const joins = new Reports()
  second.join().receive("ok", () => joins.add("joined"))
  await joins.next("the join")
  own = () => second.joinRef()
  wire.clear()
  second.push("crash", {}, soon)
  print({ step: "crash", wire: await wire.next("the crash") })
  print({ step: "crash", reason: await crashes.next("the crash"), state: second.state })
  print({ step: "rejoin", news: await joins.next("the rejoin"), state: second.state })

  // Replies with a status of the application's own, and in another order.
  const custom = new Reports()
  second.push("custom", { n: 1 }).receive("busy", response => custom.add(response))
  print({ step: "custom status", response: await custom.next("the status") })
  const order = new Reports()
  second.push("slow", {}).receive("ok", () => order.add("slow"))
  second.push("echo", {}).receive("ok", () => order.add("fast"))
  print({ step: "order", news: [await order.next("one reply"), await order.next("the other")] })

  // Bytes: none at all, and many.
  for (const length of [0, 100_000]) {
    const sent = new Uint8Array(length).map((_, index) => index % 251)
    const { status, response } = await reply("the bytes", second.push("echo", sent.buffer))
    const back = bytes(response)
    const same = back.length === length && back.every((byte, index) => byte === sent[index])
    print({ step: "bytes", length, status, same })
  }

  // A push with a stale join_ref gets no answer: the next one's is the first to come.
  wire.clear()
  const stale = { topic: "desk:1", event: "echo", payload: { stale: true }, ref: "800", join_ref: "1" }
  socket.push(stale)
  second.push("echo", { stale: false })
  print({ step: "stale push", wire: await wire.next("the answer") })

  // A leave of what isn't joined is ok, and names the join that it was given.
  socket.push({ topic: "desk:2", event: "phx_leave", payload: {}, ref: "801", join_ref: "810" })
  print({ step: "leave of nothing", wire: await wire.next("the answer") })
  // A push to what isn't joined is an error without a join.
  socket.push({ topic: "desk:2", event: "echo", payload: {}, ref: "802", join_ref: "810" })
  print({ step: "push to nothing", wire: await wire.next("the answer") })

  // The server's view of a topic that is joined twice: the new join is answered, then the old one closed.
  const replaced = new Reports()
  second.onClose(() => replaced.add("closed"))
  socket.push({ topic: "desk:1", event: "phx_join", payload: {}, ref: "900", join_ref: "900" })
  print({ step: "joined twice", wire: await wire.next("the join's answer") })
  print({ step: "joined twice", wire: await wire.next("the old one's close") })
  print({ step: "joined twice", news: await replaced.next("the end"), state: second.state })

  // The client's view: it leaves the first before it joins the second.
  const third = socket.channel("desk:3", { nth: 1 })
  await reply("the join", third.join())
  const thirds = new Reports()
  third.onClose(() => thirds.add("closed"))
  third.on("hello", () => thirds.add("heard"))
  const fourth = socket.channel("desk:3", { nth: 2 })
  const fourths = new Reports()
  fourth.on("hello", payload => fourths.add(payload))
  print({ step: "second channel", ...await reply("the join", fourth.join()) })
  print({ step: "second channel", news: await thirds.next("the first's end"), states: [third.state, fourth.state] })
  fourth.push("hello", { to: "all" }, soon)
  print({ step: "second channel", message: await fourths.next("the broadcast"), first: thirds.size })

  // A leave: the reply, then the close.
  own = () => fourth.joinRef()
  wire.clear()
  fourth.leave()
  print({ step: "leave", wire: [await wire.next("the reply"), await wire.next("the close")] })

  socket.disconnect()
}

await play(story)
