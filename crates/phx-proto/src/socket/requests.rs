//! Everything that is under way, by number: pushes, joins, leaves, heartbeats, pings and requests for params. What a
//! reply answers is found here by its ref, and so is what the transport can take next.
//!
//! Refs on the wire and ids of calls are drawn from one counter, so a number never means two things.

use alloc::boxed::Box;

use bytestring::ByteString;

use super::queue::Queue;
use super::seq_map::SeqMap;
use super::timers::{TimerKey, Timers};
use crate::{ChannelId, Instant, Message, Outcome, Payload, Ref, events};

/// One request that is under way.
#[derive(Debug)]
pub(super) struct Request {
    /// The channel that made it; heartbeats and pings are the connection's.
    channel: Option<ChannelId>,
    deadline: Option<TimerKey>,
    stage: Stage,
    what: What,
}

/// The kind of a request, and what it holds.
#[derive(Debug)]
pub(super) enum What {
    /// A push; the number is its id and its ref. Event and payload, until they go with the frame.
    Push { message: Option<(ByteString, Payload)>, wants_reply: bool },
    /// A call of `join` that waits for its outcome. Its number is never a ref: every attempt has a
    /// separate one. `crashed` is `true` once an attempt has crashed.
    JoinCall { crashed: bool },
    /// A request for a channel's params, which is the driver's to answer.
    Params,
    /// An attempt to join, with the params made for it until they go with the frame; `None` if the channel's are
    /// fixed.
    Join(Option<Box<Payload>>),
    /// The leave to send, until it is sent.
    Leave(Option<Leave>),
    /// A heartbeat or a ping.
    Heartbeat { since: Instant },
}

/// A leave holds all it needs, since its channel may be gone by the time it is sent.
#[derive(Debug)]
pub(super) struct Leave {
    topic: ByteString,
    join_ref: u64,
    /// `true` if no call waits for its answer: it is sent so that the server doesn't keep a channel without a user.
    orphan: bool,
}

impl Leave {
    pub(super) fn new(topic: ByteString, join_ref: u64, orphan: bool) -> Self {
        Leave { topic, join_ref, orphan }
    }

    pub(super) fn into_message(self) -> Message {
        Message::new(self.topic, events::LEAVE, Payload::empty())
            .with_join_ref(Some(Ref::from(self.join_ref)))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Held back, or a call without a frame.
    Waiting,
    /// Sent as soon as the transport can take it.
    Ready,
    /// Taken by the transport. Only this can be answered.
    Sent,
}

/// The order of sending. Behind a long line of pushes a healthy connection would look dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// No frame: it needs no transport.
    Params,
    Heartbeat,
    /// In the order of the calls.
    Call,
}

impl What {
    /// Bytes that count in the limit on buffered bytes, until the request is sent.
    fn size(&self) -> usize {
        match self {
            What::Push { message: Some((event, payload)), .. } => {
                event.len().saturating_add(payload.len())
            }
            _ => 0,
        }
    }

    /// Takes out what goes with the frame.
    fn take(&mut self) -> What {
        // The kind stays until the answer: the outcome of a deadline depends on it.
        match self {
            What::Push { message, wants_reply } => {
                What::Push { message: message.take(), wants_reply: *wants_reply }
            }
            What::Join(params) => What::Join(params.take()),
            What::Leave(leave) => What::Leave(leave.take()),
            What::Heartbeat { since } => What::Heartbeat { since: *since },
            What::Params => What::Params,
            What::JoinCall { crashed } => What::JoinCall { crashed: *crashed },
        }
    }

    /// Returns `true` if no call waits for its answer.
    fn is_orphan(&self) -> bool {
        matches!(self, What::Leave(Some(leave)) if leave.orphan)
    }

    fn rank(&self) -> Rank {
        match self {
            What::Params => Rank::Params,
            What::Heartbeat { .. } => Rank::Heartbeat,
            _ => Rank::Call,
        }
    }
}

impl Request {
    pub(super) fn what(&self) -> &What {
        &self.what
    }

    pub(super) fn channel(&self) -> Option<ChannelId> {
        self.channel
    }

    pub(super) fn is_sent(&self) -> bool {
        self.stage == Stage::Sent
    }

