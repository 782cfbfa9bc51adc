// How a judge speaks with the test: one JSON line for each thing that it saw, or that the test shall do; an end to
// every wait.

import { createInterface } from "node:readline"

const PATIENCE_MS = 20_000

const line = object => process.stdout.write(`${JSON.stringify(object)}\n`)

// Says what the client reported.
export const saw = (what, value) => line({ saw: what, value })

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

// Has the test do something on the server's side, and waits until it has.
export async function ask(what) {
  line({ do: what })
  await within(what, answers.next())
}

// What the test says, line by line.
export async function* commands() {
  for (let next = await answers.next(); !next.done; next = await answers.next()) yield JSON.parse(next.value)
}

// Ends the reading, which would keep the program alive.
export const end = () => process.stdin.destroy()

// Waits for a promise, but not for ever.
export function within(what, promise) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing for ${PATIENCE_MS} ms`)), PATIENCE_MS)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

// What callbacks report, in order.
export class Reports {
  #items = []
  #waiting = null

  add(item) {
    this.#items.push(item)
    this.#waiting?.()
  }

  // The next one that `wanted` accepts; those before it are skipped.
  next(what, wanted = () => true) {
    const search = async () => {
      for (;;) {
        while (this.#items.length === 0) {
          await new Promise(resolve => { this.#waiting = resolve })
        }
        const item = this.#items.shift()
        if (wanted(item)) return item
      }
    }
    return within(what, search())
  }
}

// Bytes as something that JSON can carry.
export const shown = payload =>
  payload instanceof ArrayBuffer ? { bytes: Array.from(new Uint8Array(payload)) } : payload

// Runs a story to its end, or says where it failed.
export async function play(story) {
  try {
    await story()
  } catch (error) {
    saw("failure", error.stack)
    process.exitCode = 1
  }
  end()
  // Timers of the client would keep it alive.
  setTimeout(() => process.exit(), 100).unref()
}
