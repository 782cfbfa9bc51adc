//! Attempts to join: one at a time for a channel, from its params to the server's answer.
//!
//! ```text
//!   begin --> turn --> params --(handle_params)--> transport --(polled)--> reply --> answered
//!              |                                   ^
//!              +------ params are fixed -----------+     each step: failed, timed out, stopped
//! ```
//!
//! Requests and places in line that an attempt holds end with it.

use alloc::boxed::Box;
use core::time::Duration;

use bytestring::ByteString;

use super::TimeoutReason;
use super::context::Context;
use super::requests::{Leave, What};
use super::state::Params;
use crate::{ChannelId, Message, Payload, Ref, events};

/// An attempt to join, by what it waits for.
#[derive(Debug)]
pub(super) enum Attempt {
    Connection,
    /// The number is its place in line.
    Turn(u64),
    /// The number is that of the request.
    Params(u64),
    /// The transport, and then the answer, of the join with this ref.
    Answer(u64),
}

impl Attempt {
    /// Takes a turn, or waits for one.
    pub(super) fn begin(
        cx: &mut Context,
        id: ChannelId,
        params: &Params,
        timeout: Duration,
    ) -> Self {
        let (turns, at) = cx.turns();
        if turns.take(at) {
            return Attempt::start(cx, id, params, timeout);
        }
        // The shared counter only grows, so places in line are in the order of asking.
        let number = cx.next_number();
        let (turns, at) = cx.turns();
        turns.wait(at, number, id);
        Attempt::Turn(number)
    }

    /// Starts the attempt, at its turn.
    pub(super) fn start(
        cx: &mut Context,
        id: ChannelId,
        params: &Params,
        timeout: Duration,
    ) -> Self {
        match params {
            Params::Fixed(_) => Attempt::join(cx, id, None, timeout),
            // Asked for at every attempt: params may hold a token that expires.
            Params::OnRequest => Attempt::Params(ask(cx, id, What::Params, timeout)),
        }
    }

    /// Puts the join in line for the transport, with the params made for it.
    pub(super) fn join(
        cx: &mut Context,
        id: ChannelId,
        params: Option<Box<Payload>>,
        timeout: Duration,
    ) -> Self {
        Attempt::Answer(ask(cx, id, What::Join(params), timeout))
    }

    /// Returns `true` once the transport has taken the join.
    pub(super) fn is_sent(&self, cx: &Context) -> bool {
        matches!(self, Attempt::Answer(join_ref) if cx.requests.is_sent(*join_ref))
    }

    /// Returns `true` if the user has asked for the attempt, or the driver has polled an action of it.
    pub(super) fn is_visible(&self, cx: &Context, params: &Params) -> bool {
        match (self, params) {
            // A place in line is the client's own affair: no action shows it.
            (Attempt::Turn(_), _) => false,
            (Attempt::Answer(_), Params::Fixed(_)) => self.is_sent(cx),
            // Params were asked for first, and that was visible.
            _ => true,
        }
    }

    /// The join, with the channel's params or those made for it.
    pub(super) fn message(
        topic: &ByteString,
        params: &Params,
        join_ref: u64,
        made: Option<Box<Payload>>,
    ) -> Message {
        let params = match (made, params) {
            (Some(params), _) => *params,
            (None, Params::Fixed(params)) => params.clone(),
            // Never so, since a join on request has its params.
            (None, Params::OnRequest) => Payload::empty(),
        };
        Message::new(topic.clone(), events::JOIN, params).with_join_ref(Some(Ref::from(join_ref)))
    }

    /// Sends a leave after a timeout. The server may yet accept a join that was sent, and must not keep a channel
    /// without a user.
    pub(super) fn give_up(&self, cx: &mut Context, id: ChannelId, topic: &ByteString) {
        if let Attempt::Answer(join_ref) = *self
            && self.is_sent(cx)
        {
            let leave = What::Leave(Some(Leave::new(topic.clone(), join_ref, true)));
            let number = cx.next_number();
            // No deadline: no call waits for the answer.
            cx.requests.add(number, Some(id), None, leave, true);
        }
    }

    /// Takes back all that it has asked for or put in line.
    pub(super) fn stop(&self, cx: &mut Context) {
        match self {
            Attempt::Connection => {}
            Attempt::Turn(number) => cx.turns.leave(*number),
            Attempt::Params(number) | Attempt::Answer(number) => {
                // Both have had their turn, which another channel can take now.
                cx.turns.end();
                cx.end(*number);
            }
        }
    }
}

/// Puts a step of the attempt in line, with this timeout.
fn ask(cx: &mut Context, id: ChannelId, what: What, timeout: Duration) -> u64 {
    // Ready at once: attempts begin only while the socket is connected.
    cx.begin(Some(id), timeout, what, true, |_| TimeoutReason::Join(id))
}
