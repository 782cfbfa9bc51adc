//! Long-poll: a process for each HTTP request, which asks the process of its session, or starts one.
//!
//! A session is a socket whose frames wait in a buffer for the next poll. Phoenix's processes and messages are all
//! here, since what happens when they are late is part of the protocol: a session that doesn't say within 2 s that it
//! is there counts as gone, and messages that were handed to a request which is over are lost.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use bytes::Bytes;
use fastrand::Rng;
use phx_proto::{Frame, Instant};
use serde::Serialize;
use serde_json::json;

use super::Server;
use super::action::{Action, SocketId};
use super::connect::Connection;
use super::deadline::Deadline;
use super::envelope::{Envelope, SessionMessage, SocketMessage};
use super::http::{ExchangeId, HttpAnswer, HttpRequest, HttpServer};
use crate::PhoenixVersion;

/// Time that a request waits for its session to answer at all: `pubsub_timeout_ms`.
const SESSION_TIMEOUT: Duration = Duration::from_secs(2);
/// Largest number of frames in one body; those behind them are dropped.
const MAX_LINES: usize = 100;
/// Largest body, in bytes.
pub(crate) const MAX_BODY: usize = 8_000_000;
/// Beginning of every token.
const TOKEN_PREFIX: &str = "SFMyNTY.";
/// Random bytes of a token.
const TOKEN_BYTES: usize = 16;
const TOKEN_HEADER: &str = "x-phoenix-longpoll-token";
/// Padded, as Elixir reads it: the bits behind the last byte don't matter.
const LINE_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true),
);

/// The requests under way and the sessions.
pub(super) struct LongPoll {
    http: HttpServer,
    /// Time that a poll waits for messages, and a POST for its session to take a frame.
    window: Duration,
    exchanges: BTreeMap<ExchangeId, Exchange>,
    sessions: BTreeMap<String, SocketId>,
    tokens: Rng,
    faults: Faults,
}

/// Faults on command.
#[derive(Default)]
struct Faults {
    /// Number of polls with messages whose answer fails.
    failing_polls: u32,
    /// Time for which the answer to a POST is held back.
    post_delay: Duration,
}

/// Process of one request.
struct Exchange {
    state: State,
    deadline: Instant,
    /// The client has given it up.
    abandoned: bool,
}

enum State {
    /// It waits for the session's sign of life.
    Resuming { request: HttpRequest, token: String, session: SocketId },
    /// It waits for messages. `fetches` is true once it knows of some.
    Polling { token: String, fetches: bool },
    /// It waits for the session to take a frame, and then passes on the next.
    Posting { lines: VecDeque<Line>, session: SocketId },
    /// Its answer is held back by a fault.
    Held(HttpAnswer),
}

/// Line of a body: a frame, or not base64.
type Line = Option<Frame>;

/// A session's part of its socket.
pub(super) struct Session {
    token: String,
    buffer: Vec<Frame>,
    /// The poll that waits for a message.
    waiting: Option<ExchangeId>,
    last_poll: Instant,
}

impl LongPoll {
    pub(super) fn new(http: HttpServer, window: Duration, seed: u64) -> Self {
        LongPoll {
            http,
            window,
            exchanges: BTreeMap::new(),
            sessions: BTreeMap::new(),
            tokens: Rng::with_seed(seed),
            faults: Faults::default(),
        }
    }

    /// Interval at which a session looks if it was polled, and the age of a poll that is too old then.
    fn look_interval(&self) -> Duration {
        self.window.saturating_mul(3) / 2
    }

    fn new_token(&mut self) -> String {
        let mut bytes = [0; TOKEN_BYTES];
        self.tokens.fill(&mut bytes);
        format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Forgets a session that has ended; its token stays one that a server signed.
    pub(super) fn forget(&mut self, session: &Session) {
        self.sessions.remove(&session.token);
    }
}

/// Long-poll.
impl Server {
    /// Handles a request of a long-poll client or of the application's HTTP API. [`Action::Answer`] is the answer, at
    /// once or later.
    pub fn handle_request(&mut self, now: Instant, request: HttpRequest) -> ExchangeId {
        self.advance(now);
        let exchange = ExchangeId(self.next_id());
        self.dispatch_request(exchange, request);
        self.run();
        exchange
    }

