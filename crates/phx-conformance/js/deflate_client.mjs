// npm's `ws` as a client that compresses, against the server kit:
//
//   node deflate_client.mjs ws://127.0.0.1:4711/socket MESSAGES SEED '{"serverMaxWindowBits":9}'
//
// It offers compression with these options, joins, and pushes random messages, each of which must come back. The last
// line says what was agreed on, the bytes of what came back, and the bytes on the wire.

import assert from "node:assert"
import { once } from "node:events"
import WebSocket from "ws"

import { numbers, text } from "./random.mjs"
import { print, play, within } from "./story.mjs"

const [url, count, seed, options] = process.argv.slice(2)
const number = numbers(Number(seed))

// Bytes of a frame's payload with the kind, refs, topic and event of a binary push, or of a reply to it.
const header = (kind, ...names) =>
  Buffer.concat([Buffer.from([kind, ...names.map(name => name.length)]), ...names.map(name => Buffer.from(name))])

async function story() {
  const perMessageDeflate = { threshold: 0, ...JSON.parse(options) }
  const client = new WebSocket(`${url}/websocket?vsn=2.0.0`, { perMessageDeflate })
  const replies = []
  let wake = () => {}
  client.on("message", (data, isBinary) => {
    replies.push({ data, isBinary })
    wake()
  })
  client.on("close", () => wake())
  await within("the connection", once(client, "open"))
  const reply = async () => {
    while (replies.length === 0) {
      assert.strictEqual(client.readyState, WebSocket.OPEN, "the server closed")
      await within("a reply", new Promise(resolve => { wake = resolve }))
    }
    return replies.shift()
  }
  client.send(`["1","1","room:a","phx_join",{}]`)
  await reply()
  let bytes = 0
  for (let done = 0; done < Number(count);) {
    // Several at a time, so that frames come together.
    const expected = []
    for (let more = Math.min(1 + number(8), Number(count) - done); more > 0; more--) {
      const ref = String(++done)
      const body = text(number)
      if (number(4) === 0) {
        client.send(Buffer.concat([header(0, "1", ref, "room:a", "echo"), Buffer.from(body)]))
        expected.push(Buffer.concat([header(1, "1", ref, "room:a", "ok"), Buffer.from(body)]))
      } else {
        // One in five goes out uncompressed.
        const message = JSON.stringify(["1", ref, "room:a", "echo", { body }])
        client.send(message, { compress: number(5) > 0 })
        expected.push(JSON.stringify(["1", ref, "room:a", "phx_reply", { response: { body }, status: "ok" }]))
      }
      if (number(10) === 0) client.ping("between")
    }
    for (const answer of expected) {
      const { data, isBinary } = await reply()
      bytes += data.length
      if (typeof answer === "string") {
        assert.strictEqual(isBinary, false)
        assert.strictEqual(data.toString(), answer)
      } else {
        assert.strictEqual(isBinary, true)
        assert.ok(data.equals(answer), "the same bytes")
      }
    }
  }
  const { bytesRead, bytesWritten } = client._socket
  client.close(1000)
  const [code] = await within("the end", once(client, "close"))
  print({ agreed: client.extensions, messages: Number(count), bytes, bytesRead, bytesWritten, code })
}

await play(story)
