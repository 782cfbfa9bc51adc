//! A small application for examples and first tests.

use std::any::Any;

use phx_proto::{Payload, Status};
use serde::Deserialize;
use serde_json::json;

use crate::server::ServerBuilder;
use crate::{Channel, Context, Handled, Server};

/// A server with a room for everybody: a builder to which more can be added.
///
/// | topic | what it does |
/// |---|---|
/// | `room:*` | joins with `{"name": ..}` are present under that name; a join without is silent, and one with `{"reject": true}` is rejected |
/// | event `new_msg` | broadcasts the payload to everybody, the sender too, and replies ok with `{"id": ..}`: 1 for the first of this join, and so on |
/// | event `echo` | replies ok with the payload, which may be binary |
/// | event `shout` | broadcasts the payload to everybody, the sender too |
/// | event `whisper` | broadcasts it to the others |
/// | event `fail` | replies error with the payload |
/// | event `stop` | closes the channel |
/// | event `crash`, and any other | crashes it |
///
/// # Examples
///
/// ```
/// let server = phx_testing::demo_server().build();
/// # let _ = server;
/// ```
pub fn demo_server() -> ServerBuilder {
    Server::builder().channel("room:*", Room::default)
}

#[derive(Default)]
struct Room {
    /// How many messages were posted since the join.
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
            ctx.push("presence_state", Payload::json(&state).unwrap_or_default());
        }
        Handled::NoReply
    }
}