    /// Handles the end of a connection whose request isn't answered yet. What happens to the messages of a poll is up
    /// to the [`HttpServer`].
    pub fn handle_abandoned(&mut self, now: Instant, exchange: ExchangeId) {
        self.advance(now);
        if self.longpoll.http.serves_abandoned_requests() {
            if let Some(exchange) = self.longpoll.exchanges.get_mut(&exchange) {
                exchange.abandoned = true;
            }
        } else {
            self.end_exchange(exchange);
        }
    }

    /// Answers the next poll that has messages with HTTP 500: they are lost, and the session lives, as after a binary
    /// message that isn't UTF-8. Several calls add up.
    pub fn fail_next_poll(&mut self) {
        let failing = &mut self.longpoll.faults.failing_polls;
        *failing = failing.saturating_add(1);
    }

    /// Holds the answer to every POST back for this time from now on. The frames are handled at once.
    pub fn delay_posts(&mut self, delay: Duration) {
        self.longpoll.faults.post_delay = delay;
    }

    /// Ends [`fail_next_poll`](Self::fail_next_poll) and [`delay_posts`](Self::delay_posts). Answers that are held back
    /// already come at their time.
    pub fn heal_long_poll(&mut self) {
        self.longpoll.faults = Faults::default();
    }

    /// Keeps a connection's process busy for this time, as a slow join does. A request to a session that is busy for
    /// more than 2 s finds it gone, though it lives.
    pub fn keep_busy(&mut self, now: Instant, socket: SocketId, time: Duration) {
        self.advance(now);
        let until = self.clock + time;
        if let Some(socket) = self.sockets.get_mut(&socket) {
            socket.block_until(until);
        }
    }

    /// Returns the number of polls that wait for messages.
    #[must_use]
    pub fn waiting_polls(&self) -> usize {
        let exchanges = self.longpoll.exchanges.values();
        exchanges.filter(|it| matches!(it.state, State::Polling { .. }) && !it.abandoned).count()
    }

    /// Returns the session that a request belongs to, if it lives.
    pub(crate) fn session_of(&self, request: &HttpRequest) -> Option<SocketId> {
        let token = token_of(request, self.app.version)?;
        self.longpoll.sessions.get(&token).copied()
    }

    /// Returns true for a request for a new session.
    #[cfg(feature = "listener")]
    pub(crate) fn is_attempt(&self, request: &HttpRequest) -> bool {
        let token = token_of(request, self.app.version).filter(|token| is_signed(token));
        request.method() == "GET" && self.gate.is_longpoll(request.path()) && token.is_none()
    }

    /// Returns the number of an exchange that the server doesn't see.
    #[cfg(feature = "listener")]
    pub(crate) fn next_exchange(&mut self) -> ExchangeId {
        ExchangeId(self.next_id())
    }

    #[cfg(feature = "listener")]
    pub(crate) fn takes_requests(&self, path: &str) -> bool {
        self.gate.is_longpoll(path) || self.app.http_api(path).is_some()
    }

    #[cfg(feature = "listener")]
    pub(crate) fn http_server(&self) -> HttpServer {
        self.longpoll.http
    }

    /// Makes the tokens differ from those of other servers with the same seed.
    #[cfg(feature = "listener")]
    pub(crate) fn salt_tokens(&mut self, salt: u64) {
        self.longpoll.tokens = Rng::with_seed(self.longpoll.tokens.u64(..) ^ salt);
    }

    fn dispatch_request(&mut self, exchange: ExchangeId, request: HttpRequest) {
        if let Some(api) = self.app.http_api(request.path()).filter(|_| !self.closed) {
            let (answer, messages) = api(self.clock, &request);
            for message in messages {
                self.world.broadcast(self.clock, &message, None);
            }
            return self.actions.push_back(Action::Answer { exchange, answer });
        }
        let answer = match request.method() {
            _ if self.closed => HttpAnswer::new(503, ""),
            _ if !self.gate.is_longpoll(request.path()) => HttpAnswer::new(404, "not found"),
            "OPTIONS" => preflight(&request),
            "GET" | "POST" => return self.resume(exchange, request),
            _ => cors(400, ""),
        };
        self.actions.push_back(Action::Answer { exchange, answer });
    }

