// The network of `network.mjs` for the long-poll transport: phoenix.js's requests, and a server that answers them when
// the script and its own times say so.
//
// What comes to the client is noted as answers to its requests: the core's run gets the same answers.

import { LongPoll } from "phoenix"

import { deviating } from "./long_poll_deviations.mjs"
import { Network } from "./network.mjs"

const [CONNECTING, OPEN, , CLOSED] = [0, 1, 2, 3]

// A waiting poll is answered with 204 then: not at a moment that a timer of the client may have.
const WINDOW_MS = 10_000.013

// phoenix.js finds its requests here; which network they go to changes with every run.
let current = null

// phoenix.js complains here about answers that aren't JSON; standard output is for answers to questions.
console.log = () => {}

globalThis.XMLHttpRequest = class {
  readyState = 0
  open(method, url) { Object.assign(this, { method, url }) }
  setRequestHeader() {}
  send(body) { current.requested(this, body) }
  abort() { current.forget(this) }
}

export class LongPollNetwork extends Network {
  constructor(world) {
    super(world)
    current = this
    // phoenix.js handles each message in a timer's callback; what that throws ends up in a browser's console.
    world.clock.thrown = error => world.thrown.push(error.message)
    this.tokens = 0
    // Where the deviating client's last session had its token.
    this.tokenPlace = "header"
    // How the next requests of a kind are answered, instead of well.
    this.harms = { GET: [], POST: [] }
  }

  get transport() { return this.world.rules ? deviating(this.world) : LongPoll }

  requested(request, body) {
    const token = new URL(request.url).searchParams.get("token")
    if (request.method === "GET" && !token) { return this.#create(request) }
    // phoenix.js may have lost the token: a server knows no session then.
    const session = this.sockets.find(one => one.token === token) ?? { ...this.latest, gone: true, queue: [] }
    request.session = session
    session[request.method] = request
    this.#limit(request)
    if (request.method === "GET") { this.#poll(request, session) } else { this.#post(request, session, body) }
  }

  #create(request) {
    const session = { readyState: CONNECTING, token: null, GET: request, POST: null, queue: [], gone: false }
    request.session = session
    session.number = this.sockets.push(session)
    this.world.log("connection", `connect ${session.number} ${request.url.replace(/&$/, "")}`)
    this.#limit(request)
  }

  // The client's own limit of a request.
  #limit(request) {
    request.limit = this.world.clock.set(() => {
      this.#note(request, { kind: "late" })
      request.ontimeout()
    }, request.timeout)
  }

  #poll(request, session) {
    this.world.log("polls", `${session.number} poll`)
    const harm = this.harms.GET.shift()
    if (harm) { return this.#harm(request, harm) }
    if (session.gone) { return this.#later(request, () => ({ status: 410, token: this.#token(), messages: [] })) }
    if (session.queue.length > 0) { return this.#later(request, () => this.#messages(session)) }
    request.window = this.world.clock.set(() => {
      this.#answer(request, { status: 204, token: session.token, messages: [] })
    }, WINDOW_MS)
  }

  #post(request, session, body) {
    const lines = body.split("\n")
    this.world.log("posts", `${session.number} post ${lines.length}`)
    const harm = this.harms.POST.shift()
    // Frames of a request that fails don't come to the server.
    for (const line of lines) {
      this.world.log("frames", `${session.number} ${line}`)
      if (!harm || harm.status === 200) { this.received(session, line) }
    }
    if (harm) {
      this.#harm(request, harm)
    } else {
      this.#later(request, () => session.gone ? { status: 410 } : { status: 200 })
    }
  }

  // A moment later, so that a client that asks again at once gets no answer within its own call.
  #later(request, answer, us = 1) {
    request.window = this.world.clock.set(() => this.#answer(request, answer()), us / 1000)
  }

  // Statuses of HTTP are those of a server that raised and of a proxy; the others are in the body.
  #harm(request, { status, us }) {
    request.window = this.world.clock.set(() => {
      switch (status) {
        case 0: return this.#fail(request)
        case 500: return this.#answerHttp(request, 500, '{"errors":{"detail":"Internal Server Error"}}')
        case 502: return this.#answerHttp(request, 502, "<html></html>")
        default: return this.#answer(request, { status })
      }
    }, (us ?? 1) / 1000)
  }

  #messages(session) {
    const messages = session.queue
    session.queue = []
    return { status: 200, token: session.token, messages }
  }

  #token() { return `token-${++this.tokens}` }

  #note(request, arrival) {
    this.forget(request)
    this.world.arrive(request.session, { method: request.method, ...arrival })
  }

  // The request is over.
  forget(request) {
    this.world.clock.clear(request.limit)
    this.world.clock.clear(request.window)
    const { session, method } = request
    if (session?.[method] === request) { session[method] = null }
  }

  #answer(request, body) {
    this.#note(request, { kind: "answer", body })
    const messages = body.messages?.map(({ message, text }) => text ?? JSON.stringify(message))
    this.#complete(request, JSON.stringify({ ...body, messages }))
  }

  #answerHttp(request, status, text) {
    this.#note(request, { kind: "http", status, text })
    this.#complete(request, text)
  }

  #complete(request, text) {
    request.responseText = text
    request.readyState = 4
    // What a handler throws ends up in a browser's console.
    try { request.onreadystatechange() } catch (error) { this.world.thrown.push(error.message) }
  }

  #fail(request) {
    this.#note(request, { kind: "failed" })
    request.onerror({})
  }

  bring(_data, arrival) {
    const session = this.latest
    if (session?.readyState !== OPEN || session.gone) { return }
    session.queue.push(arrival)
    const poll = session.GET
    if (poll && session.queue.length === 1) {
      this.world.clock.clear(poll.window)
      this.#later(poll, () => this.#messages(session))
    }
  }

  open() {
    const session = this.latest
    if (session?.readyState !== CONNECTING || !session.GET) { return }
    session.readyState = OPEN
    session.token = this.#token()
    this.#answer(session.GET, { status: 410, token: session.token, messages: [] })
  }

  // The server refuses the session that is asked for.
  refuse() {
    const session = this.latest
    if (session?.readyState !== CONNECTING || !session.GET) { return }
    session.readyState = CLOSED
    this.#answer(session.GET, { status: 403 })
  }

  // The server forgets the session: a waiting poll is answered at its end, and the next one with a new token.
  closed() {
    const session = this.latest
    if (session?.readyState === OPEN) { session.gone = true }
  }

  // The requests that wait fail.
  lost() {
    const session = this.latest
    for (const method of ["GET", "POST"]) {
      if (session?.[method]) { this.#fail(session[method]) }
    }
  }

  // The next request of this kind is answered otherwise.
  harm({ method, status, us }) {
    this.harms[method].push({ status, us })
  }
}
