// What a browser and a server would do: WebSockets that open, close and break when the script says
// so, and lines of the server that refer to what the client has sent.
//
// What comes to the client is noted: the core's run (`src/differential/world.rs`) is brought the same.

const [CONNECTING, OPEN, CLOSING, CLOSED] = [0, 1, 2, 3]

// A browser's own patience with a server that doesn't answer the upgrade.
const GIVE_UP_MS = 20_011

export class Network {
  constructor(world) {
    this.world = world
    this.script = world.script
    this.sockets = []
    // Everything that the client has sent, oldest first.
    this.frames = []
    this.joins = 0
    this.lines = 0
    const network = this
    this.WebSocket = class FakeWebSocket {
      constructor(url) {
        this.readyState = CONNECTING
        this.bufferedAmount = 0
        network.connected(this, url)
      }
      send(text) { network.sent(this, text) }
      close(code, reason) { network.closing(this, code, reason) }
    }
  }

  get transport() { return this.WebSocket }

  get latest() { return this.sockets.at(-1) }

  connected(socket, url) {
    socket.number = this.sockets.push(socket)
    this.world.log("connection", `connect ${socket.number} ${url}`)
    this.world.clock.set(() => {
      if (socket.readyState === CONNECTING) { this.break(socket) }
    }, GIVE_UP_MS)
  }

  sent(socket, text) {
    if (socket.readyState !== OPEN) { return }
    this.world.log("frames", `${socket.number} ${text}`)
    this.received(socket, text)
  }

  // The server has a frame of the client.
  received(socket, text) {
    const [joinRef, ref, topic, event] = JSON.parse(text)
    const frame = { socket, joinRef, ref, topic, event, answered: false, dead: false }
    this.frames.push(frame)
    if (event === "phx_join") { frame.nth = this.joins++ }
    if (this.#answersBySelf(event)) {
      // A little later for each frame, so that no two things happen at the same moment.
      this.world.clock.set(() => {
        if (socket === this.latest && !frame.answered) { this.answer(frame, this.#verdict(frame), true) }
      }, (this.script.auto.delay + this.frames.length) / 1000)
    }
  }

  #answersBySelf(event) {
    const { joins, pushes, leaves, heartbeats } = this.script.auto
    return event === "phx_join" ? joins
      : event === "phx_leave" ? leaves
        : event === "heartbeat" ? heartbeats : pushes
  }

  #verdict(frame) {
    const { crash, reject } = this.script.auto
    const isOne = bits => frame.event === "phx_join" && (bits >> (frame.nth % 8)) & 1
    return isOne(crash) ? "phoenix" : isOne(reject) ? "error" : "ok"
  }

  answer(frame, status, named) {
    if (this.latest.readyState !== OPEN) { return }
    frame.answered = true
    if (frame.event === "phx_join" && status !== "ok") { frame.dead = true }
    let response = { n: this.lines++ }
    if (status === "phoenix" || status === "imitation") {
      const crashed = frame.event === "phx_join"
      response = { reason: crashed ? "join crashed" : "unmatched topic" }
      if (status === "phoenix" && !crashed) { named = false }
      status = "error"
    }
    if (frame.event === "say" && status === "error" && !named) {
      // The server knows the channel no more.
      const joins = this.frames.filter(one => one.event === "phx_join" && one.ref === frame.joinRef)
      joins.forEach(one => { one.dead = true })
    }
    const joinRef = named ? frame.joinRef : null
    this.deliver([joinRef, frame.ref, frame.topic, "phx_reply", { status, response }])
    if (frame.event === "phx_leave") {
      const join = this.frames.find(one => one.event === "phx_join" && one.ref === frame.joinRef)
      if (join && !join.dead) {
        join.dead = true
        if (named) { this.deliver([join.ref, join.ref, frame.topic, "phx_close", {}]) }
      }
    }
  }

  deliver(message) {
    this.bring(JSON.stringify(message), { kind: "message", message })
  }

  deliverText(text) {
    this.bring(text, { kind: "text", text })
  }

  bring(data, arrival) {
    if (this.latest?.readyState !== OPEN) { return }
    this.world.arrive(this.latest, arrival)
    // What a handler throws ends up in a browser's console.
    try { this.latest.onmessage({ data }) } catch (error) { this.world.thrown.push(error.message) }
  }

  // Which join a line of the server names: undefined if there is nothing that it could be.
  #joinOf(topic, which) {
    const here = this.frames.filter(one => one.event === "phx_join" && one.topic === topic)
    const latest = here.filter(one => one.socket === this.latest).at(-1)
    const alive = latest && latest.answered && !latest.dead ? latest : undefined
    switch (which) {
      case "alive": return alive && { frame: alive, ref: alive.ref }
      case "broadcast": return alive && { frame: null, ref: null }
      case "latest": return latest && { frame: latest, ref: latest.ref }
      case "null": return { frame: latest ?? null, ref: null }
      case "stale": return { frame: null, ref: here.filter(one => one !== latest).at(-1)?.ref ?? "9999" }
    }
  }

  reply({ back, any, status, named, stale }) {
    if (this.latest?.readyState !== OPEN) { return }
    const candidates = this.frames.filter(one => any || (one.socket === this.latest && !one.answered))
    if (candidates.length === 0) { return }
    const frame = candidates[candidates.length - 1 - back % candidates.length]
    if (stale) {
      // A reply that names another join is nobody's. A heartbeat's names none.
      const response = { n: this.lines++ }
      if (frame.event === "heartbeat") { return }
      this.deliver(["9999", frame.ref, frame.topic, "phx_reply", { status: "ok", response }])
      return
    }
    // A status of the application's own is for pushes: Phoenix answers joins with ok or error.
    const suits = ["ok", "error"].includes(status) || frame.event === "say"
      || (frame.event === "phx_join" && status === "phoenix")
    this.answer(frame, suits ? status : "ok", named)
  }

  end({ topic, event, join }) {
    if (this.latest?.readyState !== OPEN) { return }
    const named = this.#joinOf(topic, join)
    if (!named) { return }
    if (named.frame) { named.frame.dead = true }
    this.deliver([named.ref, null, topic, event, { n: this.lines++ }])
  }

  message({ topic, name, join }) {
    if (this.latest?.readyState !== OPEN) { return }
    const named = this.#joinOf(topic, join)
    if (named) { this.deliver([named.ref, null, topic, name, { n: this.lines++ }]) }
  }

  open() {
    if (this.latest?.readyState !== CONNECTING) { return }
    this.latest.readyState = OPEN
    this.world.arrive(this.latest, { kind: "open" })
    this.latest.onopen()
  }

  closed(code) {
    if (this.latest?.readyState === OPEN) { this.#end(this.latest, code) }
  }

  lost() {
    const socket = this.latest
    if (socket && socket.readyState < CLOSING) { this.break(socket) }
  }

  break(socket) {
    socket.readyState = CLOSED
    this.world.arrive(socket, { kind: "lost" })
    socket.onerror({})
    socket.onclose({ code: 1006 })
    socket.afterClose?.()
  }

  closing(socket, code, reason) {
    if (socket.readyState >= CLOSING) { return }
    this.world.log("connection", `close ${socket.number} ${code} ${reason}`)
    socket.readyState = CLOSING
    const answers = this.script.close_answers
    const delay = answers[socket.number % answers.length]
    if (delay !== null) { this.world.clock.set(() => this.#end(socket, code), delay / 1000) }
  }

  #end(socket, code) {
    socket.readyState = CLOSED
    this.world.arrive(socket, { kind: "closed", code })
    socket.onclose({ code })
    socket.afterClose?.()
  }
}
