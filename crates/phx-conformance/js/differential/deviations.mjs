// Where this project differs from phoenix.js on purpose, as changes to phoenix.js.
//
// Each is the smallest change that gives the behaviour in the table of docs/CONFORMANCE.md, and calls
// `mark(number)` at the moment from which a user or a server can see it. Everything else is the
// official client's own code. A run in which nothing is marked must be equal to that of the client
// without these changes, and every run must be equal to that of the core.

import { Channel, Socket } from "phoenix"

// The bound on what waits in a channel: `MAX_BUFFERED` of src/differential/world.rs.
const MAX_BUFFERED = 6
const CLOSE_TIMEOUT_MS = 5_000
const LEAVE_TIMEOUT_MS = 10_000
const HEARTBEAT_TIMEOUT_MS = 30_000

const isEnd = event => event === "phx_close" || event === "phx_error"

export class DeviatingSocket extends Socket {
  constructor(url, options, world) {
    super(url, {
      ...options,
      decode: (raw, callback) => {
        this.heard = world.clock.now
        this.defaultDecoder(raw, message => {
          this.addressee = this.#leavingAddressee(message)
          callback(message)
        })
      },
    })
    this.world = world
    // When the last frame came.
    this.heard = 0
    // 35: refs of pushes that waited, with the refs that they had when they were called.
    this.calls = new Map()
  }

  // 35: the number of a frame's call. Refs are drawn from one counter, for a push that waits at its call too.
  callOf(ref) { return this.calls.get(ref) ?? Number(ref) }

  applies(number) { return this.world.rules.includes(number) }

  mark(number) { this.world.mark(number) }

  channel(topic, params) {
    const channel = new DeviatingChannel(topic, params, this)
    this.channels.push(channel)
    return channel
  }

  // 2: connect always acts, and the backoff starts over.
  connect() {
    const connection = this.connection
    if (this.unclosed) {
      // 4: the end of a connection that was to be closed is told before the next one begins.
      this.#tellClosed(this.unclosed)
    } else if (connection && !connection.ended && this.applies(2)) {
      if (connection.closeHandled) {
        this.mark(2)
        this.reconnectTimer.reset()
        this.connection = null
      } else if (this.reconnectTimer.tries > 0) {
        this.mark(2)
        this.reconnectTimer.tries = 0
      }
    }
    super.connect()
  }

  // 4 and 34: the end of the connection is reported once, when it is closed or at the latest after 5 s.
  disconnect(callback, code, reason) {
    const connection = this.connection
    if (connection && !connection.ended && !connection.closeHandled && (this.applies(4) || this.applies(34))) {
      this.unclosed = connection
      connection.deadline = setTimeout(() => this.#tellClosed(connection), CLOSE_TIMEOUT_MS)
      connection.transport.afterClose = () => this.#tellClosed(connection)
    }
    super.disconnect(callback, code, reason)
  }

  // 1: whoever waits joins in the order in which the channels were made. phoenix.js sends the joins that
  // it has buffered first, and then those of errored channels.
  onConnOpen() {
    const errored = this.channels.findIndex(one => one.isErroredInOfficial())
    const buffered = this.channels.findLastIndex(one => one.waiting && !one.callDone)
    if (errored !== -1 && errored < buffered) { this.mark(1) }
    super.onConnOpen()
  }

  onConnClose(event) {
    const connection = this.connection
    if (connection.told) { return }
    this.#ended(connection)
    super.onConnClose(event)
  }

  #tellClosed(connection) {
    if (connection.told) { return }
    this.mark(this.world.script.long_poll ? 34 : 4)
    connection.transport.giveUp?.()
    this.#ended(connection)
    this.stateChangeCallbacks.close.forEach(([, callback]) => callback({ code: 1000 }))
  }

  // 4: a dead link's end is told at once, and the reconnect doesn't wait for it.
  heartbeatTimeout() {
    if (!this.pendingHeartbeatRef || !this.applies(4)) { return super.heartbeatTimeout() }
    const connection = this.connection
    this.mark(4)
    this.clearHeartbeats()
    connection.close(1000, "heartbeat timeout")
    connection.closeHandled = true
    this.#ended(connection)
    this.triggerChanError("heartbeat_timeout", connection)
    this.reconnectTimer.scheduleTimeout()
    this.stateChangeCallbacks.close.forEach(([, callback]) => callback({ code: 1006 }))
  }

