// A clock that stands still until it is moved, and the timers that hang on it.
//
// Times are whole microseconds: a script's delays are chosen so finely that nothing happens at the
// same moment by chance. Timers of the same moment fire in the order in which they were made.

export class Clock {
  now = 0
  #timers = new Map()
  #last = 0
  // What becomes of what a timer's callback throws.
  thrown = error => { throw error }

  set(callback, ms) {
    this.#timers.set(++this.#last, { at: this.now + Math.round(ms * 1000), callback })
    return this.#last
  }

  clear(timer) {
    this.#timers.delete(timer)
  }

  advance(us) {
    const end = this.now + us
    for (let due = this.#next(end); due; due = this.#next(end)) {
      const { at, callback } = this.#timers.get(due)
      this.#timers.delete(due)
      this.now = at
      try { callback() } catch (error) { this.thrown(error) }
    }
    this.now = end
  }

  #next(end) {
    let [first, earliest] = [null, end]
    for (const [timer, { at }] of this.#timers) {
      if (at < earliest || (at === earliest && first === null)) { [first, earliest] = [timer, at] }
    }
    return first
  }
}

// phoenix.js finds its timers here; which clock they hang on changes with every run.
let current = null

export function install(clock) {
  current = clock
}

globalThis.setTimeout = (callback, ms) => current.set(callback, ms)
// A ping's time there and back is told in its milliseconds.
Date.now = () => current.now / 1000
globalThis.clearTimeout = timer => current.clear(timer)
