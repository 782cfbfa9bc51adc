//! Messages between the server's processes, and the queue that delivers it in time order.

use std::any::Any;
use std::collections::BTreeMap;

use phx_proto::{ByteString, CloseCode, Frame, Instant, Message, Ref};

use super::action::SocketId;
use super::http::ExchangeId;

/// A channel's process: one life of a channel, from its join to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ProcessId(pub(super) u64);

/// Message from [`Context::send`](crate::Context::send) to [`Channel::handle_info`](crate::Channel::handle_info).
pub(crate) type Info = Box<dyn Any + Send>;

/// Envelope of one moment is delivered in this order: what a process does by itself, then its mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// A session's process confirms a frame before it sends what it says to it.
    Taken,
    /// A socket's process replies to a join as the last thing it does for it.
    JoinReply,
    /// Frames that a socket's process finds in its buffer, and the work of channels.
    Work,
    /// Frames and messages to a socket's process: it reads its buffer first.
    Mailbox,
    /// A frame of a body: its request passes it on once it has heard of the frame before it, and by then the channel
    /// has answered that one.
    Dispatch,
}

pub(crate) enum Envelope {
    Socket(SocketId, SocketMessage),
    Channel(ProcessId, ChannelMessage),
    /// To every socket with this id: close with 1001.
    Disconnect(String),
    /// To every socket that has a channel: close with 1012.
    Drain,
}

pub(crate) enum SocketMessage {
    /// A frame came from the client.
    Received(Frame),
    /// The client sent a close frame.
    Closing,
    /// The reply to a join, which the socket's process sends itself.
    JoinReply(Frame),
    /// A channel's process sends a frame to the client.
    Send(Frame),
    /// A channel's process ended.
    Ended {
        process: ProcessId,
        topic: ByteString,
        join_ref: Option<Ref>,
        crashed: bool,
    },
    /// Close the connection, for this reason.
    Close(CloseCode, ByteString),
    /// The socket's process is killed: the connection ends without a close frame.
    Kill,
    Session(SessionMessage),
}

/// Message of a long-poll request to its session.
pub(crate) enum SessionMessage {
    /// The request asks if the session is there.
    Subscribe(ExchangeId),
    /// The request asks for messages.
    Flush(ExchangeId),
    /// The request has a frame.
    Dispatch(ExchangeId, Frame),
    /// The session itself is through with the request's frame.
    Taken(ExchangeId),
    /// The session itself looks if it was polled.
    Look,
}

pub(crate) enum ChannelMessage {
    Push(Message),
    Leave {
        reference: Option<Ref>,
    },
    Info(Info),
    /// An event came that no channel can handle.
    Crash,
    /// A join that slept is over: from now on the channel gets broadcasts.
    Subscribe,
}

impl Envelope {
    fn turn(&self) -> Turn {
        match self {
            Envelope::Socket(_, SocketMessage::Session(SessionMessage::Taken(_))) => Turn::Taken,
            Envelope::Socket(_, SocketMessage::Session(SessionMessage::Dispatch(..))) => {
                Turn::Dispatch
            }
            Envelope::Socket(_, SocketMessage::JoinReply(_)) => Turn::JoinReply,
            Envelope::Socket(_, SocketMessage::Received(_) | SocketMessage::Closing)
            | Envelope::Channel(..) => Turn::Work,
            Envelope::Socket(..) | Envelope::Disconnect(_) | Envelope::Drain => Turn::Mailbox,
        }
    }
}

/// Envelope in the order of its time, of its turn where times are equal, and then of its number.
#[derive(Default)]
pub(crate) struct Mailroom {
    queue: BTreeMap<(Instant, Turn, u64), Waiting>,
    /// The last number.
    posted: u64,
    /// Number of the envelope that was taken last, if it came to a busy process before.
    deferred: Option<u64>,
}

struct Waiting {
    mail: Envelope,
    /// True if it lies in the mailbox of a busy process.
    is_deferred: bool,
}

impl Mailroom {
    pub(super) fn post(&mut self, at: Instant, mail: Envelope) {
        self.posted += 1;
        self.queue.insert((at, mail.turn(), self.posted), Waiting { mail, is_deferred: false });
    }

    /// Keeps the envelope that was taken last until its process is no longer busy. It gets a number now, when it
    /// arrives, and keeps that however long the process stays busy: a mailbox has the order of arrival.
    pub(super) fn defer(&mut self, until: Instant, mail: Envelope) {
        let number = self.deferred.take().unwrap_or_else(|| {
            self.posted += 1;
            self.posted
        });
        self.queue.insert((until, mail.turn(), number), Waiting { mail, is_deferred: true });
    }

    /// Returns the next envelope that is due by `now`, and its time.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<(Instant, Envelope)> {
        let entry = self.queue.first_entry()?;
        let (at, _, number) = *entry.key();
        if at > now {
            return None;
        }
        let Waiting { mail, is_deferred } = entry.remove();
        self.deferred = is_deferred.then_some(number);
        Some((at, mail))
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|((at, ..), _)| *at)
    }
}
