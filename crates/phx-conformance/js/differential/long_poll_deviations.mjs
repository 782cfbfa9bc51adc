// Where this project's long-poll differs from phoenix.js's on purpose, as changes to phoenix.js: see `deviations.mjs`.

import { LongPoll } from "phoenix"

const CLOSING = 2

const MAX_FAILURES = 5
const MAX_UNREAD = 5
// Pauses of polls that fail, before a session is looked for again, and before a POST is sent again.
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000
const UNKNOWN_PAUSE_MS = 500
const UNREAD_PAUSE_MS = 1_000
// Time for which a session that answered a POST too late may be busy.
const BUSY_MS = 5_000

const pauseMs = count => count === 0 ? 0 : Math.min(FIRST_PAUSE_MS * 2 ** (count - 1), LONGEST_PAUSE_MS)

export function deviating(world) {
  return class extends LongPoll {
    // Where the token of a request is, and whether the server has read it there. The world's server reads both places, and
    // a first poll of a session that it has forgotten looks like one whose header wasn't read.
    place = world.network.tokenPlace
    confirmed = false
    // Polls in a row that had no answer of the session, and that the server answered as those of no session.
    failed = 0
    unknown = 0
    // A session that answered a POST too late may be busy until this moment.
    busyUntil = null
    // Number of polls so far.
    polls = 0
    // The POST that the session didn't read, and its timer; or the first poll that can show that a late session lives.
    unread = null
    unreadInRow = 0
    late = null
    posting = false
    behindPost = false
    pollTimer = null
    // 34: closes for good, once what was accepted has been sent.
    finish = null

    applies(number) { return world.rules.includes(number) }

    mark(number) { world.mark(number) }

    ajax(method, headers, body, onCallerTimeout, callback) {
      if (this.token === null) { return super.ajax(method, headers, body, onCallerTimeout, callback) }
      const poll = method === "GET" ? ++this.polls : 0
      const { place } = this
      this.posting ||= method === "POST"
      super.ajax(method, headers, body, onCallerTimeout, response => {
        const again = () => this.ajax(method, headers, body, onCallerTimeout, callback)
        const isHandled = poll > 0 ? this.#polled(response, poll, place)
          : this.#posted(response, place, again, callback)
        if (!isHandled) { callback(response) }
        this.#finishIfSent()
      })
    }

    // 34: what was accepted before a disconnect is sent before the end. Until then pushes that wait do so in their channels,
    // and what comes is dropped.
    close(code, reason, wasClean) {
      const isSending = this.posting || this.unread || this.late
      if (!this.isActive() || !isSending || !this.applies(34)) { return super.close(code, reason, wasClean) }
      this.mark(34)
      this.#pushesOf(this.batchBuffer).forEach(([push, channel]) => this.#return(push, channel))
      this.readyState = CLOSING
      this.onmessage = () => {}
      this.finish = () => {
        super.close(code, reason, wasClean)
        this.afterClose?.()
      }
    }

    isActive() { return super.isActive() || this.readyState === CLOSING }

    // 34: what hasn't been sent waits for the next session.
    giveUp() { this.batchBuffer = [] }

    #finishIfSent() {
      if (this.finish && this.isActive() && !this.posting && !this.unread && !this.late) { this.finish() }
    }

    // Polls again, after a pause.
    #again(ms) {
      if (ms === 0) { return this.poll() }
      this.pollTimer = setTimeout(() => this.poll(), ms)
    }

    #confirm(place) {
      if (this.confirmed) { return }
      this.confirmed = true
      this.place = place
      world.network.tokenPlace = place
    }

    #polled(response, poll, place) {
      if (!response?.status) { return this.applies(28) && this.#pollFailed() }
      if (response.status === 410) { return this.applies(29) && this.#pollUnknown(place) }
      this.#confirm(place)
      this.failed = 0
      this.unknown = 0
      this.busyUntil = null
      this.unread?.again()
      if (this.late && (response.messages.length > 0 || this.late.poll <= poll)) { this.late.done() }
      return false
    }

    // 28: the messages of a poll that failed are lost, and the session goes on.
    #pollFailed() {
      this.mark(28)
      this.failed += 1
      if (this.failed > MAX_FAILURES) {
        this.closeAndRetry(500, 1011, "internal server error", false)
      } else {
        this.#again(pauseMs(this.failed - 1))
      }
      return true
    }

    // 29: a session that the server doesn't know may be busy.
    #pollUnknown(place) {
      this.mark(29)
      if (!this.confirmed && place === "header" && this.place === "header") {
        this.place = "query"
        this.unread?.again()
        this.#again(0)
        return true
      }
      this.unknown += 1
      if (this.posting && this.unreadInRow === 0) {
        this.behindPost = true
        return true
      }
      const busy = !this.confirmed ? false : this.busyUntil === null ? this.unknown < 2 : world.clock.now < this.busyUntil
      if (busy) {
        this.#again(UNKNOWN_PAUSE_MS)
      } else {
        this.closeAndRetry(410, 3410, "session_gone", false)
      }
      return true
    }

    #posted(response, place, again, callback) {
      this.posting = false
      const isHandled = this.#postAnswered(response?.status, place, again, callback)
      const goesOn = isHandled || response?.status === 200
      if (this.behindPost && goesOn && this.isActive()) {
        this.behindPost = false
        this.#again(0)
      }
      return isHandled
    }

    #postAnswered(status, place, again, callback) {
      if (status === 200 || status === 408) { this.#confirm(place) }
      if (status === 200) {
        this.unknown = 0
        this.unreadInRow = 0
      }
      // 30: a session that answers too late is dead or busy: a poll finds out.
      if (status === 408 && this.applies(30)) {
        this.mark(30)
        this.unreadInRow = 0
        this.busyUntil = world.clock.now + BUSY_MS * 1000
        const done = () => {
          this.late = null
          callback({ status: 200 })
        }
        this.late = { poll: this.polls + 1, done }
        return true
      }
      // 31: what the session didn't read is sent again.
      if (status === 410 && this.applies(31)) {
        this.mark(31)
        this.unreadInRow += 1
        if (this.unreadInRow > MAX_UNREAD || (this.behindPost && !this.confirmed)) {
          this.closeAndRetry(410, 3410, "session_gone", false)
          return true
        }
        const resend = () => {
          clearTimeout(this.unread.timer)
          this.unread = null
          again()
        }
        this.unread = { again: resend }
        if (place !== this.place) {
          resend()
        } else if (this.confirmed || place === "query") {
          this.unread.timer = setTimeout(resend, UNREAD_PAUSE_MS)
        }
        return true
      }
      return false
    }

    // 32: a push behind a POST that is under way waits in its channel, and not in the session.
    #returnPushes() {
      if (this.finish || !this.applies(32)) { return }
      for (const [push, channel] of this.#pushesOf(this.batchBuffer)) {
        this.mark(32)
        this.#return(push, channel)
      }
    }

    #return(push, channel) {
      push.cancelRefEvent()
      push.sent = false
      channel.pushBuffer.push(push)
    }

    // The pushes of frames, with their channels.
    #pushesOf(messages) {
      return messages.flatMap(text => {
        const [, ref] = JSON.parse(text)
        return this.socket.channels.flatMap(channel => {
          return [...channel.open].filter(one => one.ref === ref).map(push => [push, channel])
        })
      })
    }

    batchSend(messages, offset = 0) {
      if (offset > 0) { return super.batchSend(messages, offset) }
      // What has waited for the answer to a POST.
      const waited = messages === this.batchBuffer
      const kept = this.#pingsFirst(this.#inOrderOfCalls(waited ? this.#wanted(messages) : messages))
      // 34: no reply is listened to.
      if (this.finish) {
        this.#pushesOf(kept).forEach(([push, channel]) => channel.failPushes("disconnected", one => one === push))
      }
      if (kept.length > 0) {
        super.batchSend(kept)
      } else {
        this.awaitingBatchAck = false
      }
    }

    // 32: joins that were given up while they waited aren't sent, nor are the leaves that undo them.
    #wanted(messages) {
      if (!this.applies(32)) { return messages }
      const dropped = new Set()
      const kept = messages.filter(text => {
        const [joinRef, ref, , event] = JSON.parse(text)
        if (event === "phx_join" && !this.socket.channels.some(one => one.joinRef() === ref)) { dropped.add(ref) }
        return !dropped.has(joinRef)
      })
      if (dropped.size > 0) { this.mark(32) }
      return kept
    }

    // 35: what goes out together is in the order of the calls. phoenix.js lets the pushes that waited for a join go out
    // channel by channel.
    #inOrderOfCalls(messages) {
      if (!this.applies(35)) { return messages }
      const sorted = [...messages].sort((a, b) => this.socket.callOf(JSON.parse(a)[1]) - this.socket.callOf(JSON.parse(b)[1]))
      if (sorted.some((text, index) => text !== messages[index])) { this.mark(35) }
      return sorted
    }

    // 33: pings don't wait behind other frames. The others keep their order.
    #pingsFirst(messages) {
      if (!this.applies(33)) { return messages }
      const isPing = text => JSON.parse(text)[3] === "heartbeat"
      const others = messages.filter(text => !isPing(text))
      const sorted = [...messages.filter(isPing), ...others]
      if (sorted.some((text, index) => text !== messages[index])) { this.mark(33) }
      return sorted
    }

    get socket() { return world.socket }

    stop(readyState) {
      this.#returnPushes()
      clearTimeout(this.pollTimer)
      clearTimeout(this.unread?.timer)
      this.unread = null
      this.late = null
      super.stop(readyState)
    }
  }
}
