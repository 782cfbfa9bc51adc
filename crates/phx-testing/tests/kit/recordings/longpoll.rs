//! Long-poll: what the recorded clients asked is asked of [`Server`], whose answers must be the same: status, body,
//! headers, and how long they took.

use std::collections::BTreeMap;
use std::time::Duration;

use phx_conformance::recordings::long_poll::{Coverage, LONG_POLL};
use phx_conformance::recordings::{Fact, Line, Recording};
use phx_proto::Instant;
use phx_testing::{Action, ExchangeId, HttpAnswer, HttpRequest, Server};
use serde_json::Value;

use super::app;

/// Time that an answer takes: at once, or one of Phoenix's timeouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delay {
    AtOnce,
    Seconds(u64),
}

/// An answer, with its token replaced by the number of its first use.
#[derive(Debug, PartialEq)]
struct Answered {
    status: u16,
    content_type: Option<String>,
    body: Value,
    delay: Delay,
}

/// Requests and answers by their number.
#[derive(Default)]
struct Conversation {
    asked: BTreeMap<u32, Instant>,
    answers: BTreeMap<u32, Answered>,
    tokens: Vec<String>,
}

impl Conversation {
    fn answered(
        &mut self,
        req: u32,
        at: Instant,
        status: u16,
        headers: &[(String, String)],
        body: &str,
    ) {
        let mut body = serde_json::from_str(body).unwrap_or_else(|_| Value::from(body));
        if let Some(token) = body.get_mut("token") {
            let name = token.as_str().unwrap().to_owned();
            let known = self.tokens.iter().position(|known| *known == name);
            let number = known.unwrap_or_else(|| {
                self.tokens.push(name);
                self.tokens.len() - 1
            });
            *token = number.into();
        }
        // Text frames are compared as JSON: Phoenix decodes and encodes what a channel only passes on.
        if let Some(Value::Array(messages)) = body.get_mut("messages") {
            for message in messages {
                let decoded = serde_json::from_str(message.as_str().unwrap());
                *message = decoded.unwrap_or_else(|_| message.take());
            }
        }
        let content_type = headers.iter().find(|(name, _)| name == "content-type");
        let content_type = content_type.map(|(_, value)| value.clone());
        let delay = delay(at.saturating_duration_since(self.asked[&req]));
        self.answers.insert(req, Answered { status, content_type, body, delay });
    }
}

/// An answer that waits for another request comes with it: 500 ms is beyond every pause of the scripts.
fn delay(took: Duration) -> Delay {
    match took.as_millis() {
        0..500 => Delay::AtOnce,
        took => Delay::Seconds(u64::try_from((took + 500) / 1000).unwrap()),
    }
}

fn recorded(lines: &[Line]) -> Conversation {
    let mut recorded = Conversation::default();
    for line in lines {
        match &line.fact {
            Fact::HttpReq { req, .. } => {
                recorded.asked.insert(*req, line.at);
            }
            Fact::HttpRes { req, answer } => {
                recorded.answered(*req, line.at, answer.status, &answer.headers, &answer.body);
            }
            _ => {}
        }
    }
    recorded
}

struct Replay<'a> {
    server: Server,
    lines: &'a [Line],
    exchanges: BTreeMap<ExchangeId, u32>,
    replayed: Conversation,
    /// Our token for each of the recording's.
    tokens: BTreeMap<String, String>,
    /// The recording's answers, for the tokens in them.
    recorded: BTreeMap<u32, String>,
}

