//! A session that a test drives by hand, with a clock that it sets.

use std::time::Duration;

use phx_proto::longpoll::{
    Answer, Exchange, ExchangeKind, Session, SessionConfig, SessionEvent, TokenPlace, Unanswered,
};
use phx_proto::{CloseCause, Endpoint, Frame, Instant, LongPollCause};

pub const CREATED: &str = r#"{"messages":[],"status":410,"token":"T1"}"#;
/// What the server says to a token that it doesn't know: with the token of a new session, a stray one.
pub const UNKNOWN: &str = r#"{"messages":[],"status":410,"token":"STRAY"}"#;
pub const NO_CONTENT: &str = r#"{"messages":[],"status":204,"token":"T1"}"#;
pub const READ: &str = r#"{"status":200}"#;
pub const LATE: &str = r#"{"status":408}"#;
/// A message, as it is in an answer, and the frame that it is.
pub const HELLO: &str =
    r#"{"messages":["[null,null,\"room:a\",\"hello\",{}]"],"status":200,"token":"T1"}"#;
pub const HELLO_FRAME: &str = r#"[null,null,"room:a","hello",{}]"#;

pub const GONE: CloseCause = CloseCause::LongPoll(LongPollCause::Gone);

/// Bytes of the largest answer.
pub const MAX_ANSWER: usize = 4 << 20;

pub struct Drive {
    pub session: Session,
    pub now: Instant,
    /// All that were made, in order.
    pub made: Vec<Exchange>,
}

pub fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

pub fn push(number: u64) -> Frame {
    Frame::text(format!(r#"["1","{number}","room:a","echo",{{}}]"#))
}

/// The default settings, with answers that a test can make.
fn config() -> SessionConfig {
    let mut config = SessionConfig::default();
    config.max_answer_bytes = MAX_ANSWER;
    config
}

impl Drive {
    pub fn new() -> Self {
        Drive::with(&Endpoint::default(), config(), TokenPlace::Unknown)
    }

    pub fn with(endpoint: &Endpoint, config: SessionConfig, place: TokenPlace) -> Self {
        let session = Session::new(&endpoint.request("2.0.0"), config, place);
        Drive { session, now: Instant::EPOCH, made: Vec::new() }
    }

    /// A session that was created, whose first poll is under way.
    pub fn opened() -> (Self, Exchange) {
        Drive::opened_with(TokenPlace::Unknown)
    }

    pub fn opened_with(place: TokenPlace) -> (Self, Exchange) {
        let mut drive = Drive::with(&Endpoint::default(), config(), place);
        let create = drive.one(ExchangeKind::Create);
        drive.answer(&create, CREATED);
        assert_eq!(drive.events(), [SessionEvent::Opened]);
        let poll = drive.one(ExchangeKind::Poll);
        (drive, poll)
    }

    /// A session whose token was read in the header, and whose next poll is under way.
    pub fn confirmed() -> (Self, Exchange) {
        let (mut drive, poll) = Drive::opened();
        drive.after(10.0);
        drive.answer(&poll, NO_CONTENT);
        let poll = drive.one(ExchangeKind::Poll);
        assert_eq!(drive.session.token_place(), TokenPlace::Header);
        (drive, poll)
    }

    /// All that the session asks for now.
    pub fn exchanges(&mut self) -> Vec<Exchange> {
        let made: Vec<_> = std::iter::from_fn(|| self.session.poll_exchange(self.now)).collect();
        self.made.extend(made.iter().cloned());
        made
    }

    /// The only exchange that the session asks for now.
    #[track_caller]
    pub fn one(&mut self, kind: ExchangeKind) -> Exchange {
        let mut exchanges = self.exchanges();
        let kinds: Vec<_> = exchanges.iter().map(Exchange::kind).collect();
        assert_eq!(kinds, [kind], "{:?}", self.session);
        exchanges.remove(0)
    }

    #[track_caller]
    pub fn none(&mut self) {
        assert_eq!(self.exchanges(), []);
    }

    pub fn answer(&mut self, exchange: &Exchange, body: &str) {
        self.answer_http(exchange, 200, body);
    }

    pub fn answer_http(&mut self, exchange: &Exchange, status: u16, body: &str) {
        let answer = Answer::new(status, body.to_owned());
        self.session.handle_answer(self.now, exchange.id(), answer);
    }

    pub fn fail(&mut self, exchange: &Exchange, unanswered: Unanswered) {
        self.session.handle_unanswered(self.now, exchange.id(), unanswered);
    }

    pub fn send(&mut self, frame: Frame) {
        self.session.send(frame).unwrap();
    }

    /// Sends a frame, and returns its POST.
    #[track_caller]
    pub fn post(&mut self, frame: Frame) -> Exchange {
        self.send(frame);
        self.one(ExchangeKind::Post)
    }

    pub fn events(&mut self) -> Vec<SessionEvent> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    /// Lets this many seconds pass, with a timeout at their end.
    pub fn after(&mut self, time: f64) {
        self.now = self.now + seconds(time);
        self.session.handle_timeout(self.now);
    }

    /// Lets the time pass until the session asks for a timeout, and returns how long that was.
    #[track_caller]
    pub fn until_timeout(&mut self) -> Duration {
        let until = self.session.poll_timeout().expect("a timeout");
        let waited = until.saturating_duration_since(self.now);
        self.now = until;
        self.session.handle_timeout(until);
        waited
    }

    /// The session has ended with this cause, and asks for nothing any more.
    #[track_caller]
    pub fn ended(&mut self, cause: &CloseCause) {
        assert_eq!(self.events(), [SessionEvent::Closed(cause.clone())]);
        assert_eq!(
            (self.exchanges(), self.session.poll_timeout(), self.session.room()),
            (vec![], None, None)
        );
    }

    /// The sessions that the server made without need, if it knew the token of a request only in this place.
    pub fn strays(&self, place: TokenPlace) -> usize {
        let is_stray = |exchange: &&Exchange| match exchange.kind() {
            ExchangeKind::Create | ExchangeKind::Post => false,
            ExchangeKind::Poll => token_place(exchange) != place,
        };
        self.made.iter().filter(is_stray).count()
    }
}

pub fn header<'a>(exchange: &'a Exchange, name: &str) -> Option<&'a str> {
    exchange.headers().find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// Where an exchange has the token of the session.
pub fn token_place(exchange: &Exchange) -> TokenPlace {
    let in_header = header(exchange, "x-phoenix-longpoll-token") == Some("T1");
    let in_query = exchange.target().ends_with("&token=T1");
    match (in_header, in_query) {
        (true, false) => TokenPlace::Header,
        (false, true) => TokenPlace::Query,
        (false, false) => TokenPlace::Unknown,
        (true, true) => panic!("the token is in both places"),
    }
}