  // 22: the timeout of a heartbeat counts from the last frame, and only the limit from the heartbeat.
  sendHeartbeat() {
    super.sendHeartbeat()
    if (!this.pendingHeartbeatRef || !this.#hasPatience()) { return }
    clearTimeout(this.heartbeatTimeoutTimer)
    this.#awaitReply(this.world.clock.now)
  }

  #hasPatience() { return this.world.script.heartbeat && this.applies(22) }

  // How long a heartbeat or ping of that moment may still wait for its reply.
  #timeLeft(since) {
    if (!this.#hasPatience()) { return since + HEARTBEAT_TIMEOUT_MS * 1000 - this.world.clock.now }
    const { timeout, limit } = this.world.script.heartbeat
    const silence = Math.max(this.heard, since) + timeout
    return Math.min(silence, since + Math.max(limit, timeout)) - this.world.clock.now
  }

  #awaitReply(since) {
    const left = this.#timeLeft(since)
    // In phoenix.js it is over then.
    const leftInOfficial = since + HEARTBEAT_TIMEOUT_MS * 1000 - this.world.clock.now
    if (left <= 0) {
      if (leftInOfficial > 0) { this.mark(22) }
      return this.heartbeatTimeout()
    }
    if (leftInOfficial === 0) { this.mark(22) }
    const next = leftInOfficial > 0 ? Math.min(left, leftInOfficial) : left
    this.heartbeatTimeoutTimer = setTimeout(() => this.#awaitReply(since), next / 1000)
  }

  teardownAndReconnect(reconnect) {
    if (this.connection?.told && this.applies(4)) {
      this.connection = null
      return reconnect()
    }
    super.teardownAndReconnect(reconnect)
  }

  // 7: what was sent over a connection that is over fails, before its channel does.
  triggerChanError(reason, connection = this.connection) {
    if (connection && !connection.isOpen()) { this.#failSent("disconnected") }
    super.triggerChanError(reason, connection)
  }

  #ended(connection) {
    connection.told = true
    clearTimeout(connection.deadline)
    this.unclosed = null
    this.#failSent("disconnected")
    // 3: a connection's end is the end of its leaves.
    for (const channel of [...this.channels]) { channel.finishLeave("ok") }
  }

  #failSent(outcome) {
    for (const channel of this.channels) { channel.failPushes(outcome, push => push.sent) }
  }

  // 7: a ping has one outcome too: after its time is over there is no answer.
  ping(callback) {
    let over = false
    const since = this.world.clock.now
    const look = () => {
      const left = this.#timeLeft(since)
      if (left > 0) { setTimeout(look, left / 1000) } else { over = true }
    }
    look()
    return super.ping(ms => {
      if (!over || !this.applies(7)) { return callback(ms) }
      this.mark(7)
    })
  }

  // 18: one owner per topic.
  owner(topic) {
    return this.channels.find(channel => {
      return channel.topic === topic && !channel.isLeaving() && !channel.isClosed()
    })
  }

  refuses(topic, replace) {
    const owner = this.owner(topic)
    if (!owner || !this.applies(18)) { return false }
    if (!replace) {
      this.mark(18)
      return true
    }
    if (owner.isErroredInOfficial()) {
      // phoenix.js leaves only what is joined or joining: this one would come back.
      this.mark(18)
      owner.close()
    } else {
      owner.leave(LEAVE_TIMEOUT_MS)
    }
    return false
  }

  // 3: who is meant by the end of a channel that names no join: the one that was left first.
  #leavingAddressee({ topic, event, join_ref }) {
    if (join_ref || !isEnd(event)) { return null }
    const leaving = this.channels.filter(one => one.topic === topic && one.isLeaving())
    return leaving.sort((a, b) => Number(a.joinRef()) - Number(b.joinRef()))[0] ?? null
  }
}

