// npm's `ws` as a server that compresses, for the client's codec:
//
//   node deflate_server.mjs '{"serverMaxWindowBits":9}'
//
// The first line is its port. It answers each message of a connection with the same message, of which every third one
// goes out as fragments with a ping between them, and every fifth one uncompressed.

import { WebSocketServer } from "ws"

import { print } from "./story.mjs"

const options = JSON.parse(process.argv[2])
const perMessageDeflate = { threshold: 0, ...options }
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate })
server.on("listening", () => print({ port: server.address().port }))
server.on("connection", client => {
  let count = 0
  client.on("message", (data, binary) => {
    count++
    const compress = count % 5 > 0
    if (count % 3 === 0 && data.length > 2) {
      const middle = data.length >> 1
      client.send(data.subarray(0, middle), { binary, compress, fin: false })
      client.ping("between")
      client.send(data.subarray(middle), { binary, compress, fin: true })
    } else {
      client.send(data, { binary, compress })
    }
  })
})
// It ends with its standard input.
process.stdin.on("end", () => process.exit()).resume()
