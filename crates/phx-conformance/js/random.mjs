// Random messages from a seed, for the judges of compression.

// Returns a function that returns numbers from 0 up to `below`.
export function numbers(seed) {
  let state = seed >>> 0
  return below => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

// A text that compresses about as English does: words of a small vocabulary between numbers. Most are short; one in 50
// has up to 64 kB.
export function text(number) {
  const length = number(50) === 0 ? number(65_536) : number(400)
  let text = ""
  while (text.length < length) {
    text += number(3) === 0 ? `${number(1_000_000)} ` : `w${(number(200) * 7_919).toString(36)}ö `
  }
  return text.slice(0, length)
}
