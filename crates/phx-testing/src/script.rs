//! Scripted servers: expected requests of a client, in order, and the answers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use phx_proto::{ByteString, CloseCode, Payload, Status};
use serde::Serialize;

use crate::{Server, ServerBuilder};

mod channel;
mod expectation;
mod mismatch;
mod progress;

use channel::ScriptedChannel;
use expectation::{Act, Answer, Expectation, Kind, WantedPayload};
use progress::Shared;

pub use mismatch::MismatchError;
pub use progress::Expectations;

/// Expectations of a fake server and its answers, in order: for one-off tests.
///
/// The first request must be the first expected one, and so on. Anything else is a [`MismatchError`], with the
/// expectation, the request, their differences, and the time. It ends the script: later requests aren't compared. A
/// join or push that doesn't match is answered with an error, so that the client's test fails with this text
/// instead of a timeout.
///
/// The server answers heartbeats by itself; they are no part of a script. Requests count in the order in which they
/// reach the channels; a channel that waits (see [`after`](Script::after)) reads on afterwards.
///
/// A script is data: [`serve`](Script::serve) makes any number of servers from it, in memory for a
/// [`Simulation`](crate::Simulation) or behind a [`Listener`](crate::listener::Listener).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use phx_proto::{Config, Payload};
/// use phx_testing::{Script, Simulation};
/// use serde_json::json;
///
/// let script = Script::new()
///     .expect_join("room:*")
///     .reply_ok(&json!({}))
///     .expect_push("room:lobby", "new_msg")
///     .with_payload(&json!({ "body": "hi" }))
///     .reply_ok(&json!({ "id": 1 }))
///     .then_broadcast("new_msg", &json!({ "body": "hi" }));
///
/// let (server, expectations) = script.serve();
/// let mut sim = Simulation::new(server);
/// let ann = sim.client(Config::default());
/// let room = sim.with(ann, |socket, now| {
///     socket.connect(now);
///     let room = socket.channel("room:lobby", Payload::empty())?;
///     socket.join(now, room, None)?;
///     Ok::<_, Box<dyn std::error::Error>>(room)
/// })?;
/// // Sent as soon as the channel has joined.
/// let payload = Payload::json(&json!({ "body": "hello" }))?;
/// sim.with(ann, |socket, now| socket.push(now, room, "new_msg", payload, None))?;
///
/// let mismatch = sim.verify(&expectations, Duration::from_secs(5)).unwrap_err();
/// assert_eq!(
///     mismatch.to_string(),
///     r#"the script was not followed at 0 s, step 2 of 2:
///   expected  push "new_msg" on "room:lobby" with {"body":"hi"}
///   got       push "new_msg" on "room:lobby" with {"body":"hello"}
///   differs   payload.body: expected "hi", got "hello""#,
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
#[must_use = "a script does nothing until it is served"]
pub struct Script {
    expectations: Vec<Expectation>,
}

/// An expectation without its answer.
#[derive(Clone)]
#[must_use = "an expectation needs its answer"]
pub struct Expected {
    before: Script,
    expectation: Expectation,
}

impl Script {
    /// Creates an empty script: any request is a mismatch.
    pub fn new() -> Self {
        Script::default()
    }

    /// Expects a join of a topic, or of any topic that starts with the text before a final `*`.
    pub fn expect_join(self, topic: impl Into<String>) -> Expected {
        self.expect(Kind::Join, topic.into())
    }

    /// Expects a push of an event, on a topic or on any that matches `*` at its end.
    pub fn expect_push(self, topic: impl Into<String>, event: impl Into<ByteString>) -> Expected {
        self.expect(Kind::Push(event.into()), topic.into())
    }

    /// Expects a leave of a topic, or of any that matches `*` at its end. The server answers with ok and
    /// `phx_close`, as Phoenix always does.
    pub fn expect_leave(self, topic: impl Into<String>) -> Script {
        self.expect(Kind::Leave, topic.into()).answer(Answer::Ended)
    }

    /// Waits for `delay` before the next step; the channel is busy during that.
    ///
    /// # Panics
    ///
    /// If nothing can follow, see [`then_close`](Script::then_close).
    pub fn after(self, delay: Duration) -> Script {
        self.then(Act::Wait(delay), "after", Expectation::has_connection)
    }

    /// Then pushes an event to the client.
    ///
    /// # Panics
    ///
    /// If the previous expectation leaves no channel that could push: a join that isn't accepted, a leave, a
    /// channel that crashed or stopped. And if the payload can't be written as JSON.
    pub fn then_push<T>(self, event: impl Into<ByteString>, payload: &T) -> Script
    where
        T: Serialize + ?Sized,
    {
        let push = Act::Push(event.into(), json(payload));
        self.then(push, "then_push", Expectation::has_channel)
    }

    /// Then sends an event to every client that has joined the channel's topic.
    ///
    /// # Panics
    ///
    /// As [`then_push`](Script::then_push).
    pub fn then_broadcast<T>(self, event: impl Into<ByteString>, payload: &T) -> Script
    where
        T: Serialize + ?Sized,
    {
        let broadcast = Act::Broadcast(event.into(), json(payload));
        self.then(broadcast, "then_broadcast", Expectation::has_channel)
    }

    /// Then stops the channel: the client gets `phx_close`.
    ///
    /// # Panics
    ///
    /// As [`then_push`](Script::then_push).
    pub fn then_stop(self) -> Script {
        self.then(Act::Stop, "then_stop", Expectation::has_channel)
    }

