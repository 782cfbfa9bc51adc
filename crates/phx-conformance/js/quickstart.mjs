// The story of the quickstart example, by the official JavaScript client:
//
//   node quickstart.mjs ws://127.0.0.1:4711/socket [compressed]
//
// With `compressed`, each connection must have agreed on compression.
//
// The server is `phx_testing::rooms()`. A line {"please": "cut"} asks whoever started this to reset
// all connections. It ends by itself, with exit code 0 if nothing failed.

import { Presence, Socket } from "phoenix"
import WebSocket from "ws"

import { Reports, bytes, reply, print, play, within } from "./story.mjs"

const [url, compressed] = process.argv.slice(2)
// For pushes that get no reply: their timers would keep the program alive for 10 s.
const soon = 50
const retries = { reconnectAfterMs: () => 20, rejoinAfterMs: () => 20 }

// `ws` offers compression without being asked.
class Compressed extends WebSocket {
  constructor(...args) {
    super(...args)
    this.on("open", () => {
      if (this.extensions !== "permessage-deflate") throw new Error("nothing is compressed")
    })
  }
}

const transport = compressed ? Compressed : WebSocket

// A socket, and what happens to its connection.
function connect(what) {
  const socket = new Socket(url, { transport, ...retries })
  const connection = new Reports()
  socket.onOpen(() => connection.add("open"))
  socket.onClose(event => connection.add({ code: event.code, clean: event.wasClean }))
  socket.connect()
  return within(what, connection.next(what)).then(opened => ({ socket, connection, opened }))
}

// A channel that is being joined: what the server answers to each join, and what it sends.
function join(socket, name) {
  const channel = socket.channel("room:lobby", { name })
  const [joins, heard, errors] = [new Reports(), new Reports(), new Reports()]
  channel.on("shout", payload => heard.add(payload))
  channel.onError(() => errors.add("error"))
  channel.join()
    .receive("ok", response => joins.add({ status: "ok", response }))
    .receive("error", response => joins.add({ status: "error", response }))
  return { channel, joins, heard, errors }
}

// Who comes, who goes, and the list after each of the server's presence events.
function watch(channel) {
  const presence = new Presence(channel)
  const news = new Reports()
  presence.onJoin((key, before) => { if (!before) news.add({ came: key }) })
  presence.onLeave((key, after) => { if (after.metas.length === 0) news.add({ went: key }) })
  presence.onSync(() => news.add({ list: presence.list((key, { metas }) => [key, metas.length]) }))
  return news
}

const lists = names => ({ list }) => list?.map(([key]) => key).join() === names

async function story() {
  const ann = await connect("ann's connection")
  print({ step: "open", news: ann.opened, state: ann.socket.connectionState() })

  const anns = join(ann.socket, "ann")
  const people = watch(anns.channel)
  print({ step: "join", ...await anns.joins.next("ann's join"), state: anns.channel.state })
  print({ step: "presence", ...await people.next("ann's presence") })
  print({ step: "presence", ...await people.until("the first list", lists("ann")) })

  const rejected = ann.socket.channel("room:private", { reject: true })
  print({ step: "rejected join", ...await reply("the rejection", rejected.join()) })
  rejected.leave()
  const nowhere = ann.socket.channel("nowhere")
  print({ step: "unmatched join", ...await reply("the refusal", nowhere.join()) })
  nowhere.leave()

  const question = { from: "ann", text: "anybody here? \u{1f426}" }
  print({ step: "push", ...await reply("the reply", anns.channel.push("echo", question)) })
  const failed = reply("the error reply", anns.channel.push("fail", { why: "no" }))
  print({ step: "error reply", ...await failed })
  const echoed = await reply("the reply", anns.channel.push("echo", new Uint8Array([0, 1, 255]).buffer))
  print({ step: "binary push", status: echoed.status, bytes: bytes(echoed.response) })

  const bob = await connect("bob's connection")
  const bobs = join(bob.socket, "bob")
  await bobs.joins.next("bob's join")
  print({ step: "presence", ...await people.until("bob", ({ came }) => came) })
  print({ step: "presence", ...await people.until("both", lists("ann,bob")) })

  bobs.channel.push("shout", { from: "bob", text: "I am!" }, soon)
  print({ step: "broadcast", message: await anns.heard.next("the broadcast") })
  print({ step: "own broadcast", message: await bobs.heard.next("his own broadcast") })
  bobs.channel.push("shout", new Uint8Array([7, 8, 9]).buffer, soon)
  print({ step: "binary broadcast", bytes: bytes(await anns.heard.next("the binary broadcast")) })

  bobs.channel.push("crash", {}, soon)
  print({ step: "crash", news: await bobs.errors.next("the crash") })
  print({ step: "rejoin", ...await bobs.joins.next("bob's rejoin"), state: bobs.channel.state })
  print({ step: "presence", ...await people.until("bob's crash", ({ went }) => went) })
  print({ step: "presence", ...await people.until("bob's rejoin", lists("ann,bob")) })

  print({ please: "cut" })
  for (const [who, { connection }, { joins }] of [["ann", ann, anns], ["bob", bob, bobs]]) {
    print({ step: "cut", who, ...await connection.next("the cut") })
    print({ step: "reconnect", who, news: await connection.next("the reconnect") })
    print({ step: "rejoin", who, ...await joins.next("the rejoin") })
  }
  print({ step: "presence", ...await people.until("both again", lists("ann,bob")) })
  bobs.channel.push("shout", { from: "bob", text: "still there?" }, soon)
  const again = await anns.heard.until("the next broadcast", ({ text }) => text === "still there?")
  print({ step: "broadcast", message: again })

  print({ step: "leave", ...await reply("bob's leave", bobs.channel.leave()), state: bobs.channel.state })
  print({ step: "presence", ...await people.until("bob's leave", ({ went }) => went) })
  print({ step: "presence", ...await people.until("ann alone", lists("ann")) })
  const stopped = new Reports()
  anns.channel.onClose(() => stopped.add("closed"))
  anns.channel.push("stop", {}, soon)
  print({ step: "stop", news: await stopped.next("the channel's end"), state: anns.channel.state })

  for (const [who, { socket, connection }] of [["ann", ann], ["bob", bob]]) {
    socket.disconnect()
    // Not its code: the listener's WebSocket library echoes the client's, where Phoenix says 1000.
    const { clean } = await connection.next("the end")
    print({ step: "disconnect", who, clean, state: socket.connectionState() })
  }
}

await play(story)