class DeviatingChannel extends Channel {
  constructor(topic, params, socket) {
    super(topic, params, socket)
    // Pushes without an outcome.
    this.open = new Set()
    // 1: whether a join waits for the connection.
    this.waiting = false
    // Whether the call of join has had its outcome.
    this.callDone = false
    socket.onOpen(() => {
      if (this.waiting) { this.rejoin() }
    })
    // 25: whether an attempt has crashed, for which the call of join waits on.
    this.crashed = false
    // 26: whether the server names the join in all that is from the channel.
    this.named = false
    for (const status of ["ok", "timeout"]) {
      this.joinPush.receive(status, () => this.#endCall())
    }
    this.joinPush.receive("error", response => {
      if (response?.reason === "join crashed" && this.applies(25)) {
        this.crashed = true
      } else {
        this.#endCall()
      }
    })
    this.onClose(() => {
      this.#closeCall()
      this.failPushes("closed", () => true)
    })
  }

  applies(number) { return this.socket.applies(number) }

  mark(number) { this.socket.mark(number) }

  join(timeout) {
    // 9: the call has one deadline, whatever becomes of its attempts.
    this.calledAt = this.socket.world.clock.now
    this.callTimer = setTimeout(() => {
      // The attempt of this very moment tells the same, perhaps behind what was called in between.
      const alike = this.waiting || (this.sentAt === this.calledAt && this.isJoining())
      this.#endCall()
      if (this.crashed) {
        // 25: the call has an outcome of its own, at its deadline.
        this.mark(25)
        this.socket.world.tell(this, "join: crashed")
        return
      }
      if (!alike) { this.mark(this.hadError ? 9 : 1) }
      this.socket.world.tellTimedOut(this)
    }, timeout)
    return super.join(timeout)
  }

  // Whether phoenix.js has this channel errored: also one whose join waits for a connection although its
  // time is over.
  isErroredInOfficial() { return this.isErrored() || (this.waiting && this.callDone) }

  #endCall() {
    this.callDone = true
    clearTimeout(this.callTimer)
  }

