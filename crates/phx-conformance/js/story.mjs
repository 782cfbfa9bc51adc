// How a story reports: one JSON line for each thing that happened, and an end to every wait.

const PATIENCE_MS = 20_000

// Prints one line.
export function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

// Waits for a promise, but not for ever.
export function within(what, promise) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing for ${PATIENCE_MS} ms`)), PATIENCE_MS)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

// What callbacks report, in order, for whoever waits for it.
export class Reports {
  #items = []
  #waiting = null

  add(item) {
    this.#items.push(item)
    this.#waiting?.()
  }

  get size() { return this.#items.length }

  // Forgets what nobody waited for.
  clear() { this.#items = [] }

  async #next() {
    while (this.#items.length === 0) {
      await new Promise(resolve => { this.#waiting = resolve })
    }
    return this.#items.shift()
  }

  // The next item, which nothing may precede.
  next(what) {
    return within(what, this.#next())
  }

  // The next item that `wanted` accepts; what comes before it is skipped.
  until(what, wanted) {
    const search = async () => {
      let item
      do { item = await this.#next() } while (!wanted(item))
      return item
    }
    return within(what, search())
  }
}

// The reply to a push or a join, as its status and response.
export function reply(what, push) {
  const replied = new Promise(resolve => {
    for (const status of ["ok", "error", "timeout"]) {
      push.receive(status, response => resolve({ status, response }))
    }
  })
  return within(what, replied)
}

// Bytes as something that JSON can carry.
export function bytes(buffer) {
  return buffer instanceof ArrayBuffer ? Array.from(new Uint8Array(buffer)) : "not an ArrayBuffer"
}

// Plays a story to its end, or to where it failed.
export async function play(story) {
  try {
    await story()
  } catch (error) {
    print({ failed: error.message })
    process.exitCode = 1
    // Open sockets would keep it alive.
    setTimeout(() => process.exit(), 0)
  }
}