    /// Then crashes the channel: the client gets `phx_error`.
    ///
    /// # Panics
    ///
    /// As [`then_push`](Script::then_push).
    pub fn then_crash(self) -> Script {
        self.then(Act::Crash, "then_crash", Expectation::has_channel)
    }

    /// Then closes the client's connection with this code.
    ///
    /// # Panics
    ///
    /// If there is no expectation before it, or it leaves a channel or connection that stopped, crashed, or was
    /// closed or cut.
    pub fn then_close(self, code: CloseCode) -> Script {
        self.then(Act::Close(code), "then_close", Expectation::has_connection)
    }

    /// Then cuts the client's connection, without a close frame.
    ///
    /// # Panics
    ///
    /// As [`then_close`](Script::then_close).
    pub fn then_cut(self) -> Script {
        self.then(Act::Cut, "then_cut", Expectation::has_connection)
    }

    /// Returns a server that follows the script on all topics, and a handle that reports mismatches.
    #[must_use = "an unmet script panics when it is dropped"]
    pub fn serve(&self) -> (Server, Expectations) {
        self.serve_with(Server::builder())
    }

    /// As [`serve`](Script::serve), with a server's other settings. The builder's channels keep their topics; the
    /// script gets all others.
    #[must_use = "an unmet script panics when it is dropped"]
    pub fn serve_with(&self, builder: ServerBuilder) -> (Server, Expectations) {
        let shared = Arc::new(Shared::new(self.expectations.clone()));
        let expectations = Expectations::new(shared.clone());
        let server = builder.channel("*", move || ScriptedChannel::new(shared.clone())).build();
        (server, expectations)
    }

    fn expect(self, kind: Kind, topic: String) -> Expected {
        Expected { before: self, expectation: Expectation::new(kind, topic) }
    }

    #[expect(
        clippy::panic,
        reason = "documented: a script that makes no sense is a mistake of the test"
    )]
    fn then(mut self, act: Act, name: &str, possible: fn(&Expectation) -> bool) -> Script {
        match self.expectations.last_mut() {
            Some(last) if possible(last) => last.acts.push(act),
            Some(last) => panic!("{name} can't follow {last}: nothing is left there to do it"),
            None => panic!("{name} comes first in the script: begin with an expectation"),
        }
        self
    }
}

impl Expected {
    /// Expects this payload (of a join, these params), compared as JSON values.
    ///
    /// # Panics
    ///
    /// If it can't be written as JSON.
    pub fn with_payload<T: Serialize + ?Sized>(mut self, payload: &T) -> Self {
        self.expectation.payload = WantedPayload::Equal(json(payload));
        self
    }

    /// Expects a binary payload of these bytes.
    pub fn with_binary(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.expectation.payload = WantedPayload::Equal(Payload::binary(bytes.as_ref().to_vec()));
        self
    }

    /// Expects a payload that passes a test; the description stands for the test in a mismatch.
    pub fn with_payload_that(
        mut self,
        description: impl Into<String>,
        test: impl Fn(&Payload) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.expectation.payload = WantedPayload::That(description.into(), Arc::new(test));
        self
    }

    /// Waits before the answer: a slow join blocks its whole connection, as in Phoenix, a slow push
    /// only its channel.
    pub fn after(mut self, delay: Duration) -> Self {
        self.expectation.delay = self.expectation.delay.saturating_add(delay);
        self
    }

    /// Replies with the status ok.
    ///
    /// # Panics
    ///
    /// If the response can't be written as JSON.
    pub fn reply_ok<T: Serialize + ?Sized>(self, response: &T) -> Script {
        self.reply(Status::Ok, json(response))
    }

    /// Replies with the status error: a join is rejected.
    ///
    /// # Panics
    ///
    /// If the response can't be written as JSON.
    pub fn reply_error<T: Serialize + ?Sized>(self, response: &T) -> Script {
        self.reply(Status::Error, json(response))
    }

    /// Replies with any status, and with any payload, which may be binary. Joins know ok and error;
    /// with another status they are rejected with error.
    pub fn reply(self, status: Status, response: Payload) -> Script {
        self.answer(Answer::Reply(status, response))
    }

    /// Never replies: the client's push times out.
    pub fn no_reply(self) -> Script {
        self.answer(Answer::Nothing)
    }

    /// Crashes the channel instead of a reply: the client gets `phx_error`, or for a join the error
    /// reply "join crashed".
    pub fn crash(self) -> Script {
        self.answer(Answer::Crash)
    }

    fn answer(self, answer: Answer) -> Script {
        let Expected { before: mut script, mut expectation } = self;
        expectation.answer = answer;
        script.expectations.push(expectation);
        script
    }
}

#[expect(clippy::panic, reason = "documented: what isn't JSON is a mistake of the test")]
fn json<T: Serialize + ?Sized>(value: &T) -> Payload {
    match Payload::json(value) {
        Ok(payload) => payload,
        Err(error) => panic!("a payload of the script can't be written as JSON: {error}"),
    }
}

/// The expectations, one step a line.
impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.expectations.iter().map(|expectation| format!("{expectation}"));
        f.debug_list().entries(steps).finish()
    }
}

impl fmt::Debug for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expected({})", self.expectation)
    }
}
