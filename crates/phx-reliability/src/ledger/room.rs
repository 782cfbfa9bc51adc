//! The application on the server: rooms that answer a join or a push as it asks, and record it in the ledger.

use std::any::Any;
use std::time::Duration;

use phx_proto::{Payload, Status};
use phx_testing::{Channel, Context, Handled, Reason, Server, SocketRef};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Ledger;
use super::numbered::Numbered;

/// The server's handling of a join.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::exhaustive_enums, missing_docs, reason = "each says what the server does")]
pub enum JoinIs {
    #[default]
    Accepted,
    Slow {
        by: u64,
    },
    Rejected,
    Crashed,
    /// The client fails to make the params.
    WithoutParams,
}

/// The params of a join.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct JoinParams {
    pub(crate) is: JoinIs,
    /// Time between two messages, in milliseconds; 0 for no messages.
    pub(crate) tick_ms: u64,
}

/// Response to an accepted join.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Joined {
    pub(crate) life: u64,
}

/// A message to a room's own process.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Push {
        binary: bool,
    },
    /// Pushes a message, and again after each interval.
    Tick,
    Crash,
    Stop,
}

/// Longest time that a slow join or push takes.
pub(crate) const MAX_SLOW: Duration = Duration::from_secs(12);

/// Creates a server of rooms with this record. The event of a push says how it is handled; all but `blob`, `big` and
/// `pause` are recorded. A connection without a frame from its client ends after `idle_timeout`.
pub(crate) fn server(ledger: &Ledger, idle_timeout: Duration) -> Server {
    let ledger = ledger.clone();
    Server::builder()
        .channel("room:*", move || Room { ledger: ledger.clone(), life: 0, tick: Duration::ZERO })
        .idle_timeout(Some(idle_timeout))
        .compress(true)
        .build()
}

struct Room {
    ledger: Ledger,
    life: u64,
    tick: Duration,
}

/// A reply that is made later.
struct LateReply {
    to: SocketRef,
    response: Payload,
}

#[derive(Deserialize)]
struct Big {
    bytes: usize,
}

impl Channel for Room {
    fn join(&mut self, ctx: &mut Context<'_>, params: Payload) -> Result<Payload, Payload> {
        let JoinParams { is, tick_ms } = params.decode().unwrap_or_default();
        match is {
            JoinIs::Slow { by } => ctx.sleep(Duration::from_millis(by).min(MAX_SLOW)),
            JoinIs::Crashed => {
                self.ledger.lock().reject();
                ctx.crash();
                return Ok(Payload::empty());
            }
            JoinIs::Rejected => {
                self.ledger.lock().reject();
                return Err(json(&json!({ "reason": "full" })));
            }
            JoinIs::Accepted | JoinIs::WithoutParams => {}
        }
        self.life = self.ledger.lock().begin(ctx.topic(), ctx.socket());
        self.tick = Duration::from_millis(tick_ms);
        if tick_ms > 0 {
            ctx.send_after(self.tick, Order::Tick);
        }
        Ok(json(&Joined { life: self.life }))
    }

    fn handle_in(&mut self, ctx: &mut Context<'_>, event: &str, payload: Payload) -> Handled {
        match event {
            "blob" => return Handled::ok(&json!({})),
            "big" => {
                let Ok(Big { bytes }) = payload.decode() else { return Handled::Crash };
                self.push(ctx, |message| message.padded(bytes));
                return Handled::NoReply;
            }
            "pause" => {
                let mut books = self.ledger.lock();
                books.is_paused = true;
                return books.report(self.life).map_or(Handled::Crash, |it| Handled::ok(&it));
            }
            _ => {}
        }
        let Some(push) = Numbered::read(&payload) else {
            return Handled::error("damaged");
        };
        self.ledger.lock().receive(self.life, push.number);
        let reply = |status| Handled::Reply(status, payload.clone());
        match event {
            "Echo" => reply(Status::Ok),
            "Refuse" => reply(Status::Error),
            "OtherStatus" => reply(Status::from("maybe")),
            "Silent" => Handled::NoReply,
            "Late" => {
                let late = LateReply { to: ctx.socket_ref(), response: payload.clone() };
                ctx.send_after(Duration::from_millis(push.number % 16 * 1000), late);
                Handled::NoReply
            }
            "Double" => {
                let to = ctx.socket_ref();
                ctx.reply(&to, Status::Ok, payload.clone());
                reply(Status::Ok)
            }
            "Slow" => {
                ctx.sleep(Duration::from_millis(push.number % 8 * 500));
                reply(Status::Ok)
            }
            "ReplyAndCrash" => {
                let to = ctx.socket_ref();
                ctx.reply(&to, Status::Ok, payload.clone());
                Handled::Crash
            }
            "Stop" => Handled::Stop,
            "StopReply" => Handled::StopReply(Status::Ok, payload.clone()),
            "PushBack" => {
                for binary in [false, true, false] {
                    self.push(ctx, |message| message.payload(binary));
                }
                reply(Status::Ok)
            }
            _ => Handled::Crash,
        }
    }

    fn handle_info(&mut self, ctx: &mut Context<'_>, message: Box<dyn Any + Send>) -> Handled {
        let order = match message.downcast::<LateReply>() {
            Ok(late) => {
                ctx.reply(&late.to, Status::Ok, late.response);
                return Handled::NoReply;
            }
            Err(other) => other.downcast::<Order>(),
        };
        match order.as_deref() {
            Ok(Order::Push { binary }) => self.push(ctx, |message| message.payload(*binary)),
            Ok(Order::Tick) => {
                self.push(ctx, |message| message.payload(false));
                ctx.send_after(self.tick, Order::Tick);
            }
            Ok(Order::Crash) => return Handled::Crash,
            Ok(Order::Stop) => return Handled::Stop,
            Err(_) => {}
        }
        Handled::NoReply
    }

    fn terminate(&mut self, _ctx: &mut Context<'_>, reason: Reason) {
        self.ledger.lock().end(self.life, reason);
    }
}

impl Room {
    fn push(&self, ctx: &mut Context<'_>, payload: impl FnOnce(Numbered) -> Payload) {
        let number = self.ledger.lock().next_push(self.life);
        if let Some(number) = number {
            ctx.push("pushed", payload(Numbered::new(self.life, number)));
        }
    }
}

fn json(value: &impl Serialize) -> Payload {
    Payload::json(value).unwrap_or_default()
}
