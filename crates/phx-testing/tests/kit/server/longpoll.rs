//! Long-poll beyond the recordings: a test for each fact about the server's side.

mod polls;
mod posts;
mod sessions;
mod tokens;

use std::collections::BTreeMap;
use std::time::Duration;

use phx_proto::Instant;
use phx_testing::{
    Action, ExchangeId, Handlers, HttpAnswer, HttpRequest, Payload, Server, ServerBuilder,
};
use serde_json::{Value, json};

const JOIN: &str = r#"["1","1","room:a","phx_join",{}]"#;
const URL: &str = "/socket/longpoll?vsn=2.0.0";

/// A room with an echo, whose joins may take `{"slow": ms}`.
fn app() -> ServerBuilder {
    let room = || {
        let room = Handlers::new().join(|ctx, params| {
            let params: Value = params.decode().unwrap_or_default();
            ctx.sleep(Duration::from_millis(params["slow"].as_u64().unwrap_or(0)));
            Ok(Payload::empty())
        });
        room.handle_in("echo", |_, payload| {
            phx_testing::Handled::Reply(phx_testing::Status::Ok, payload)
        })
        .handle_in("stop", |_, _| phx_testing::Handled::Stop)
    };
    Server::builder().channel("room:*", room)
}

/// A server and its clients, on a clock of their own.
struct Http {
    server: Server,
    now: Instant,
    asked: BTreeMap<ExchangeId, Instant>,
    answers: BTreeMap<ExchangeId, (Duration, HttpAnswer)>,
}

impl Http {
    fn new(server: ServerBuilder) -> Self {
        let (asked, answers) = (BTreeMap::new(), BTreeMap::new());
        Http { server: server.build(), now: Instant::EPOCH, asked, answers }
    }

    fn ask(&mut self, request: HttpRequest) -> ExchangeId {
        let exchange = self.server.handle_request(self.now, request);
        self.asked.insert(exchange, self.now);
        self.collect();
        exchange
    }

    /// Starts a poll.
    fn poll(&mut self, token: &str) -> ExchangeId {
        self.ask(poll(token))
    }

    /// Starts a POST.
    fn post(&mut self, token: &str, body: &str) -> ExchangeId {
        self.ask(post(token, body))
    }

    fn collect(&mut self) {
        while let Some(action) = self.server.poll_action() {
            let Action::Answer { exchange, answer, .. } = action else { panic!("{action:?}") };
            let took = self.now.saturating_duration_since(self.asked[&exchange]);
            self.answers.insert(exchange, (took, answer));
        }
    }

    /// Lets time pass until `now`, event by event.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.server.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.server.handle_timeout(at);
            self.collect();
        }
        self.now = until;
    }

    fn is_answered(&self, exchange: ExchangeId) -> bool {
        self.answers.contains_key(&exchange)
    }

    /// Waits for an answer. Returns the milliseconds that it took, and the answer.
    fn wait(&mut self, exchange: ExchangeId) -> (u64, HttpAnswer) {
        while !self.is_answered(exchange) {
            let at = self.server.poll_timeout().expect("an answer to come");
            self.pass(at.saturating_duration_since(self.now));
        }
        let (took, answer) = self.answers.remove(&exchange).unwrap();
        (u64::try_from(took.as_millis()).unwrap(), answer)
    }

    /// Waits for an answer. Returns the milliseconds that it took, the HTTP status, and the status in the body.
    fn status(&mut self, exchange: ExchangeId) -> (u64, u16, Value) {
        let (took, answer) = self.wait(exchange);
        (took, answer.status(), json_of(&answer)["status"].clone())
    }

    /// Creates a session, and returns its token.
    fn open(&mut self) -> String {
        let create = self.ask(HttpRequest::new("GET", URL));
        let (_, answer) = self.wait(create);
        token_of(&answer)
    }

    /// Creates a session that has joined `room:a`.
    fn join(&mut self) -> String {
        let token = self.open();
        assert_eq!(self.posted(&token, JOIN), 200);
        assert_eq!(self.messages(&token).len(), 1);
        token
    }

    fn posted(&mut self, token: &str, body: &str) -> Value {
        let exchange = self.post(token, body);
        self.status(exchange).2
    }

    /// Polls once, and returns the messages.
    fn messages(&mut self, token: &str) -> Vec<String> {
        let exchange = self.poll(token);
        let (_, answer) = self.wait(exchange);
        messages_of(&answer)
    }

    fn broadcast(&mut self, event: &str) {
        self.server.broadcast(self.now, "room:a", event.to_owned(), Payload::empty());
        self.collect();
    }
}

fn poll(token: &str) -> HttpRequest {
    HttpRequest::new("GET", URL).with_header("x-phoenix-longpoll-token", token)
}

fn post(token: &str, body: &str) -> HttpRequest {
    HttpRequest::new("POST", URL)
        .with_header("x-phoenix-longpoll-token", token)
        .with_header("content-type", "application/x-ndjson")
        .with_body(body.to_owned())
}

fn json_of(answer: &HttpAnswer) -> Value {
    serde_json::from_slice(answer.body()).unwrap_or_default()
}

fn token_of(answer: &HttpAnswer) -> String {
    json_of(answer)["token"].as_str().expect("a token").to_owned()
}

fn messages_of(answer: &HttpAnswer) -> Vec<String> {
    let body = json_of(answer);
    let messages = body["messages"].as_array().into_iter().flatten();
    messages.map(|message| message.as_str().unwrap().to_owned()).collect()
}

/// A push of `echo` with this ref, and its reply.
fn echo(reference: u32) -> String {
    json!(["1", reference.to_string(), "room:a", "echo", {}]).to_string()
}

fn echoed(reference: u32) -> String {
    json!(["1", reference.to_string(), "room:a", "phx_reply", {"response": {}, "status": "ok"}])
        .to_string()
}

fn broadcasted(event: &str) -> String {
    json!([null, null, "room:a", event, {}]).to_string()
}

const SECOND: u64 = 1_000;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
