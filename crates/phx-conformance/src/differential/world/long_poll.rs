//! The core's sessions: their requests are noted, and answered as the official client's were.

use std::time::Duration;

use phx_proto::longpoll::{
    Answer, Exchange, ExchangeId, ExchangeKind, Session, SessionConfig, SessionEvent, Unanswered,
};
use phx_proto::{CloseCause, Frame, Instant, TransportId, TransportKind};
use serde_json::{Value, json};

use super::World;
use super::refs::refs;
use crate::differential::compare::{Body, Method, What};

/// Time limit of phoenix.js's requests: `longpollerTimeout`.
pub(super) const TIMEOUT: Duration = Duration::from_secs(20);

/// A session and its requests without an answer.
pub(super) struct Requests {
    session: Session,
    get: Option<ExchangeId>,
    post: Option<ExchangeId>,
    is_open: bool,
    /// True once it ends as soon as the server has answered for all frames.
    closing: bool,
}

impl Requests {
    /// True if it is closing, and the server has answered for all frames.
    fn is_over(&self) -> bool {
        self.closing && self.post.is_none() && self.session.room().is_some()
    }
}

impl World<'_> {
    /// Makes the session of an attempt to connect.
    pub(super) fn create(&mut self, request: &phx_proto::Request) -> Requests {
        let session = Session::new(request, SessionConfig::default(), self.token_place);
        Requests { session, get: None, post: None, is_open: false, closing: false }
    }

    /// The time limits of the sessions.
    pub(super) fn session_timeout(&self) -> Option<Instant> {
        self.transports.iter().filter_map(|it| it.requests.as_ref()?.session.poll_timeout()).min()
    }

    pub(super) fn handle_session_timeout(&mut self) {
        let now = self.instant();
        for transport in &mut self.transports {
            if let Some(requests) = &mut transport.requests {
                requests.session.handle_timeout(now);
            }
        }
    }

    /// Returns true if the open session takes frames now.
    pub(super) fn has_room(&self) -> bool {
        let session = self.transports.last().and_then(|it| it.requests.as_ref());
        session.is_some_and(|it| it.session.room().is_some())
    }

    pub(super) fn send(&mut self, index: usize, frame: Frame) {
        if let Some(requests) = self.requests(index) {
            assert!(requests.session.send(frame).is_ok(), "a session with room refused a frame");
        }
    }

    fn requests(&mut self, index: usize) -> Option<&mut Requests> {
        self.transports.get_mut(index)?.requests.as_mut()
    }

    /// Brings an answer, with the core's refs in place of the official client's.
    pub(super) fn answer(&mut self, index: usize, method: Method, body: &Body) {
        let messages = body.messages.iter().map(|what| match what {
            What::Text { text } => text.clone(),
            What::Message { message } => self.with_own_refs(message),
            other => format!("a poll isn't answered with {other:?}"),
        });
        let messages: Vec<String> = messages.collect();
        let body = match method {
            Method::Get => {
                json!({ "status": body.status, "token": body.token, "messages": messages })
            }
            Method::Post => json!({ "status": body.status }),
        };
        self.answer_http(index, method, 200, &body.to_string());
    }

    pub(super) fn answer_http(&mut self, index: usize, method: Method, status: u16, text: &str) {
        let now = self.instant();
        let Some((requests, exchange)) = self.take_exchange(index, method) else { return };
        requests.session.handle_answer(now, exchange, Answer::new(status, text.to_owned()));
    }

    pub(super) fn fail(&mut self, index: usize, method: Method) {
        let now = self.instant();
        let Some((requests, exchange)) = self.take_exchange(index, method) else { return };
        requests.session.handle_unanswered(now, exchange, Unanswered::Unknown(CloseCause::io("")));
    }

    fn take_exchange(
        &mut self,
        index: usize,
        method: Method,
    ) -> Option<(&mut Requests, ExchangeId)> {
        let requests = self.requests(index)?;
        let exchange = match method {
            Method::Get => requests.get.take(),
            Method::Post => requests.post.take(),
        };
        exchange.map(|exchange| (requests, exchange))
    }

    /// Makes the requests that sessions want, and passes the core what they report. Returns false if there was nothing.
    pub(super) fn pump(&mut self) -> bool {
        let mut happened = false;
        let now = self.instant();
        for index in 0..self.transports.len() {
            while let Some(exchange) =
                self.requests(index).and_then(|it| it.session.poll_exchange(now))
            {
                happened = true;
                self.make(index, &exchange);
            }
            while let Some(event) = self.requests(index).and_then(|it| it.session.poll_event()) {
                happened = true;
                let transport = self.transports[index].id;
                self.report_session(index, transport, event);
            }
            if self.requests(index).is_some_and(|it| it.is_over()) {
                happened = true;
                self.close_session(index, CloseCause::io(""));
            }
        }
        happened
    }

    /// Ends a session once what it was given is sent, as the transport does.
    pub(super) fn finish_session(&mut self, index: usize) {
        match self.requests(index) {
            Some(requests) if requests.is_open => requests.closing = true,
            _ => self.close_session(index, CloseCause::io("")),
        }
    }

    fn close_session(&mut self, index: usize, cause: CloseCause) {
        let now = self.instant();
        let transport = self.transports[index].id;
        self.end_session(index);
        self.socket.handle_closed(now, transport, cause);
    }

    fn report_session(&mut self, index: usize, transport: TransportId, event: SessionEvent) {
        let now = self.instant();
        let is_closing = self.requests(index).is_some_and(|it| it.closing);
        match event {
            SessionEvent::Opened => {
                if let Some(requests) = self.requests(index) {
                    requests.is_open = true;
                }
                let properties = TransportKind::LongPoll.properties();
                self.socket.handle_opened_with(now, transport, properties);
            }
            SessionEvent::Frame(_) | SessionEvent::Gap if is_closing => {}
            SessionEvent::Frame(frame) => self.socket.handle_frame(now, transport, frame),
            SessionEvent::Gap => self.socket.handle_gap(now, transport),
            SessionEvent::Closed(cause) => self.close_session(index, cause),
            other => self.log("connection", format!("{other:?}")),
        }
    }

    /// Forgets a session.
    fn end_session(&mut self, index: usize) {
        if let Some(requests) = self.transports.get_mut(index).and_then(|it| it.requests.take()) {
            self.token_place = requests.session.token_place();
        }
    }

    fn make(&mut self, index: usize, exchange: &Exchange) {
        let number = index + 1;
        let Some(requests) = self.requests(index) else { return };
        match exchange.kind() {
            ExchangeKind::Create => {
                requests.get = Some(exchange.id());
                let target = exchange.target();
                self.log("connection", format!("connect {number} http://host.example{target}"));
            }
            ExchangeKind::Poll => {
                requests.get = Some(exchange.id());
                self.log("polls", format!("{number} poll"));
            }
            ExchangeKind::Post => {
                requests.post = Some(exchange.id());
                let body = String::from_utf8_lossy(exchange.body()).into_owned();
                self.log("posts", format!("{number} post {}", body.split('\n').count()));
                for line in body.split('\n') {
                    self.note_frame(format!("{number} {line}"));
                }
            }
        }
    }

    /// Notes a frame, and learns the core's refs from its place among the official client's.
    pub(super) fn note_frame(&mut self, line: String) {
        let official = self.frames.next().into_iter().flatten();
        for (official, own) in official.zip(refs(&line)) {
            if let (Some(official), Some(own)) = (official, own) {
                self.refs.entry(official).or_insert(own);
            }
        }
        self.log("frames", line);
    }

    /// A message with the core's refs in place of the official client's.
    pub(super) fn with_own_refs(&self, message: &[Value]) -> String {
        let mut message = message.to_vec();
        for reference in message.iter_mut().take(2) {
            if let Some(own) = reference.as_str().and_then(|it| self.refs.get(it)) {
                *reference = own.as_str().into();
            }
        }
        Value::Array(message).to_string()
    }
}
