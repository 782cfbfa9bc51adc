//! The channels of a socket: each is looked up once, and handed what it needs.

use alloc::vec::Vec;
use core::time::Duration;

use bytestring::ByteString;
use slotmap::SlotMap;

use super::channel::Channel;
use super::context::Context;
use super::leaving::LeaveReason;
use super::requests::What;
use super::state::Params;
use crate::id::ChannelKey;
use crate::{
    CallError, ChannelErrorCause, ChannelId, CloseCause, EncodeError, Frame, Message, Outcome,
    PHOENIX, Payload, PushError, Ref, Rejoin, RequestId, SendReason, TransportProperties, events,
};

/// The reason why the transport can't take a message.
#[derive(Debug)]
enum Unsent {
    /// `check` of a custom serializer passed but `encode` failed.
    NotEncoded(EncodeError),
    /// The frame of `len` bytes is over the transport's limit.
    TooLarge { len: usize, max: usize },
}

/// All channels that a user has, and those removed that are still being left.
#[derive(Debug)]
pub(super) struct Channels(SlotMap<ChannelKey, Channel>);

impl Channels {
    pub(super) fn new() -> Self {
        // Most sockets have few.
        Channels(SlotMap::with_capacity_and_key(1))
    }

    /// Makes a channel for a topic.
    pub(super) fn add(
        &mut self,
        cx: &mut Context,
        topic: ByteString,
        params: Params,
        replace: bool,
    ) -> Result<ChannelId, CallError> {
        if topic.is_empty() {
            return Err(CallError::EmptyTopic);
        }
        // The topic of heartbeats, which belongs to the connection.
        if topic == PHOENIX {
            return Err(CallError::ReservedTopic);
        }
        // Closed channels count until they are removed, since they hold memory.
        if self.0.len() >= cx.config.max_channels {
            return Err(CallError::TooManyChannels { max: cx.config.max_channels });
        }
        if let Params::Fixed(payload) = &params {
            // Checked here: params that can't be encoded are this call's error, not an attempt that fails for ever.
            let join = Message::new(topic.clone(), events::JOIN, payload.clone());
            cx.config.serializer.check(&join).map_err(CallError::Encode)?;
        }
        // Last: if the new channel is refused, the topic's channel stays as it is.
        match cx.topics.owner(&topic) {
            Some(owner) if replace => {
                let timeout = cx.config.leave_timeout;
                self.with(cx, owner, |owner, cx| {
                    owner.start_leaving(cx, timeout, LeaveReason::Replaced)
                });
            }
            Some(owner) => return Err(CallError::TopicTaken { owner }),
            None => {}
        }
        let make = |key| {
            cx.topics.own(&topic, ChannelId(key));
            Channel::new(ChannelId(key), topic, params)
        };
        Ok(ChannelId(self.0.insert_with_key(make)))
    }

    /// A channel that the user has. One that was removed stays until it is left, unseen.
    pub(super) fn known(&self, id: ChannelId) -> Option<&Channel> {
        self.0.get(id.0).filter(|channel| !channel.is_forgotten())
    }

    fn known_mut(&mut self, id: ChannelId) -> Option<&mut Channel> {
        self.0.get_mut(id.0).filter(|channel| !channel.is_forgotten())
    }

    /// Calls `hand` with a channel, and drops the channel if that ended it; `None` if the id is unknown.
    #[inline]
    pub(super) fn with<R>(
        &mut self,
        cx: &mut Context,
        id: ChannelId,
        hand: impl FnOnce(&mut Channel, &mut Context) -> R,
    ) -> Option<R> {
        let channel = self.0.get_mut(id.0)?;
        let result = hand(channel, cx);
        // Here alone, since every change that can end a channel comes through here.
        if channel.is_gone() {
            self.0.remove(id.0);
        }
        Some(result)
    }

    /// The same for a channel that the user has.
    #[inline]
    pub(super) fn with_known<R>(
        &mut self,
        cx: &mut Context,
        id: ChannelId,
        hand: impl FnOnce(&mut Channel, &mut Context) -> R,
    ) -> Option<R> {
        self.known(id)?;
        self.with(cx, id, hand)
    }

    /// The same for the channel of the request of this number.
    #[inline]
    pub(super) fn with_request<R>(
        &mut self,
        cx: &mut Context,
        number: u64,
        hand: impl FnOnce(&mut Channel, &mut Context) -> R,
    ) -> Option<R> {
        let channel = cx.requests.get(number)?.channel()?;
        self.with(cx, channel, hand)
    }

    fn with_all(&mut self, cx: &mut Context, hand: impl Fn(&mut Channel, &mut Context)) {
        // Keys first, since a channel may be removed while it reacts.
        let all: Vec<ChannelKey> = self.0.keys().collect();
        for key in all {
            self.with(cx, ChannelId(key), &hand);
        }
    }

    /// Hands a push to its channel, which nothing removes because of it.
    pub(super) fn push(
        &mut self,
        cx: &mut Context,
        id: ChannelId,
        (event, payload): (ByteString, Payload),
        wants_reply: bool,
        timeout: Option<Duration>,
    ) -> Result<RequestId, PushError> {
        let timeout = timeout.unwrap_or(cx.config.push_timeout);
        match self.known_mut(id) {
            Some(channel) => channel.push(cx, event, payload, wants_reply, timeout),
            None => Err(PushError { reason: CallError::UnknownChannel, event, payload }),
        }
    }

    /// Lets the channels join, since the connection opened.
    pub(super) fn got_connection(&mut self, cx: &mut Context) {
        let (turns, at) = cx.turns();
        // First: the channels ask for turns as they react.
        turns.connection_opened(at);
        self.with_all(cx, Channel::got_connection);
    }

