// The official client as a judge: reads questions, one line of JSON each, and answers each with a line.
//
// A question is {"kind": .., ..}; an answer is whatever that kind says, or {"failed": message}.

import { createInterface } from "node:readline"

import { run } from "./differential/world.mjs"
import { play } from "./presence.mjs"
import { decode, encode } from "./serializer.mjs"

const kinds = {
  // What the official client makes of a script, without and with these deviations.
  differential: ({ script, rules }) => ({ official: run(script, null), deviating: run(script, rules) }),
  presence: play,
  encode,
  decode,
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer
  try {
    const question = JSON.parse(line)
    answer = kinds[question.kind](question)
  } catch (error) {
    answer = { failed: error.stack }
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
