//! The recorded conversations over long-poll, with the session in the place of the recorded client.
//!
//! It is asked to send what the client sent, and fed the server's answers when they came. Compared are its requests with
//! the recorded ones, and its frames with the recorded messages.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use phx_conformance::recordings::long_poll::{Coverage, LONG_POLL, Row};
use phx_conformance::recordings::{Fact, Line, Recording};
use phx_proto::longpoll::{
    Answer, Exchange, ExchangeKind, Session, SessionConfig, SessionEvent, TokenPlace,
};
use phx_proto::{CloseCause, Endpoint, Frame, Instant, LongPollCause};
use serde_json::Value;

use super::drive::header;

/// A request of the recorded client.
struct Recorded<'a> {
    number: u32,
    method: &'a str,
    url: &'a str,
    headers: &'a [(String, String)],
    body: &'a str,
}

impl Recorded<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// phoenix.js ends the query of a creation with an `&`.
    fn target(&self) -> &str {
        self.url.trim_end_matches('&')
    }

    /// A GET without the token of a session: an application's param may be named like it.
    fn creates(&self) -> bool {
        let is_in_query = self.url.contains("&token=TOKEN");
        self.method == "GET" && !is_in_query && self.header("x-phoenix-longpoll-token").is_none()
    }

    fn is_lines(&self) -> bool {
        self.header("content-type") == Some("application/x-ndjson")
    }

    /// The frames in the body, or what was meant to be some.
    fn frames(&self) -> Vec<Frame> {
        if !self.is_lines() {
            return vec![Frame::text(self.body.to_owned())];
        }
        let lines = self.body.split('\n').filter(|line| !line.is_empty());
        lines
            .map(|line| match STANDARD.decode(line) {
                Ok(data) if !line.starts_with('[') => Frame::binary(data),
                _ => Frame::text(line.to_owned()),
            })
            .collect()
    }

    /// The endpoint whose session has this target, and its version.
    fn endpoint(&self) -> (Endpoint, String) {
        let (path, query) = self.target().split_once('?').unwrap();
        let path = path.strip_suffix("/longpoll").unwrap();
        let mut endpoint = Endpoint::parse(&format!("ws://localhost{path}")).unwrap();
        let mut vsn = None;
        for pair in query.split('&') {
            match pair.split_once('=').unwrap() {
                ("vsn", value) => vsn = Some(value.to_owned()),
                (name, value) => endpoint = endpoint.with_param(name, value),
            }
        }
        if let Some(token) = self.header("x-phoenix-authtoken") {
            endpoint = endpoint.with_auth_token(token);
        }
        (endpoint, vsn.unwrap())
    }
}

/// The path and the params of a target: a script may have written them in another order.
fn params(target: &str) -> Vec<&str> {
    let (path, query) = target.split_once('?').unwrap();
    let mut params: Vec<_> = query.split('&').collect();
    params.sort_unstable();
    params.push(path);
    params
}

/// The replay of one recording.
struct Replay {
    place: TokenPlace,
    differs: Vec<u32>,
    session: Option<Session>,
    now: Instant,
    poll: Option<Exchange>,
    /// The exchanges that recorded requests stand for, and their sessions.
    exchanges: BTreeMap<u32, Exchange>,
    messages: Vec<Frame>,
    frames: Vec<Frame>,
    gaps: usize,
    expected_gaps: usize,
    compared: usize,
    ends: Vec<CloseCause>,
}

impl Replay {
    fn new(place: TokenPlace, differs: &[(u32, &str)]) -> Self {
        Replay {
            place,
            differs: differs.iter().map(|(number, _)| *number).collect(),
            session: None,
            now: Instant::EPOCH,
            poll: None,
            exchanges: BTreeMap::new(),
            messages: Vec::new(),
            frames: Vec::new(),
            gaps: 0,
            expected_gaps: 0,
            compared: 0,
            ends: Vec::new(),
        }
    }

    fn see(&mut self, now: Instant) {
        self.now = now;
        if let Some(session) = &mut self.session
            && session.poll_timeout().is_some_and(|until| until <= now)
        {
            session.handle_timeout(now);
        }
        self.poll_all();
    }

    /// Takes the session's events, and its poll. Returns its POST.
    fn poll_all(&mut self) -> Option<Exchange> {
        let session = self.session.as_mut()?;
        while let Some(event) = session.poll_event() {
            match event {
                SessionEvent::Opened => {}
                SessionEvent::Frame(frame) => self.frames.push(frame),
                SessionEvent::Gap => self.gaps += 1,
                SessionEvent::Closed(cause) => self.ends.push(cause),
                other => panic!("{other:?}"),
            }
        }
        let mut post = None;
        while let Some(exchange) = session.poll_exchange(self.now) {
            match exchange.kind() {
                ExchangeKind::Poll => self.poll = Some(exchange),
                ExchangeKind::Post => post = Some(exchange),
                ExchangeKind::Create => panic!("created twice"),
            }
        }
        post
    }

