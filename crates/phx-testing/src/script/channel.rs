//! Channel that follows a script: every topic's, on every connection.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use phx_proto::{ByteString, Payload, Status};
use serde_json::json;

use super::MismatchError;
use super::expectation::{Act, Answer, Came, Kind};
use super::progress::Shared;
use crate::{Channel, Context, Handled, Reason};

pub(super) struct ScriptedChannel {
    shared: Arc<Shared>,
}

/// Actions of a join to perform once the channel has joined.
struct AfterJoin(Vec<Act>);

impl ScriptedChannel {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        ScriptedChannel { shared }
    }
}

impl Channel for ScriptedChannel {
    fn join(&mut self, ctx: &mut Context<'_>, params: Payload) -> Result<Payload, Payload> {
        let came = Came { kind: Kind::Join, topic: ctx.topic().clone(), payload: params };
        let step = self.shared.take(ctx.now(), &came).map_err(|mismatch| reason(&mismatch))?;
        ctx.sleep(step.delay);
        match &step.answer {
            Answer::Reply(Status::Ok, response) => {
                if !step.acts.is_empty() {
                    ctx.send(AfterJoin(step.acts.clone()));
                }
                Ok(response.clone())
            }
            Answer::Reply(_, response) => {
                end_after_reply(ctx, &step.acts);
                Err(response.clone())
            }
            Answer::Crash => {
                ctx.crash();
                Err(Payload::empty())
            }
            Answer::Nothing | Answer::Ended => {
                ctx.withhold_reply();
                end_after_reply(ctx, &step.acts);
                Err(Payload::empty())
            }
        }
    }

    fn handle_in(&mut self, ctx: &mut Context<'_>, event: &str, payload: Payload) -> Handled {
        let kind = Kind::Push(ByteString::from(event));
        let came = Came { kind, topic: ctx.topic().clone(), payload };
        let step = match self.shared.take(ctx.now(), &came) {
            Ok(step) => step,
            Err(mismatch) => return Handled::Reply(Status::Error, reason(&mismatch)),
        };
        ctx.sleep(step.delay);
        match &step.answer {
            Answer::Reply(status, response) => {
                let push = ctx.socket_ref();
                ctx.reply(&push, status.clone(), response.clone());
            }
            Answer::Crash => return Handled::Crash,
            Answer::Nothing | Answer::Ended => {}
        }
        act(ctx, &step.acts)
    }

    fn handle_info(&mut self, ctx: &mut Context<'_>, message: Box<dyn Any + Send>) -> Handled {
        match message.downcast::<AfterJoin>() {
            Ok(after_join) => act(ctx, &after_join.0),
            Err(_) => Handled::NoReply,
        }
    }

    fn terminate(&mut self, ctx: &mut Context<'_>, reason: Reason) {
        if reason != Reason::Left {
            return;
        }
        let topic = ctx.topic().clone();
        let came = Came { kind: Kind::Leave, topic, payload: Payload::empty() };
        if let Ok(step) = self.shared.take(ctx.now(), &came) {
            act(ctx, &step.acts);
        }
    }
}

fn act(ctx: &mut Context<'_>, acts: &[Act]) -> Handled {
    for act in acts {
        match act {
            Act::Wait(delay) => ctx.sleep(*delay),
            Act::Push(event, payload) => ctx.push(event.clone(), payload.clone()),
            Act::Broadcast(event, payload) => ctx.broadcast(event.clone(), payload.clone()),
            Act::Close(code) => ctx.close(*code),
            Act::Cut => ctx.kill_transport(),
            Act::Stop => return Handled::Stop,
            Act::Crash => return Handled::Crash,
        }
    }
    Handled::NoReply
}

/// A join that isn't accepted has no channel: only its connection's end can follow.
fn end_after_reply(ctx: &mut Context<'_>, acts: &[Act]) {
    let mut delay = Duration::ZERO;
    for act in acts {
        match act {
            Act::Wait(more) => delay = delay.saturating_add(*more),
            Act::Close(code) => ctx.end_after_reply(delay, Some(*code)),
            Act::Cut => ctx.end_after_reply(delay, None),
            Act::Push(..) | Act::Broadcast(..) | Act::Stop | Act::Crash => {}
        }
    }
}

/// The client's test sees it at once, in its error reply.
fn reason(mismatch: &MismatchError) -> Payload {
    Payload::json(&json!({ "reason": mismatch.to_string() })).unwrap_or_default()
}
