//! Answers of any kind to a long-poll session, with failures, time and frames to send.
//!
//! The input is lines. The first one is `u`, `h` or `q`: nothing is known of the place of the token, or it is the header or
//! the query. The first letter of each other line says what happens:
//!
//! | line | what happens |
//! |---|---|
//! | `g200 {..}` | the GET that is under way is answered with this HTTP status and body |
//! | `p200 {..}` | the POST that is under way is answered |
//! | `n` `N` | the server certainly didn't read the GET; the POST |
//! | `l` `L` | nobody knows whether it did |
//! | `t500` | so many milliseconds pass |
//! | `w` | time passes until the next timeout |
//! | `s[..` `b..` | a text frame, a binary one is sent if there is a place for it |
//! | `r3` | so many events are read; `r` reads all |
//! | `o{..}` | an exchange that isn't under way any more is answered |
//!
//! What must hold: at most one GET and one POST under way; a POST that may have been read is never sent again, and one
//! that wasn't is the next; each POST is one that the server can read; the frames of an answer are those of a model by way
//! of `serde_json`; nothing comes after the end, and no timeout remains; the same input gives the same outputs.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use phx_proto::longpoll::{
    Answer, Exchange, ExchangeKind, Session, SessionConfig, SessionEvent, TokenPlace, Unanswered,
};
use phx_proto::{CloseCause, Endpoint, Frame, Instant};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Events of the longest run that is looked at: an input can hold some millions of messages.
const MAX_EVENTS: usize = 100_000;

/// Panics if something doesn't hold.
pub fn check(input: &[u8]) {
    let outputs = run(input);
    assert!(outputs == run(input), "the same input, other outputs");
}

fn run(input: &[u8]) -> Vec<String> {
    let mut lines = input.split(|byte| *byte == b'\n');
    let place = match lines.next() {
        Some([b'h', ..]) => TokenPlace::Header,
        Some([b'q', ..]) => TokenPlace::Query,
        _ => TokenPlace::Unknown,
    };
    let mut run = Run::new(place);
    run.poll();
    for line in lines {
        let Some((step, rest)) = line.split_first() else { continue };
        run.step(*step, rest);
        run.poll();
    }
    run.read(MAX_EVENTS);
    run.outputs
}

/// A session and what is known of it.
struct Run {
    session: Session,
    now: Instant,
    get: Option<Exchange>,
    post: Option<Exchange>,
    old: Vec<Exchange>,
    /// Frames that were given to the session and aren't in a POST yet.
    unsent: Vec<Frame>,
    /// The body that the server didn't read.
    unread: Option<Vec<u8>>,
    /// Frames and gaps that must come.
    expected: VecDeque<SessionEvent>,
    /// All that was answered is text.
    is_modelled: bool,
    /// The last of them was a gap.
    was_gap: bool,
    has_opened: bool,
    has_ended: bool,
    outputs: Vec<String>,
}

impl Run {
    fn new(place: TokenPlace) -> Self {
        let request = Endpoint::default().request("2.0.0");
        let session = Session::new(&request, SessionConfig::default(), place);
        Run {
            session,
            now: Instant::EPOCH,
            get: None,
            post: None,
            old: Vec::new(),
            unsent: Vec::new(),
            unread: None,
            expected: VecDeque::new(),
            is_modelled: true,
            was_gap: false,
            has_opened: false,
            has_ended: false,
            outputs: Vec::new(),
        }
    }

    fn step(&mut self, step: u8, rest: &[u8]) {
        let cause = || CloseCause::io("reset");
        match step {
            b'g' => {
                if let Some(get) = self.get.take() {
                    self.answer(get, rest);
                }
            }
            b'p' => {
                if let Some(post) = self.post.take() {
                    self.answer(post, rest);
                }
            }
            b'n' | b'l' | b'N' | b'L' => {
                let is_get = step.is_ascii_lowercase();
                let Some(exchange) = (if is_get { self.get.take() } else { self.post.take() })
                else {
                    return;
                };
                let unanswered = match step {
                    b'n' | b'N' => Unanswered::NotRead(cause()),
                    _ => Unanswered::Unknown(cause()),
                };
                if step == b'N' {
                    self.unread = Some(exchange.body().to_vec());
                }
                if step == b'l' && exchange.kind() == ExchangeKind::Poll {
                    self.expected.push_back(SessionEvent::Gap);
                }
                self.session.handle_unanswered(self.now, exchange.id(), unanswered);
                self.old.push(exchange);
            }
            b't' => {
                self.now = self.now + Duration::from_millis(number(rest));
                self.session.handle_timeout(self.now);
            }
            b'w' => {
                let Some(until) = self.session.poll_timeout() else { return };
                self.now = self.now.max(until);
                self.session.handle_timeout(self.now);
                let next = self.session.poll_timeout();
                assert!(next.is_none_or(|next| next > until), "{next:?} after {until:?}");
            }
            b's' | b'b' => {
                let is_text = step == b's';
                let frame =
                    if is_text { Frame::text(rest.to_vec()) } else { Frame::binary(rest.to_vec()) };
                let has_room = self.session.room().is_some();
                let is_sent = self.session.send(frame.clone()).is_ok();
                assert!(is_sent || !has_room);
                if is_sent && !rest.is_empty() {
                    self.unsent.push(frame);
                }
            }
            b'r' if rest.is_empty() => self.read(MAX_EVENTS),
            b'r' => self.read(usize::try_from(number(rest)).unwrap_or(MAX_EVENTS)),
            b'o' => {
                let Some(exchange) = self.old.pop() else { return };
                let answer = Answer::new(200, rest.to_vec());
                self.session.handle_answer(self.now, exchange.id(), answer);
            }
            _ => {}
        }
    }