    fn request(&mut self, recorded: &Recorded<'_>) {
        let exchange = if recorded.creates() {
            let (endpoint, vsn) = recorded.endpoint();
            let config = SessionConfig::default();
            let mut session = Session::new(&endpoint.request(&vsn), config, self.place);
            let create = session.poll_exchange(self.now);
            (self.session, self.poll) = (Some(session), None);
            create
        } else if recorded.method == "GET" {
            self.poll.take()
        } else {
            let session = self.session.as_mut().unwrap();
            for frame in recorded.frames() {
                // A batch that is full: the rest is the next POST's.
                if session.send(frame).is_err() {
                    break;
                }
            }
            self.poll_all()
        };
        let Some(exchange) = exchange else {
            // An empty body isn't sent, and a session that has ended sends nothing.
            let has_ended = self.session.as_mut().unwrap().poll_timeout().is_none();
            assert!(
                has_ended || self.differs.contains(&recorded.number),
                "request {}",
                recorded.number
            );
            return;
        };
        let is_same = [
            exchange.method() == recorded.method,
            params(exchange.target()) == params(recorded.target()),
            exchange.body() == recorded.body.as_bytes(),
            header(&exchange, "content-type") == recorded.header("content-type"),
            header(&exchange, "x-phoenix-longpoll-token")
                == recorded.header("x-phoenix-longpoll-token"),
            // phoenix.js sends it with every poll.
            exchange.kind() != ExchangeKind::Create
                || header(&exchange, "x-phoenix-authtoken")
                    == recorded.header("x-phoenix-authtoken"),
        ];
        let differs = self.differs.contains(&recorded.number);
        assert_eq!(
            is_same.iter().all(|is_same| *is_same),
            !differs,
            "request {}: {is_same:?}",
            recorded.number
        );
        self.compared += usize::from(!differs);
        self.exchanges.insert(recorded.number, exchange);
    }

    fn answer(&mut self, number: u32, status: u16, body: &str) {
        let Some(exchange) = self.exchanges.remove(&number) else { return };
        let Some(session) = &mut self.session else { return };
        if exchange.kind() == ExchangeKind::Poll {
            let json: Value = serde_json::from_str(body).unwrap();
            let messages = json["messages"].as_array().into_iter().flatten();
            self.messages.extend(messages.map(|message| {
                let text = message.as_str().unwrap().to_owned();
                if text.as_bytes()[0] < 3 { Frame::binary(text) } else { Frame::text(text) }
            }));
            self.expected_gaps += usize::from(status == 500);
        }
        session.handle_answer(self.now, exchange.id(), Answer::new(status, body.to_owned()));
        self.poll_all();
    }

    fn line(&mut self, line: &Line) {
        self.see(line.at);
        match &line.fact {
            Fact::HttpReq { req, method, url, headers, body } => {
                self.request(&Recorded { number: *req, method, url, headers, body });
            }
            Fact::HttpRes { req, answer } => self.answer(*req, answer.status, &answer.body),
            Fact::HttpAbort { .. } | Fact::HttpError { .. } | Fact::Note { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

fn replayed(row: &Row) -> Option<Replay> {
    let Coverage::Replayed(place, differs) = row.client else { return None };
    let mut replay = Replay::new(place, differs);
    for line in &Recording::open(row.file).unwrap().lines {
        replay.line(line);
    }
    assert_eq!(replay.frames, replay.messages, "{}", row.file);
    assert_eq!(replay.gaps, replay.expected_gaps, "{}", row.file);
    Some(replay)
}

#[test]
fn the_table_names_every_recording_of_long_poll() {
    let names = Recording::names().unwrap().into_iter();
    let names: Vec<_> = names.filter(|name| name.starts_with("longpoll_")).collect();
    assert_eq!(LONG_POLL.iter().map(|row| row.file).collect::<Vec<_>>(), names);
}

#[test]
fn the_session_does_what_the_recorded_clients_did() {
    let (mut requests, mut frames) = (0, 0);
    for row in &LONG_POLL {
        let Some(replay) = replayed(row) else {
            let Coverage::NotApplicable(why) = row.client else { panic!("{}", row.file) };
            println!("{}: not applicable: {why}", row.file);
            continue;
        };
        requests += replay.compared;
        frames += replay.frames.len();
        println!("{}: {} requests and {} frames", row.file, replay.compared, replay.frames.len());
        let Coverage::Replayed(_, differs) = row.client else { continue };
        for (number, why) in differs {
            println!("    request {number} in another way: {why}");
        }
    }
    println!("{} files: {requests} requests and {frames} frames are the same", LONG_POLL.len());
    assert_eq!((requests, frames), (102, 133));
}

#[test]
fn sessions_of_the_recordings_end_as_they_should() {
    let of = |file: &str| {
        let row = LONG_POLL.iter().find(|row| row.file == file).unwrap();
        replayed(row).unwrap().ends
    };
    let statuses = |file: &str| -> Vec<u16> {
        let rejected = of(file).into_iter().map(|cause| match cause {
            CloseCause::UpgradeRejected(rejection) => rejection.status,
            other => panic!("{other}"),
        });
        rejected.collect()
    };
    assert_eq!(statuses("longpoll_rejected"), [403, 403, 500, 403, 403]);
    assert_eq!(statuses("longpoll_js_rejected"), [403; 4]);
    // Lines that the server can't read: the frames before them may have arrived.
    let post_500 = CloseCause::LongPoll(LongPollCause::status(ExchangeKind::Post, 500));
    assert_eq!(of("longpoll_malformed"), [post_500.clone(), post_500.clone()]);
    assert_eq!(of("longpoll_vsn1"), [post_500]);
    for file in
        ["longpoll_raw_session", "longpoll_binary", "longpoll_js_session", "longpoll_no_content"]
    {
        assert_eq!(of(file), []);
    }
}