impl Replay<'_> {
    fn run(lines: &[Line]) -> Conversation {
        let short = lines.iter().any(|line| {
            matches!(&line.fact, Fact::HttpReq { url, .. } if url.starts_with("/socket_short"))
        });
        let path = if short { "/socket_short" } else { "/socket" };
        let mut builder = app::builder(path);
        if short {
            builder = builder.poll_window(Duration::from_secs(1));
        }
        let recorded = lines.iter().filter_map(|line| match &line.fact {
            Fact::HttpRes { req, answer } => Some((*req, answer.body.clone())),
            _ => None,
        });
        let mut replay = Replay {
            server: builder.build(),
            lines,
            exchanges: BTreeMap::new(),
            replayed: Conversation::default(),
            tokens: BTreeMap::new(),
            recorded: recorded.collect(),
        };
        for line in replay.lines {
            replay.advance(line.at);
            replay.step(line);
        }
        replay.replayed
    }

    /// Answers bear the times at which they were given.
    fn advance(&mut self, now: Instant) {
        while let Some(at) = self.server.poll_timeout().filter(|at| *at <= now) {
            self.server.handle_timeout(at);
            self.collect(at);
        }
    }

    fn step(&mut self, line: &Line) {
        match &line.fact {
            Fact::HttpReq { req, method, url, headers, body } => {
                let asked = HttpRequest::new(method, &self.with_token(url)).with_body(body.clone());
                let asked = headers.iter().fold(asked, |asked, (name, value)| {
                    asked.with_header(name, &self.with_token(value))
                });
                self.replayed.asked.insert(*req, line.at);
                let exchange = self.server.handle_request(line.at, asked);
                self.exchanges.insert(exchange, *req);
                self.collect(line.at);
            }
            Fact::HttpAbort { req } => {
                let exchange = self.exchanges.iter().find(|(_, asked)| *asked == req).unwrap().0;
                self.server.handle_abandoned(line.at, *exchange);
            }
            _ => {}
        }
    }

    /// Text of the recording with our tokens in it.
    fn with_token(&self, text: &str) -> String {
        let known = self.tokens.iter().rev().find(|(token, _)| text.ends_with(token.as_str()));
        known.map_or_else(|| text.to_owned(), |(token, ours)| text.replace(token, ours))
    }

    fn collect(&mut self, at: Instant) {
        while let Some(action) = self.server.poll_action() {
            let Action::Answer { exchange, answer, .. } = action else { panic!("{action:?}") };
            let req = self.exchanges[&exchange];
            self.learn_token(req, &answer);
            let body = std::str::from_utf8(answer.body()).unwrap();
            self.replayed.answered(req, at, answer.status(), answer.headers(), body);
            let cors = ("access-control-allow-origin".to_owned(), "*".to_owned());
            assert!(answer.headers().contains(&cors), "{answer:?}");
        }
    }

    fn learn_token(&mut self, req: u32, answer: &HttpAnswer) {
        let token = |body: &[u8]| {
            let body: Value = serde_json::from_slice(body).ok()?;
            Some(body.get("token")?.as_str()?.to_owned())
        };
        let theirs = self.recorded.get(&req).and_then(|body| token(body.as_bytes()));
        if let (Some(theirs), Some(ours)) = (theirs, token(answer.body())) {
            self.tokens.insert(theirs, ours);
        }
    }
}

/// Returns the number of equal answers, or the first that differs.
fn compare(recording: &Recording) -> Result<usize, String> {
    let recorded = recorded(&recording.lines).answers;
    let replayed = Replay::run(&recording.lines).answers;
    for req in recorded.keys().chain(replayed.keys()) {
        let (recorded, replayed) = (recorded.get(req), replayed.get(req));
        if recorded != replayed {
            return Err(format!(
                "request {req}:\n  recorded {recorded:?}\n  got      {replayed:?}"
            ));
        }
    }
    Ok(recorded.len())
}

/// Prints the table of both sides. The client's is checked by the core's tests of long-poll.
#[test]
fn long_poll_is_answered_as_recorded() {
    let mut failures = String::new();
    println!("| recording | client: requests | server: answers |");
    println!("|---|---|---|");
    for row in LONG_POLL {
        let client = match row.client {
            Coverage::NotApplicable(why) => format!("not replayed: {why}"),
            Coverage::Replayed(_, []) => "the same".to_owned(),
            Coverage::Replayed(_, differs) => {
                let differs: Vec<_> =
                    differs.iter().map(|(number, why)| format!("{number} ({why})")).collect();
                format!("the same, but for {}", differs.join(", "))
            }
        };
        let compared = Recording::open(row.file).and_then(|recording| compare(&recording));
        let server = match compared {
            Ok(answers) => format!("the same {answers}"),
            Err(difference) => {
                failures.push_str(&format!("{}: {difference}\n", row.file));
                "not the same".to_owned()
            }
        };
        println!("| {} | {client} | {server} |", row.file);
    }
    assert!(failures.is_empty(), "{failures}");
}
