// One run of a script: the official client, or that client with our deviations, in a world of its own.

import { Socket } from "phoenix"

import { Clock, install } from "./clock.mjs"
import { DeviatingSocket } from "./deviations.mjs"
import { LongPollNetwork } from "./longpoll.mjs"
import { Network } from "./network.mjs"

// The events that the users of scripts listen to.
const HEARD = ["talk", "chat"]
const STATUSES = ["ok", "error", "custom", "timeout"]

// Runs a script. `rules` are the numbers of the deviations to apply; null: the client as it is.
export function run(script, rules) {
  const world = new World(script, rules)
  try {
    script.steps.forEach((step, index) => {
      world.step = index
      world[step.do](step)
      // What phoenix.js does over long-poll when the caller is done.
      if (script.long_poll) { world.clock.advance(0) }
    })
  } catch (error) {
    world.log("socket", `the client threw: ${error.stack}`)
  }
  return { lines: world.lines, marks: world.marks, arrivals: rules ? world.arrivals : [] }
}

class World {
  constructor(script, rules) {
    this.script = script
    this.rules = rules
    this.clock = new Clock()
    install(this.clock)
    this.step = 0
    // [step, microsecond, subject, what happened]
    this.lines = []
    // Which deviation made a difference, and when: [number, step, microsecond].
    this.marks = []
    // What came to the client, before it saw it.
    this.arrivals = []
    this.thrown = []
    this.network = script.long_poll ? new LongPollNetwork(this) : new Network(this)
    // A channel that was refused has no object.
    this.channels = []
    this.pushes = 0
    let attempts = 0
    const options = {
      transport: this.network.transport,
      params: () => ({ attempt: ++attempts }),
    }
    this.socket = rules
      ? new DeviatingSocket("ws://host.example/socket", options, this)
      : new Socket("ws://host.example/socket", options)
    this.socket.onOpen(() => this.log("socket", "open"))
    this.socket.onClose(({ code }) => {
      this.log("socket", this.socket.closeWasClean ? "closed on request" : script.long_poll ? "closed" : `closed ${code}`)
    })
  }

  log(subject, text) {
    this.lines.push([this.step, this.clock.now, subject, text])
  }

  arrive(socket, arrival) {
    this.arrivals.push({ step: this.step, us: this.clock.now, socket: socket.number, ...arrival })
  }

  mark(number) {
    this.marks.push([number, this.step, this.clock.now])
  }

  tell(channel, text) {
    this.log(`channel ${channel.number}`, text)
  }

  // The join's call and its attempt may run out together: that is told once.
  tellTimedOut(channel) {
    const subject = `channel ${channel.number}`
    const text = "join: timed out"
    const told = ([, us, to, what]) => us === this.clock.now && to === subject && what === text
    if (!this.lines.some(told)) { this.log(subject, text) }
  }

  // What became of a leave belongs before the end of the channel; but phoenix.js lets one ask for it only
  // when the leave is over.
  tellLeft(channel, text) {
    const subject = `channel ${channel.number}`
    const last = this.lines.at(-1)
    const ended = last?.[0] === this.step && last[1] === this.clock.now && last[2] === subject
      && last[3] === "closed: left"
    this.lines.splice(this.lines.length - (ended ? 1 : 0), 0, [this.step, this.clock.now, subject, text])
  }

  connect() { this.socket.connect() }

  disconnect() { this.socket.disconnect(undefined, 1000, "bye") }

  join({ topic, timeout, replace }) {
    const number = this.channels.length
    const name = topic
    if (this.socket.refuses?.(name, replace)) {
      this.channels.push(null)
      this.log(`channel ${number}`, "refused: topic taken")
      return
    }
    const channel = this.socket.channel(name, { nth: number })
    channel.number = number
    this.channels.push(channel)
    for (const event of HEARD) {
      channel.on(event, payload => this.tell(channel, `${event} ${JSON.stringify(payload)}`))
    }
    channel.onError(reason => {
      const transport = reason?.source === "transport"
      const what = transport ? "connection"
        : reason === "forgotten" ? "forgotten" : `crash ${JSON.stringify(reason)}`
      this.tell(channel, `error: ${what}`)
    })
    channel.onClose(reason => {
      this.tell(channel, reason === "leave" ? "closed: left" : `closed: by server ${JSON.stringify(reason)}`)
    })
    channel.joinPush
      .receive("ok", response => this.tell(channel, `joined ${JSON.stringify(response)}`))
      .receive("error", response => this.tell(channel, `join: error ${JSON.stringify(response)}`))
      .receive("timeout", () => this.tellTimedOut(channel))
    channel.join(timeout)
  }

  #channel(index) {
    return this.channels.length > 0 ? this.channels[index % this.channels.length] : null
  }

  push({ channel: index, timeout }) {
    const channel = this.#channel(index)
    if (!channel) { return }
    const name = `push ${this.pushes++}`
    const refusal = channel.refusal?.()
    if (refusal) {
      this.tell(channel, `${name}: refused, ${refusal}`)
      return
    }
    const push = channel.push("say", { name }, timeout)
    push.name = name
    for (const status of STATUSES) {
      push.receive(status, response => {
        const what = status === "timeout" ? "timed out" : `${status} ${JSON.stringify(response)}`
        this.tell(channel, `${name}: ${what}`)
      })
    }
  }

  leave({ channel: index, timeout }) {
    const channel = this.#channel(index)
    if (!channel) { return }
    if (channel.refusesLeave?.()) {
      this.tell(channel, "leave: refused, closed")
      return
    }
    const ok = () => this.tellLeft(channel, "leave: left")
    const late = () => this.tellLeft(channel, "leave: timed out")
    channel.leave(timeout, { ok, timeout: late })?.receive("ok", ok).receive("timeout", late)
  }

  ping() {
    const asked = this.socket.ping(ms => this.log("socket", `pong after ${Math.round(ms * 1000)}`))
    if (!asked) { this.log("socket", "ping: refused") }
  }

  wait({ us }) { this.clock.advance(us) }
  open() { this.network.open() }
  closed({ code }) { this.network.closed(code) }
  lost() { this.network.lost() }
  refuse() { this.network.refuse() }
  harm(step) { this.network.harm(step) }
  reply(step) { this.network.reply(step) }
  end(step) { this.network.end(step) }
  message(step) { this.network.message(step) }
  garbage({ text }) { this.network.deliverText(text) }
}