    /// Informs turns and channels that the connection ended, or is being ended.
    pub(super) fn lost_connection(&mut self, cx: &mut Context, cause: &CloseCause, draining: bool) {
        let (turns, at) = cx.turns();
        // First: it counts the joins under way, which the channels then stop.
        turns.connection_lost(at, cause);
        self.with_all(cx, |channel, cx| channel.lost_connection(cx, draining));
    }

    /// Gives turns to the channels that wait, in order, as far as turns are free.
    pub(super) fn give_turns(&mut self, cx: &mut Context) {
        loop {
            let (turns, at) = cx.turns();
            let Some(channel) = turns.give(at) else { return };
            self.with(cx, channel, Channel::start_attempt);
        }
    }

    /// Makes the next frame, and counts it as sent; the last part is whether it may be compressed. `connected` is whether the
    /// transport will bring a reply; the error is that a message ended here, which `takes` or the serializer doesn't allow to be sent.
    #[inline]
    pub(super) fn next_frame(
        &mut self,
        cx: &mut Context,
        takes: &TransportProperties,
        connected: bool,
    ) -> Option<Result<(Frame, SendReason, bool), ()>> {
        let (message, why) = self.next_message(cx)?;
        let unsent = match cx.config.serializer.encode(&message) {
            Ok(frame) => match takes.exceeded_by(&frame) {
                None => {
                    let wants_reply = message.reference.is_some();
                    self.frame_taken(cx, frame.len(), why, wants_reply, connected);
                    let is_join = matches!(why, SendReason::Join(_));
                    let may_compress = !is_join && !message.payload.is_uncompressed();
                    return Some(Ok((frame, why, may_compress)));
                }
                Some(max) => Unsent::TooLarge { len: frame.len(), max },
            },
            Err(error) => Unsent::NotEncoded(error),
        };
        self.frame_impossible(cx, why, unsent);
        Some(Err(()))
    }

    /// Takes the next message for the transport.
    #[inline]
    fn next_message(&mut self, cx: &mut Context) -> Option<(Message, SendReason)> {
        loop {
            let (number, channel, what) = cx.requests.take()?;
            let (mut message, why) = match (what, channel) {
                (What::Push { message: Some((event, payload)), wants_reply }, Some(id)) => {
                    // A channel that is gone has ended its requests.
                    let Some(channel) = self.0.get_mut(id.0) else { continue };
                    let push = channel.take_push(number, event, payload);
                    let why = SendReason::Push(RequestId(number));
                    if !wants_reply {
                        // Without a ref the server has nothing to reply to.
                        return Some((push, why));
                    }
                    (push, why)
                }
                (What::Join(params), Some(id)) => {
                    let Some(channel) = self.0.get_mut(id.0) else { continue };
                    (channel.take_join(number, params), SendReason::Join(id))
                }
                (What::Leave(Some(leave)), Some(id)) => {
                    (leave.into_message(), SendReason::Leave(id))
                }
                (What::Heartbeat { .. }, _) => {
                    let heartbeat = Message::new(PHOENIX, events::HEARTBEAT, Payload::empty());
                    (heartbeat, SendReason::Heartbeat)
                }
                _ => continue,
            };
            message.reference = Some(Ref::from(number));
            return Some((message, why));
        }
    }

    /// The transport has taken a frame. `wants_reply` is whether it names a ref, `connected` whether the transport
    /// will bring a reply.
    fn frame_taken(
        &mut self,
        cx: &mut Context,
        len: usize,
        why: SendReason,
        wants_reply: bool,
        connected: bool,
    ) {
        let counters = &mut cx.counters;
        counters.frames_sent = counters.frames_sent.saturating_add(1);
        counters.bytes_sent = counters.bytes_sent.saturating_add(len as u64);
        match why {
            SendReason::Join(_) => counters.joins_sent = counters.joins_sent.saturating_add(1),
            // Before the next arm: such a push is done once it is sent, connected or not.
            SendReason::Push(push) if !wants_reply => self.finish(cx, push, Outcome::Sent),
            // A transport that is closing brings no reply any more.
            SendReason::Push(push) if !connected => self.finish(cx, push, Outcome::Disconnected),
            SendReason::Push(_) | SendReason::Leave(_) | SendReason::Heartbeat => {}
        }
    }

    /// Handles a message that the transport can't take.
    fn frame_impossible(&mut self, cx: &mut Context, why: SendReason, unsent: Unsent) {
        match why {
            SendReason::Push(push) => {
                let outcome = match unsent {
                    Unsent::NotEncoded(error) => Outcome::EncodeFailed(error),
                    Unsent::TooLarge { len, max } => Outcome::TooLarge { len, max },
                };
                self.finish(cx, push, outcome);
            }
            SendReason::Join(id) => {
                let (cause, outcome) = match unsent {
                    Unsent::NotEncoded(error) => (ChannelErrorCause::EncodeFailed(error), None),
                    Unsent::TooLarge { len, max } => {
                        let outcome = Outcome::TooLarge { len, max };
                        (ChannelErrorCause::TooLarge { len, max }, Some(outcome))
                    }
                };
                self.with(cx, id, |channel, cx| {
                    // Tried again: another call of the serializer, other params or another transport may do.
                    channel.fail_attempt(cx, cause, Rejoin::Backoff);
                    // Its size is an answer to the call; a serializer's failure may pass before its deadline.
                    if let Some(outcome) = outcome {
                        channel.finish_join_call(cx, outcome);
                    }
                });
            }
            // Their timeouts report it.
            SendReason::Leave(_) | SendReason::Heartbeat => {}
        }
    }

    pub(super) fn finish(&mut self, cx: &mut Context, call: RequestId, outcome: Outcome) {
        self.with_request(cx, call.0, |channel, cx| channel.finish(cx, call.0, outcome));
    }
}
