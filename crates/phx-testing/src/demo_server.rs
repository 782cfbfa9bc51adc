//! A small application for examples and first tests.

use std::any::Any;
use std::time::Duration;

use phx_proto::{Payload, Status};
use serde::Deserialize;
use serde_json::json;

use crate::server::ServerBuilder;
use crate::{Channel, Context, Handled, Server};

/// Returns a builder of a chat and a clock, for further settings: the server of `phx serve`, which allows more
/// channels and larger frames.
///
/// It accepts any path below `/socket`, any params and any auth token. It rejects joins of other topics, as Phoenix
/// does.
///
/// | topic | on a join |
/// |---|---|
/// | `room:*` | `{"name": ..}` makes the client present under that name; `{"reject": true}` is rejected with the reason `unauthorized` |
/// | `clock:*` | sends `tick` with `{"n": ..}` every second, or every `{"interval_ms": ..}` |
///
/// | event on `room:*` | effect |
/// |---|---|
/// | `new_msg` | broadcasts the payload to everybody, the sender included, and replies ok with `{"id": ..}`: 1 for the first of this join, and so on |
/// | `echo` | replies ok with the payload, which may be binary |
/// | `shout` | broadcasts the payload to everybody, the sender included |
/// | `whisper` | broadcasts the payload to the others |
/// | `fail` | replies error with the payload |
/// | `stop` | closes the channel |
/// | `crash`, and any other | crashes the channel |
///
/// # Examples
///
/// ```
/// let server = phx_testing::demo_server().build();
/// # let _ = server;
/// ```
pub fn demo_server() -> ServerBuilder {
    Server::builder()
        .channel("room:*", Room::default)
        .channel("clock:*", Clock::default)
        .auth_token(true)
}

#[derive(Default)]
struct Room {
    /// Number of messages posted since the join.
    posted: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct JoinParams {
    name: Option<String>,
    reject: bool,
}

/// Sent by a join to itself: presence comes after the join's reply.
struct AfterJoin {
    name: String,
}

impl Channel for Room {
    fn join(&mut self, ctx: &mut Context<'_>, params: Payload) -> Result<Payload, Payload> {
        let params: JoinParams = params.decode().unwrap_or_default();
        if params.reject {
            return Err(Payload::json(&json!({ "reason": "unauthorized" })).unwrap_or_default());
        }
        if let Some(name) = params.name {
            ctx.send(AfterJoin { name });
        }
        Ok(Payload::empty())
    }

    fn handle_in(&mut self, ctx: &mut Context<'_>, event: &str, payload: Payload) -> Handled {
        match event {
            "new_msg" => {
                ctx.broadcast("new_msg", payload);
                self.posted = self.posted.saturating_add(1);
                Handled::ok(&json!({ "id": self.posted }))
            }
            "echo" => Handled::Reply(Status::Ok, payload),
            "fail" => Handled::Reply(Status::Error, payload),
            "shout" => {
                ctx.broadcast("shout", payload);
                Handled::NoReply
            }
            "whisper" => {
                ctx.broadcast_from("whisper", payload);
                Handled::NoReply
            }
            "stop" => Handled::Stop,
            _ => Handled::Crash,
        }
    }

    fn handle_info(&mut self, ctx: &mut Context<'_>, message: Box<dyn Any + Send>) -> Handled {
        if let Ok(after_join) = message.downcast::<AfterJoin>() {
            let meta = json!({ "online_at": ctx.now().since_epoch().as_secs() });
            if ctx.track(&after_join.name, meta).is_err() {
                return Handled::Crash;
            }
            let state = ctx.list();
            ctx.push("presence_state", &state);
        }
        Handled::NoReply
    }
}

#[derive(Deserialize)]
#[serde(default)]
struct ClockParams {
    interval_ms: u64,
}

impl Default for ClockParams {
    fn default() -> Self {
        ClockParams { interval_ms: 1_000 }
    }
}

/// A channel that sends by itself, at even intervals.
#[derive(Default)]
struct Clock {
    interval: Duration,
    ticks: u64,
}

/// The clock's message to itself.
struct Tick;

impl Channel for Clock {
    fn join(&mut self, ctx: &mut Context<'_>, params: Payload) -> Result<Payload, Payload> {
        let params: ClockParams = params.decode().unwrap_or_default();
        self.interval = Duration::from_millis(params.interval_ms.max(1));
        ctx.send_after(self.interval, Tick);
        Ok(Payload::empty())
    }

    fn handle_info(&mut self, ctx: &mut Context<'_>, _tick: Box<dyn Any + Send>) -> Handled {
        self.ticks = self.ticks.saturating_add(1);
        ctx.push("tick", &json!({ "n": self.ticks }));
        ctx.send_after(self.interval, Tick);
        Handled::NoReply
    }
}