  // 7: exactly one outcome for each call.
  #closeCall() {
    if (this.callDone || !this.applies(7)) { return }
    this.#endCall()
    this.mark(7)
    this.socket.world.tell(this, "join: closed")
  }

  rejoin(timeout = this.timeout) {
    if (this.isLeaving()) { return }
    // 1: a join is never buffered, it waits for the connection.
    if (!this.socket.isConnected() && this.applies(1)) {
      this.waiting = true
      this.state = "joining"
      return
    }
    if (this.waiting) {
      this.waiting = false
      // Or it would find itself among the topic's joining channels.
      this.state = "errored"
    }
    this.sentAt = this.socket.world.clock.now
    super.rejoin(timeout)
  }

  trigger(event, payload, ref, joinRef) {
    const transport = event === "phx_error" && payload?.source === "transport"
    if (transport) {
      if (this.waiting) { return this.mark(1) }
      this.hadError = true
    } else if (arguments.length === 4) {
      if (!this.#accepts(event, joinRef)) { return }
      if (event === "phx_reply") { return this.#reply(payload, ref, joinRef) }
      if (event === "phx_error" && this.isJoining() && this.applies(25)) { this.crashed = true }
      // 7: what was sent has no reply any more.
      if (event === "phx_error" && this.isJoined()) { this.failPushes("crashed", push => push.sent) }
    }
    super.trigger(event, payload, ref, joinRef)
  }

  // 26: a channel that the server has forgotten has crashed.
  #reply(payload, ref, joinRef) {
    if (this.isJoining() && ref === this.joinPush.ref) { this.named = Boolean(joinRef) }
    const about = [...this.open].some(push => push.sent && push.ref === ref)
    const forgotten = about && this.isJoined() && this.named && !joinRef
      && payload.status === "error" && payload.response?.reason === "unmatched topic"
    super.trigger("phx_reply", payload, ref, joinRef)
    if (!forgotten || !this.applies(26)) { return }
    this.mark(26)
    this.failPushes("crashed", push => push.sent)
    super.trigger("phx_error", "forgotten")
  }

  // Whether a message of the server concerns the channel in its state.
  #accepts(event, joinRef) {
    if (event === "phx_reply") { return true }
    if (this.isLeaving()) {
      // 3: a leave is over with the end of the channel, however the server puts it.
      if (isEnd(event)) { this.finishLeave("ok") }
      return false
    }
    if (this.isJoining() && event === "phx_close" && joinRef) {
      // 20: a channel that is closed while it joins is closed; its join's timer would bring it back.
      if (this.applies(20)) {
        this.mark(20)
        this.joinPush.cancelTimeout()
      }
      return true
    }
    // 11: what isn't about a joined channel is dropped.
    const concerned = this.isJoined() || (this.isJoining() && event === "phx_error" && joinRef)
    if (concerned || !this.applies(11)) { return true }
    this.mark(11)
    return false
  }

  isMember(topic, event, payload, joinRef) {
    const addressee = this.socket.addressee
    if (addressee && topic === this.topic && addressee !== this) { return false }
    return super.isMember(topic, event, payload, joinRef)
  }

  // 10: a closed channel and a full buffer refuse.
  refusal() {
    if (!this.applies(10)) { return null }
    const waiting = [...this.open].filter(push => !push.sent).length
    const why = this.isLeaving() || this.isClosed() ? "closed"
      : waiting >= MAX_BUFFERED ? "full" : null
    if (why) { this.mark(10) }
    return why
  }

  push(event, payload, timeout) {
    const deadline = this.socket.world.clock.now + timeout * 1000
    const push = super.push(event, payload, timeout)
    this.open.add(push)
    const buffered = !push.sent
    const original = push.send.bind(push)
    const call = Number(push.ref)
    // 9: one deadline, from the call.
    push.send = () => {
      if (this.applies(9)) { push.timeout = (deadline - this.socket.world.clock.now) / 1000 }
      original()
      this.socket.calls.set(push.ref, call)
    }
    for (const status of ["ok", "error", "custom", "timeout"]) {
      push.receive(status, () => {
        this.open.delete(push)
        if (status === "timeout" && buffered && push.sent) { this.mark(9) }
      })
    }
    return push
  }

  // 7: a push fails as soon as no reply can come.
  failPushes(outcome, which) {
    if (!this.applies(7)) { return }
    for (const push of [...this.open].filter(which)) {
      this.mark(7)
      this.open.delete(push)
      push.cancelRefEvent()
      push.cancelTimeout()
      this.pushBuffer = this.pushBuffer.filter(one => one !== push)
      this.socket.world.tell(this, `${push.name}: ${outcome}`)
    }
  }

  refusesLeave() {
    const over = (this.isLeaving() || this.isClosed()) && this.applies(10)
    if (over) { this.mark(10) }
    return over
  }

  // 3: a leave is over when the server says so, when the connection ends, or in time. `hooks` are told
  // the outcome, before the channel's end is.
  leave(timeout, hooks = {}) {
    const connected = this.socket.isConnected()
    if (connected && (this.isJoined() || this.isJoining())) {
      if (!this.applies(3)) { return super.leave(timeout) }
      this.mark(3)
      this.#leaveKnown(timeout, hooks)
    } else {
      // 19: the server doesn't know the channel, and gets no frame about it.
      if (connected && !this.applies(19)) { return super.leave(timeout) }
      if (connected) { this.mark(19) }
      hooks.ok?.()
      this.close()
    }
    return null
  }

  #leaveKnown(timeout, hooks) {
    this.rejoinTimer.reset()
    this.joinPush.cancelTimeout()
    this.joinPush.cancelRefEvent()
    this.failPushes("closed", push => !push.sent)
    this.#closeCall()
    this.state = "leaving"
    const Push = this.joinPush.constructor
    this.leaving = new Push(this, "phx_leave", () => ({}), timeout)
    this.leaveHooks = hooks
    for (const status of ["ok", "error", "custom"]) {
      this.leaving.receive(status, () => this.finishLeave("ok"))
    }
    this.leaving.receive("timeout", () => this.finishLeave("timeout"))
    this.leaving.send()
  }

  finishLeave(outcome) {
    if (!this.isLeaving()) { return }
    this.leaving.cancelRefEvent()
    this.leaving.cancelTimeout()
    this.leaveHooks[outcome]?.()
    this.close()
  }

  close() {
    this.waiting = false
    this.trigger("phx_close", "leave")
  }
}