    /// The moment since which a heartbeat waits for its reply.
    pub(super) fn since(&self) -> Option<Instant> {
        match self.what {
            What::Heartbeat { since } => Some(since),
            _ => None,
        }
    }

    /// The outcome of a call whose deadline has passed.
    pub(super) fn outcome_of_deadline(&self) -> Outcome {
        match self.what {
            What::Push { .. } if !self.is_sent() => Outcome::NotSent,
            What::JoinCall { crashed: true } => Outcome::JoinCrashed,
            _ => Outcome::TimedOut,
        }
    }
}

/// The numbers of what is [`Ready`](Stage::Ready), in the order in which the transport takes them. Frames are made when
/// it can, so nothing is ever buffered as bytes.
#[derive(Debug, Default)]
struct Ready {
    /// Calls that became ready in the order of their numbers: nearly all.
    calls: SeqMap<()>,
    /// Calls that waited for a join, and what goes before calls.
    others: Queue<(Rank, u64), ()>,
}

impl Ready {
    fn insert(&mut self, rank: Rank, number: u64) {
        // A call that waited for its join is older than others that are ready: it would break the queue's order.
        let is_last = self.calls.last_number().is_none_or(|last| last < number);
        if rank == Rank::Call && is_last {
            self.calls.push(number, ());
        } else {
            self.others.insert((rank, number), ());
        }
    }

    fn remove(&mut self, rank: Rank, number: u64) {
        if self.calls.remove(number).is_none() {
            self.others.remove((rank, number));
        }
    }

    fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.others.is_empty()
    }

    /// The numbers, in no order, with some that aren't ready any more.
    fn numbers(&self) -> impl Iterator<Item = u64> {
        // Numbers begin with 1.
        let calls = self.calls.iter_after(0).map(|(number, ())| number);
        calls.chain(self.others.keys().map(|(_, number)| *number))
    }

    fn pop(&mut self) -> Option<u64> {
        let call = self.calls.first().map(|(number, ())| (Rank::Call, number));
        // Merged by rank and number, so that calls keep their order across both queues.
        match self.others.first() {
            Some((other, ())) if call.is_none_or(|call| *other < call) => {
                self.others.pop_first().map(|((_, number), ())| number)
            }
            _ => self.calls.pop_first().map(|(number, ())| number),
        }
    }
}

/// All requests that are under way.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// Numbers are drawn in order, and what comes first has nearly always its answer first.
    by_number: SeqMap<Request>,
    ready: Ready,
    /// Bytes of pushes that the transport hasn't taken.
    buffered_bytes: usize,
}

impl Requests {
    /// Adds a request under this number, which is higher than any before; `ready`: it can be sent now.
    #[inline]
    pub(super) fn add(
        &mut self,
        number: u64,
        channel: Option<ChannelId>,
        deadline: Option<TimerKey>,
        what: What,
        ready: bool,
    ) {
        self.buffered_bytes = self.buffered_bytes.saturating_add(what.size());
        let stage = if ready { Stage::Ready } else { Stage::Waiting };
        if ready {
            self.ready.insert(what.rank(), number);
        }
        self.by_number.push(number, Request { channel, deadline, stage, what });
    }

    /// Releases a request to the transport.
    pub(super) fn make_ready(&mut self, number: u64) {
        if let Some(request) = self.by_number.get_mut(number)
            && request.stage == Stage::Waiting
        {
            request.stage = Stage::Ready;
            self.ready.insert(request.what.rank(), number);
        }
    }

    /// Takes a request back from the transport.
    pub(super) fn hold(&mut self, number: u64) {
        if let Some(request) = self.by_number.get_mut(number)
            && request.stage == Stage::Ready
        {
            request.stage = Stage::Waiting;
            self.ready.remove(request.what.rank(), number);
        }
    }

    /// Holds back all unsent requests for the next connection, and drops orphans, which it doesn't need.
    pub(super) fn hold_all(&mut self) {
        while let Some(number) = self.ready.pop() {
            let Some(request) = self.by_number.get_mut(number) else { continue };
            request.stage = Stage::Waiting;
            // The server forgets its channel with the connection.
            if request.what.is_orphan() {
                // Orphans have no deadline that must be disarmed.
                self.by_number.remove(number);
            }
        }
    }