    /// Asks the session of the request's token for a sign of life.
    fn resume(&mut self, exchange: ExchangeId, request: HttpRequest) {
        let token = token_of(&request, self.app.version).filter(|token| is_signed(token));
        let Some(token) = token else {
            let answer = self.without_session(&request);
            return self.actions.push_back(Action::Answer { exchange, answer });
        };
        let session = self.longpoll.sessions.get(&token).copied();
        // None has this number: the sign of life never comes.
        let session = session.unwrap_or(SocketId(0));
        let state = State::Resuming { request, token, session };
        self.set_exchange(exchange, state, SESSION_TIMEOUT);
        self.post_to_session(session, SessionMessage::Subscribe(exchange));
    }

    /// Makes the answer to a request that has no session, or whose session is dead or busy.
    fn without_session(&mut self, request: &HttpRequest) -> HttpAnswer {
        match request.method() {
            "GET" => self.new_session(request),
            _ => status_json(410),
        }
    }

    fn new_session(&mut self, request: &HttpRequest) -> HttpAnswer {
        let (id, info) = match self.gate.pass_session(&request.head) {
            Ok(passed) => passed,
            // What raises isn't caught; everything else is the same refusal.
            Err(refusal) if refusal.status() == 500 => {
                return self.raised(with_cors(refusal.into()));
            }
            Err(_) => return status_json(403),
        };
        let socket = SocketId(self.next_id());
        let token = self.longpoll.new_token();
        let now = self.world.now();
        let session =
            Session { token: token.clone(), buffer: Vec::new(), waiting: None, last_poll: now };
        self.open(socket, Connection { id, info }, Some(session));
        self.longpoll.sessions.insert(token.clone(), socket);
        let look = SocketMessage::Session(SessionMessage::Look);
        let at = now + self.longpoll.look_interval();
        self.world.post(at, Envelope::Socket(socket, look));
        messages_json(410, &token, &[])
    }

    /// The session's process handles a message.
    pub(super) fn deliver_to_session(&mut self, id: SocketId, mail: SessionMessage) {
        let now = self.world.now();
        match mail {
            SessionMessage::Subscribe(exchange) => self.resumed(exchange),
            SessionMessage::Flush(exchange) => {
                let Some(session) = self.session_mut(id) else { return };
                session.last_poll = now;
                if session.buffer.is_empty() {
                    session.waiting = Some(exchange);
                } else {
                    session.waiting = None;
                    let messages = std::mem::take(&mut session.buffer);
                    self.deliver_messages(exchange, &messages);
                }
            }
            SessionMessage::Dispatch(exchange, frame) => {
                self.receive(id, frame);
                // A crash leaves the request without an answer, a join lets it wait.
                let Some(socket) = self.sockets.get(&id) else { return };
                let taken = SocketMessage::Session(SessionMessage::Taken(exchange));
                let at = socket.busy_until().max(now);
                self.world.post(at, Envelope::Socket(id, taken));
            }
            SessionMessage::Taken(exchange) => self.post_next(exchange),
            SessionMessage::Look => {
                let interval = self.longpoll.look_interval();
                let Some(session) = self.session_mut(id) else { return };
                if now.saturating_duration_since(session.last_poll) > interval {
                    self.end(id);
                } else {
                    let look = SocketMessage::Session(SessionMessage::Look);
                    self.world.post(now + interval, Envelope::Socket(id, look));
                }
            }
        }
    }

    /// Sends a frame to a client: a session's waits for a poll.
    pub(super) fn send_to(&mut self, id: SocketId, frame: Frame) {
        let window = self.longpoll.window;
        let Some(session) = self.session_mut(id) else {
            self.actions.push_back(Action::Send { socket: id, frame });
            return;
        };
        session.buffer.push(frame);
        let Some(waiting) = session.waiting else { return };
        let polling = self.longpoll.exchanges.get_mut(&waiting).map(|it| &mut it.state);
        if let Some(State::Polling { fetches: fetches @ false, .. }) = polling {
            *fetches = true;
            self.defer_exchange(waiting, window);
            self.post_to_session(id, SessionMessage::Flush(waiting));
        }
    }

