// phoenix.js's serializer. Bytes travel as lists of numbers, in {"bytes": [..]}.

import { Serializer } from "phoenix"

const toBytes = buffer => ({ bytes: Array.from(new Uint8Array(buffer)) })
const fromBytes = ({ bytes }) => new Uint8Array(bytes).buffer
const isBytes = value => value !== null && typeof value === "object" && Array.isArray(value.bytes)

// A message to a frame: {"text": ..}, {"bytes": ..}, or {"refused": ..}.
export function encode({ message }) {
  const payload = isBytes(message.binary) ? fromBytes(message.binary) : message.payload
  let frame
  try {
    Serializer.encode({ ...message, payload }, encoded => { frame = encoded })
  } catch (error) {
    return { refused: error.message }
  }
  return typeof frame === "string" ? { text: frame } : toBytes(frame)
}

// A frame to a message; bytes of a payload or a response are {"bytes": ..}.
export function decode({ frame }) {
  let message
  Serializer.decode(isBytes(frame) ? fromBytes(frame) : frame.text, decoded => { message = decoded })
  const { payload } = message
  if (payload instanceof ArrayBuffer) {
    message.payload = toBytes(payload)
  } else if (payload?.response instanceof ArrayBuffer) {
    message.payload = { ...payload, response: toBytes(payload.response) }
  }
  return message
}