    fn answer(&mut self, exchange: Exchange, rest: &[u8]) {
        let (status, body) = rest.split_at(rest.len().min(3));
        let status = std::str::from_utf8(status).ok().and_then(|status| status.parse().ok());
        let status = status.unwrap_or(200);
        let body = body.strip_prefix(b" ").unwrap_or(body);
        // The session leaves it to the serializer to find out what isn't UTF-8; the model can't.
        self.is_modelled &= std::str::from_utf8(body).is_ok();
        let model = Model::read(body);
        let claimed = model.as_ref().and_then(|model| model.status);
        match exchange.kind() {
            ExchangeKind::Poll if status >= 500 => self.expected.push_back(SessionEvent::Gap),
            ExchangeKind::Poll if status == 200 => {
                let messages = model.filter(|_| matches!(claimed, Some(200 | 204)));
                self.expected.extend(messages.into_iter().flat_map(|model| model.messages));
            }
            ExchangeKind::Post if status == 200 && claimed == Some(410) => {
                self.unread = Some(exchange.body().to_vec());
            }
            _ => {}
        }
        self.session.handle_answer(self.now, exchange.id(), Answer::new(status, body.to_vec()));
        self.old.push(exchange);
    }

    /// Takes the exchanges.
    fn poll(&mut self) {
        while let Some(exchange) = self.session.poll_exchange(self.now) {
            assert!(!self.has_ended, "{exchange:?} after the end");
            assert!(exchange.target().starts_with("/socket/longpoll?vsn=2.0.0"));
            self.outputs.push(format!("{} {exchange:?}", exchange.target()));
            match exchange.kind() {
                ExchangeKind::Create | ExchangeKind::Poll => {
                    assert!(exchange.body().is_empty());
                    assert!(self.get.replace(exchange).is_none(), "two GETs");
                }
                ExchangeKind::Post => {
                    self.posted(&exchange);
                    assert!(self.post.replace(exchange).is_none(), "two POSTs");
                }
            }
        }
    }

    /// A POST holds what wasn't read, or else the next frames, in a way that the server reads.
    fn posted(&mut self, post: &Exchange) {
        let body = post.body();
        assert!(!body.is_empty());
        if let Some(unread) = self.unread.take() {
            assert_eq!(unread, body.to_vec());
            return;
        }
        let content_type = post.headers().find(|(name, _)| *name == "content-type");
        let frames = match content_type.map(|(_, value)| value) {
            Some("application/x-ndjson") => {
                let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
                lines
                    .map(|line| match line.first() {
                        Some(b'[') => Frame::text(line),
                        _ => Frame::binary(STANDARD.decode(line).expect("padded base64")),
                    })
                    .collect()
            }
            _ => vec![Frame::text(body.clone())],
        };
        assert!((1..=100).contains(&frames.len()) && body.len() <= 7_900_000);
        let sent: Vec<_> = self.unsent.drain(..frames.len()).collect();
        assert_eq!(sent, frames);
    }

    fn read(&mut self, count: usize) {
        for _ in 0..count {
            let Some(event) = self.session.poll_event() else { break };
            assert!(!self.has_ended, "{event:?} after the end");
            self.outputs.push(format!("{event:?}"));
            match &event {
                SessionEvent::Opened => assert!(!std::mem::replace(&mut self.has_opened, true)),
                SessionEvent::Closed(cause) => {
                    let _ = format!("{cause} {cause:?}");
                    self.has_ended = true;
                    assert_eq!((self.session.poll_timeout(), self.session.room()), (None, None));
                }
                SessionEvent::Frame(_) | SessionEvent::Gap if !self.is_modelled => {}
                SessionEvent::Frame(_) => {
                    assert_eq!(self.expected.pop_front().as_ref(), Some(&event));
                    self.was_gap = false;
                }
                SessionEvent::Gap => {
                    // Several in a row may be one.
                    while self.expected.front() == Some(&event) {
                        self.expected.pop_front();
                        self.was_gap = true;
                    }
                    assert!(self.was_gap, "{:?} is next", self.expected.front());
                }
                other => panic!("{other:?}"),
            }
            self.poll();
        }
        let _ = format!("{:?} {:?}", self.session, self.session.token_place());
    }
}

/// An answer, as `serde_json` reads it.
struct Model {
    status: Option<u16>,
    messages: Vec<SessionEvent>,
}

impl Model {
    fn read(body: &[u8]) -> Option<Self> {
        let Fields { status, messages } = serde_json::from_slice(body).ok()?;
        let status = status.and_then(|status| status.get().parse().ok());
        let messages = match messages {
            Some(messages) => serde_json::from_str::<Vec<&RawValue>>(messages.get()).ok()?,
            None => Vec::new(),
        };
        let messages = messages.into_iter().map(|message| {
            let Ok(text) = serde_json::from_str::<String>(message.get()) else {
                return SessionEvent::Gap;
            };
            SessionEvent::Frame(match text.as_bytes() {
                [0..=2, ..] => Frame::binary(text),
                _ => Frame::text(text),
            })
        });
        Some(Model { status, messages: messages.collect() })
    }
}

/// The fields of an answer; of keys that come again the first.
struct Fields<'a> {
    status: Option<&'a RawValue>,
    messages: Option<&'a RawValue>,
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Fields { status: None, messages: None };
                while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                    match &*key {
                        "status" => _ = fields.status.get_or_insert(value),
                        "messages" => _ = fields.messages.get_or_insert(value),
                        _ => {}
                    }
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

fn number(text: &[u8]) -> u64 {
    let text = std::str::from_utf8(text).unwrap_or_default();
    text.trim().parse().unwrap_or_default()
}