    /// The session has shown that it lives: now the request's own work begins.
    fn resumed(&mut self, exchange: ExchangeId) {
        let window = self.longpoll.window;
        let Some(State::Resuming { request, token, session }) =
            self.longpoll.exchanges.get_mut(&exchange).map(|it| &mut it.state)
        else {
            return;
        };
        let (token, session) = (std::mem::take(token), *session);
        if request.method() == "GET" {
            self.set_exchange(exchange, State::Polling { token, fetches: false }, window);
            self.post_to_session(session, SessionMessage::Flush(exchange));
        } else if request.body.len() > MAX_BODY {
            let answer = self.raised(errors(400));
            self.answer_exchange(exchange, answer);
        } else {
            let lines = lines(request);
            self.set_exchange(exchange, State::Posting { lines, session }, window);
            self.post_next(exchange);
        }
    }

    /// Passes on the next frame of a body.
    fn post_next(&mut self, exchange: ExchangeId) {
        let window = self.longpoll.window;
        let Some(State::Posting { lines, session }) =
            self.longpoll.exchanges.get_mut(&exchange).map(|it| &mut it.state)
        else {
            return;
        };
        let session = *session;
        match lines.pop_front() {
            Some(Some(frame)) => {
                self.defer_exchange(exchange, window);
                self.post_to_session(session, SessionMessage::Dispatch(exchange, frame));
            }
            Some(None) => {
                let answer = self.raised(errors(500));
                self.answer_exchange(exchange, answer);
            }
            None => self.answer_exchange(exchange, status_json(200)),
        }
    }

    /// Messages for a request that is over are lost.
    fn deliver_messages(&mut self, exchange: ExchangeId, messages: &[Frame]) {
        let Some(State::Polling { token, .. }) =
            self.longpoll.exchanges.get_mut(&exchange).map(|it| &mut it.state)
        else {
            return;
        };
        let token = std::mem::take(token);
        let texts: Result<Vec<&str>, _> =
            messages.iter().map(|frame| std::str::from_utf8(frame.as_bytes())).collect();
        let failing = self.longpoll.faults.failing_polls.checked_sub(1);
        let answer = match (texts, failing) {
            (Ok(texts), None) => messages_json(200, &token, &texts),
            (Err(_), None) => self.raised(errors(500)),
            (_, Some(left)) => {
                self.longpoll.faults.failing_polls = left;
                self.raised(errors(500))
            }
        };
        self.answer_exchange(exchange, answer);
    }

    /// The deadline of a request has come.
    pub(super) fn exchange_timed_out(&mut self, exchange: ExchangeId) {
        let Some(Exchange { state, abandoned, .. }) = self.end_exchange(exchange) else { return };
        let answer = match state {
            State::Resuming { request, .. } => self.without_session(&request),
            State::Polling { token, .. } => messages_json(204, &token, &[]),
            State::Posting { .. } => status_json(408),
            State::Held(answer) => answer,
        };
        if !abandoned {
            self.actions.push_back(Action::Answer { exchange, answer });
        }
    }

    fn answer_exchange(&mut self, exchange: ExchangeId, answer: HttpAnswer) {
        let Some(Exchange { state, abandoned, .. }) = self.end_exchange(exchange) else { return };
        let delay = self.longpoll.faults.post_delay;
        if abandoned {
        } else if matches!(state, State::Posting { .. }) && !delay.is_zero() {
            self.set_exchange(exchange, State::Held(answer), delay);
        } else {
            self.actions.push_back(Action::Answer { exchange, answer });
        }
    }

    /// Makes the answer for an exception. Its kind decides if the connection goes on.
    fn raised(&self, answer: HttpAnswer) -> HttpAnswer {
        answer.ending_connection(self.longpoll.http.closes_after_errors())
    }

    fn session_mut(&mut self, id: SocketId) -> Option<&mut Session> {
        self.sockets.get_mut(&id)?.session_mut()
    }

    fn post_to_session(&mut self, id: SocketId, mail: SessionMessage) {
        self.world.post(self.world.now(), Envelope::Socket(id, SocketMessage::Session(mail)));
    }

