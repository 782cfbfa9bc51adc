// npm's `ws` as the server of Autobahn's compression cases, for a client that sends each message back:
//
//   node deflate_cases.mjs
//
// The first line is its port. The query of a connection names its case: `settings` of compression as JSON, `data`, `size` of the
// messages and of their fragments (`fragment`, 0 for none), and the `count` of messages, each of which is sent when the one before it
// is back. It ends the connection by 1000 if all came back as they were sent, and otherwise by 4000 and what is wrong.

import { createServer } from "node:http"
import { WebSocketServer } from "ws"

import { print } from "./story.mjs"

// Numbers without pattern, the same each time.
let state = 1
const random = below => {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
  return (state >>> 8) % below
}
const repeat = (length, make) => Array.from({ length }, (_, number) => make(number))
const words = repeat(500, () => repeat(2 + random(9), () => "enaritsuldogcmhbö"[random(17)]).join(""))
const sentence = () => repeat(4 + random(12), () => words[random(1 + random(500))]).join(" ") + ".\n"

// As compressible as the suite's files: rows, a picture, prose, a page, and a document whose streams are compressed already.
const sources = {
  json: JSON.stringify(repeat(2_000, id => ({ id, name: words[random(500)], score: random(100_000) / 100, tags: [words[id % 50]] }))),
  picture: Buffer.from(repeat(1 << 18, at => (at >> 9) / 4 + ((at & 511) / 8) + random(12))),
  prose: Buffer.from(repeat(4_000, sentence).join("")),
  page: repeat(1_500, row => `<tr class="row"><td>${row}</td><td><a href="/rooms/${random(9_999)}">${words[random(500)]}</a></td></tr>\n`).join(""),
  document: Buffer.concat(repeat(60, at => Buffer.concat([Buffer.from(`${at} 0 obj << /Length 4000 >> stream\n`), Buffer.from(repeat(4_000, () => random(256)))]))),
}

// The next message of a case, from where the last one ended.
const messages = (data, size) => {
  const source = sources[data]
  let from = 0
  return () => {
    const end = from + size
    const rest = Math.max(0, end - source.length)
    const parts = [source.slice(from, end), source.slice(0, rest)]
    from = end % source.length
    return typeof source === "string" ? Buffer.from(parts.join("")) : Buffer.concat(parts)
  }
}

const play = (client, { data, size, fragment, count }) => {
  const next = messages(data, Number(size))
  const binary = typeof sources[data] !== "string"
  const step = Number(fragment) || Infinity
  let left = Number(count)
  let sent
  const send = () => {
    sent = next()
    for (let from = 0; from === 0 || from < sent.length; from += step) {
      client.send(sent.subarray(from, from + step), { binary, compress: true, fin: from + step >= sent.length })
    }
  }
  client.on("message", (message, isBinary) => {
    left--
    if (isBinary !== binary || !sent.equals(message)) {
      client.close(4000, `${left} messages before the end another one came`)
    } else if (left > 0) {
      send()
    } else {
      client.close(1000)
    }
  })
  if (client.extensions.includes("permessage-deflate")) {
    send()
  } else {
    client.close(4000, "no compression was agreed on")
  }
}

const server = createServer()
server.on("upgrade", (request, socket, head) => {
  const query = Object.fromEntries(new URL(request.url, "http://localhost").searchParams)
  const perMessageDeflate = { threshold: 0, ...JSON.parse(query.settings) }
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate })
  sockets.handleUpgrade(request, socket, head, client => play(client, query))
})
server.listen(0, "127.0.0.1", () => print({ port: server.address().port }))
// It ends with its standard input.
process.stdin.on("end", () => process.exit()).resume()
