// One person with several devices:
//
//   node devices.mjs ws://127.0.0.1:4711/socket

import { Presence, Socket } from "phoenix"
import WebSocket from "ws"

import { Reports, reply, print, play, within } from "./story.mjs"

const url = process.argv[2]
const soon = 50

async function connect() {
  const socket = new Socket(url, { transport: WebSocket, rejoinAfterMs: () => 20 })
  const opened = new Reports()
  socket.onOpen(() => opened.add("open"))
  socket.connect()
  await within("the connection", opened.next("the connection"))
  return socket
}

async function join(name, device) {
  const socket = await connect()
  const channel = socket.channel("team:1", { name, device })
  const presence = new Presence(channel)
  const news = new Reports()
  const devices = entry => entry.metas.map(({ device, state }) => state ? `${device} ${state}` : device)
  const updates = entry => entry.metas.filter(meta => meta.phx_ref_prev).length
  presence.onJoin((key, before, joined) => {
    news.add({ came: key, had: before ? devices(before) : null, has: devices(joined), updates: updates(joined) })
  })
  presence.onLeave((key, after, left) => news.add({ went: key, has: devices(after), had: devices(left) }))
  presence.onSync(() => news.add({ list: presence.list((key, entry) => [key, devices(entry)]).sort() }))
  await reply("the join", channel.join())
  return { socket, channel, news }
}

async function story() {
  const watcher = await join("watcher", "desk")
  const next = async step => print({ step, ...await watcher.news.next(step) })
  await next("the watcher")
  // The diff of its own coming was there before the state, which has it already.
  await next("the diff")
  await next("the state")

  const phone = await join("ann", "phone")
  await next("the first device")
  await next("the first device")
  const laptop = await join("ann", "laptop")
  await next("the second device")
  await next("the second device")
  // Who comes later gets a state with everybody.
  print({ step: "the later one's state", ...await laptop.news.until("its state", ({ list }) => list?.length === 2) })

  print({ step: "update", ...await reply("the update", phone.channel.push("state", { state: "away" })) })
  await next("update")
  await next("update")
  await next("update")

  laptop.channel.push("crash", {}, soon)
  await next("crash")
  await next("crash")
  await next("rejoin")
  await next("rejoin")

  phone.socket.disconnect()
  await next("a device goes")
  await next("a device goes")
  await reply("the leave", laptop.channel.leave())
  await next("the last one goes")
  await next("the last one goes")

  laptop.socket.disconnect()
  watcher.socket.disconnect()
}

await play(story)