    /// Returns `true` if no request waits for the driver.
    pub(super) fn is_drained(&self) -> bool {
        self.ready.is_empty()
    }

    /// Returns `true` if a request waits for the driver that must be sent before a close: any but an orphan, since the
    /// server forgets its channel with the connection.
    pub(super) fn delays_close(&self) -> bool {
        let delays = |it: &Request| it.stage == Stage::Ready && !it.what.is_orphan();
        self.ready.numbers().any(|number| self.get(number).is_some_and(delays))
    }

    /// Takes the next request for params, for the driver.
    pub(super) fn take_params(&mut self) -> Option<(u64, ChannelId)> {
        // Params rank before all others, so a look at the first is enough.
        let (&(Rank::Params, number), ()) = self.ready.others.first()? else { return None };
        self.ready.remove(Rank::Params, number);
        let request = self.by_number.get_mut(number)?;
        // Not `Sent`: the driver answers it, and no reply of the server may.
        request.stage = Stage::Waiting;
        request.channel.map(|channel| (number, channel))
    }

    /// Takes the next request for the transport, and counts it as sent. Requests for params aren't frames.
    #[inline]
    pub(super) fn take(&mut self) -> Option<(u64, Option<ChannelId>, What)> {
        let number = self.ready.pop()?;
        let request = self.by_number.get_mut(number)?;
        request.stage = Stage::Sent;
        // Before the contents are taken out, since their size counts.
        self.buffered_bytes = self.buffered_bytes.saturating_sub(request.what.size());
        let channel = request.channel;
        let what = request.what.take();
        // No entry: its answer counts as unmatched.
        if let What::Leave(_) = what
            && what.is_orphan()
        {
            self.by_number.remove(number);
        }
        Some((number, channel, what))
    }

    #[inline]
    pub(super) fn get(&self, number: u64) -> Option<&Request> {
        self.by_number.get(number)
    }

    pub(super) fn is_sent(&self, number: u64) -> bool {
        self.get(number).is_some_and(Request::is_sent)
    }

    pub(super) fn is_ready(&self, number: u64) -> bool {
        self.get(number).is_some_and(|request| request.stage == Stage::Ready)
    }

    /// Notes that an attempt of this call of `join` has crashed.
    pub(super) fn note_crash(&mut self, call: Option<u64>) {
        let request = call.and_then(|call| self.by_number.get_mut(call));
        if let Some(Request { what: What::JoinCall { crashed }, .. }) = request {
            *crashed = true;
        }
    }

    /// Replaces the deadline of a request.
    pub(super) fn set_deadline(&mut self, number: u64, deadline: TimerKey) {
        if let Some(request) = self.by_number.get_mut(number) {
            request.deadline = Some(deadline);
        }
    }

    /// Detaches a leave from its call. Returns whether it will still be sent.
    pub(super) fn orphan(&mut self, number: u64) -> bool {
        match self.by_number.get_mut(number) {
            Some(Request {
                stage: Stage::Ready, what: What::Leave(Some(leave)), deadline, ..
            }) => {
                leave.orphan = true;
                // Its timer has fired: a leave is orphaned by its timeout alone.
                *deadline = None;
                true
            }
            // A leave that was sent has done its work: its answer isn't needed.
            _ => false,
        }
    }

    /// Ends a request at any stage, and its deadline; `false` if it isn't under way.
    #[inline]
    pub(super) fn end(&mut self, number: u64, timers: &mut Timers) -> bool {
        let Some(request) = self.by_number.remove(number) else { return false };
        if request.stage == Stage::Ready {
            self.ready.remove(request.what.rank(), number);
        }
        self.buffered_bytes = self.buffered_bytes.saturating_sub(request.what.size());
        if let Some(deadline) = request.deadline {
            timers.disarm(deadline);
        }
        true
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        self.buffered_bytes
    }

    /// Bytes that this push counts for in the limit on buffered bytes.
    pub(super) fn size(&self, number: u64) -> usize {
        self.get(number).map_or(0, |request| request.what.size())
    }
}
