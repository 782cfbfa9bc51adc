//! The application on the server: rooms that do with a join or a push what it asks for.

use std::any::Any;
use std::time::Duration;

use phx_proto::{Payload, Status};
use phx_testing::{Channel, Context, Handled, Reason, Server, SocketRef};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::ledger::Ledger;
use super::numbered::Numbered;
use super::plan::{JoinIs, MAX_SLOW};

pub(super) fn server(ledger: &Ledger) -> Server {
    let ledger = ledger.clone();
    Server::builder().channel("room:*", move || Room { ledger: ledger.clone(), life: 0 }).build()
}

struct Room {
    ledger: Ledger,
    life: u64,
}

/// The params of a join.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct JoinParams {
    pub(super) is: JoinIs,
}

/// The response to a join that was accepted.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Joined {
    pub(super) life: u64,
}

/// What the run tells a room.
#[derive(Debug)]
pub(super) enum Order {
    Push { binary: bool },
    Crash,
    Stop,
}

/// A reply that is made later.
struct LateReply {
    to: SocketRef,
    response: Payload,
}

impl Channel for Room {
    fn join(&mut self, ctx: &mut Context<'_>, params: Payload) -> Result<Payload, Payload> {
        let params: Option<JoinParams> = params.decode().ok();
        match params.map(|params| params.is) {
            Some(JoinIs::Slow { by }) => ctx.sleep(Duration::from_millis(by).min(MAX_SLOW)),
            Some(JoinIs::Crashed) => {
                self.ledger.entries().reject();
                ctx.crash();
                return Ok(Payload::empty());
            }
            Some(JoinIs::Rejected) => {
                self.ledger.entries().reject();
                return Err(json(&json!({ "reason": "full" })));
            }
            Some(JoinIs::Accepted | JoinIs::WithoutParams) | None => {}
        }
        self.life = self.ledger.entries().begin(ctx.topic().clone());
        Ok(json(&Joined { life: self.life }))
    }

    fn handle_in(&mut self, ctx: &mut Context<'_>, event: &str, payload: Payload) -> Handled {
        let Some(push) = Numbered::read(&payload) else {
            return Handled::error("damaged");
        };
        self.ledger.entries().receive(self.life, push.number);
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
                    self.push(ctx, binary);
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
            Ok(Order::Push { binary }) => self.push(ctx, *binary),
            Ok(Order::Crash) => return Handled::Crash,
            Ok(Order::Stop) => return Handled::Stop,
            Err(_) => {}
        }
        Handled::NoReply
    }

    fn terminate(&mut self, _ctx: &mut Context<'_>, _reason: Reason) {
        self.ledger.entries().end(self.life);
    }
}

impl Room {
    fn push(&self, ctx: &mut Context<'_>, binary: bool) {
        let number = self.ledger.entries().next_push(self.life);
        ctx.push("pushed", Numbered::new(self.life, number).payload(binary));
    }
}

fn json(value: &impl Serialize) -> Payload {
    Payload::json(value).unwrap_or_default()
}
