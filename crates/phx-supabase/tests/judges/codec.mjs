// realtime-js's serializer as a judge: reads questions, one line of JSON each, and answers each with a line.
//
// {"kind": "encode", "message": ..} is answered with {"frame": hex} or {"text": ..}, {"kind": "decode", "frame": hex} or
// {"kind": "decode", "text": ..} with {"message": ..}; {"refused": message} if the serializer throws. Bytes in a payload
// are {"bytes": hex}.

import { createRequire } from "node:module"
import { createInterface } from "node:readline"

// It isn't among the package's exports.
const main = createRequire(import.meta.url).resolve("@supabase/realtime-js")
const Serializer = createRequire(main)("./lib/serializer.js").default
const serializer = new Serializer()

const hex = buffer => Buffer.from(buffer).toString("hex")
const buffer = text => Uint8Array.from(Buffer.from(text, "hex")).buffer

const kinds = {
  encode({ message }) {
    const payload = message.payload?.payload
    if (payload?.bytes !== undefined) message.payload.payload = buffer(payload.bytes)
    return serializer.encode(message, frame =>
      typeof frame === "string" ? { text: frame } : { frame: hex(frame) })
  },
  decode({ frame, text }) {
    return serializer.decode(text ?? buffer(frame), message => {
      const payload = message?.payload?.payload
      if (payload instanceof ArrayBuffer) message.payload.payload = { bytes: hex(payload) }
      return { message: message ?? null }
    })
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line)
  let answer
  try {
    answer = kinds[question.kind](question)
  } catch (error) {
    // It quotes text, and may cut it within a character.
    answer = { refused: error.message.toWellFormed() }
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