    /// Brings a request into a state that lasts for `time` at most.
    fn set_exchange(&mut self, id: ExchangeId, state: State, time: Duration) {
        let abandoned = self.end_exchange(id).is_some_and(|it| it.abandoned);
        let deadline = self.world.now() + time;
        self.longpoll.exchanges.insert(id, Exchange { state, deadline, abandoned });
        self.deadlines.insert((deadline, Deadline::Exchange(id)));
    }

    fn defer_exchange(&mut self, id: ExchangeId, time: Duration) {
        let Some(exchange) = self.longpoll.exchanges.get_mut(&id) else { return };
        let deadline = self.world.now() + time;
        let old = std::mem::replace(&mut exchange.deadline, deadline);
        self.deadlines.remove(&(old, Deadline::Exchange(id)));
        self.deadlines.insert((deadline, Deadline::Exchange(id)));
    }

    fn end_exchange(&mut self, id: ExchangeId) -> Option<Exchange> {
        let exchange = self.longpoll.exchanges.remove(&id)?;
        self.deadlines.remove(&(exchange.deadline, Deadline::Exchange(id)));
        Some(exchange)
    }
}

/// The token of a request's session: a header wins over the param, right or wrong.
fn token_of(request: &HttpRequest, version: PhoenixVersion) -> Option<String> {
    let header = request.head.header(TOKEN_HEADER).filter(|_| version.reads_session_headers());
    header.map(str::to_owned).or_else(|| request.head.param("token"))
}

/// Returns true for a token that a server may have signed, of a living session or not.
fn is_signed(token: &str) -> bool {
    let random = token.strip_prefix(TOKEN_PREFIX);
    random
        .and_then(|random| URL_SAFE_NO_PAD.decode(random).ok())
        .is_some_and(|bytes| bytes.len() == TOKEN_BYTES)
}

/// Splits a body into its frames. Only with exactly this content type are there several, or binary ones.
fn lines(request: &HttpRequest) -> VecDeque<Line> {
    if request.head.header("content-type") != Some("application/x-ndjson") {
        return VecDeque::from([Some(Frame::text(request.body.clone()))]);
    }
    let body = &request.body;
    let (mut lines, mut start) = (VecDeque::new(), 0);
    while lines.len() < MAX_LINES {
        let rest = body.get(start..).unwrap_or_default();
        let Some(length) = rest.iter().position(|byte| *byte == b'\n') else {
            lines.push_back(line(body.slice(start..)));
            break;
        };
        let text = rest.get(..length).unwrap_or_default();
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        lines.push_back(line(body.slice(start..start + text.len())));
        start += length + 1;
    }
    lines
}

fn line(line: Bytes) -> Line {
    if line.starts_with(b"[") {
        Some(Frame::text(line))
    } else {
        LINE_BASE64.decode(line).ok().map(Frame::binary)
    }
}

fn preflight(request: &HttpRequest) -> HttpAnswer {
    let asked = request.head.header("access-control-request-headers").unwrap_or_default();
    cors(200, "")
        .with_header("access-control-allow-headers", asked)
        .with_header("access-control-allow-methods", "get, post, options")
        .with_header("access-control-max-age", "3600")
}

fn cors(status: u16, body: impl Into<Bytes>) -> HttpAnswer {
    with_cors(HttpAnswer::new(status, body))
}

fn with_cors(answer: HttpAnswer) -> HttpAnswer {
    answer
        .with_header("cache-control", "max-age=0, private, must-revalidate")
        .with_header("access-control-allow-origin", "*")
}

/// JSON with the real status in it.
fn json_answer(status: u16, body: &impl Serialize) -> HttpAnswer {
    let body = serde_json::to_vec(body).unwrap_or_default();
    cors(status, body).with_header("content-type", "application/json; charset=utf-8")
}

fn status_json(status: u16) -> HttpAnswer {
    json_answer(200, &json!({ "status": status }))
}

fn messages_json(status: u16, token: &str, messages: &[&str]) -> HttpAnswer {
    #[derive(Serialize)]
    struct Messages<'a> {
        messages: &'a [&'a str],
        status: u16,
        token: &'a str,
    }
    json_answer(200, &Messages { messages, status, token })
}

/// Phoenix's answer when something raises.
fn errors(status: u16) -> HttpAnswer {
    json_answer(status, &json!({ "errors": { "detail": format!("{status}.json") } }))
}
