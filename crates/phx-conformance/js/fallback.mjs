// A network that breaks WebSockets, and the client's fallback to long-poll:
//
//   node fallback.mjs ws://127.0.0.1:4711/socket
//
// The server is `phx_testing::demo_server()`.

import { connect, createServer } from "node:net"

import { Socket } from "phoenix"
import WebSocket from "ws"

import { Reports, reply, print, play } from "./story.mjs"

const { host, port, pathname } = new URL(process.argv[2])

// A proxy in front of the server, which does `harm` to WebSockets and none to requests.
function proxy(harm) {
  const clients = new Set()
  const server = createServer(client => {
    clients.add(client)
    const upstream = connect(Number(port), host.split(":")[0])
    client.on("error", () => upstream.destroy())
    upstream.on("error", () => client.destroy())
    client.on("close", () => upstream.destroy())
    upstream.on("close", () => client.destroy())
    let upgraded = false
    client.on("data", data => {
      if (upgraded) { return }
      upgraded = /^upgrade: websocket/im.test(data)
      if (upgraded && harm === "reset") { client.destroy() } else { upstream.write(data) }
    })
    upstream.on("data", data => client.write(data))
  })
  // A client that waits for a swallowed answer would keep the program alive.
  const stop = () => {
    server.close()
    clients.forEach(client => client.destroy())
  }
  const listening = () => ({ address: server.address(), stop })
  return new Promise(resolve => server.listen(0, "127.0.0.1", () => resolve(listening())))
}

class Storage {
  items = new Map()
  getItem(key) { return this.items.get(key) ?? null }
  setItem(key, value) { this.items.set(key, value) }
}

async function joined(step, address, sessionStorage) {
  const socket = new Socket(`ws://127.0.0.1:${address.port}${pathname}`, {
    transport: WebSocket,
    longPollFallbackMs: 200,
    sessionStorage,
    reconnectAfterMs: () => 20,
    rejoinAfterMs: () => 20,
  })
  const opened = new Reports()
  socket.onOpen(() => opened.add(socket.transportName(socket.transport)))
  socket.connect()
  print({ step, over: await opened.until("long-poll", over => over === "LongPoll") })
  const room = socket.channel("room:a")
  print({ step, ...await reply("the join", room.join()) })
  print({ step, ...await reply("the reply", room.push("echo", { n: 1 })) })
  socket.disconnect()
}

async function story() {
  for (const harm of ["reset", "swallow"]) {
    const { address, stop } = await proxy(harm)
    const storage = new Storage()
    await joined(harm, address, storage)
    print({ step: harm, remembered: [...storage.items] })
    await joined("remembered", address, storage)
    stop()
  }
}

await play(story)
