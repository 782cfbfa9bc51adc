//! Reports of a socket to its user, in a form that can be compared with a recording.

use core::time::Duration;

use phx_proto::{
    ChannelCloseCause, ChannelErrorCause, ChannelId, Event, Outcome, RequestId, Socket,
};

use crate::Check;
use crate::wire::Content;

/// A report of a socket to its user.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reported {
    Opened,
    Closed {
        was_open: bool,
        code: u16,
        retry_in: Option<Duration>,
    },
    Joined {
        topic: String,
        response: Content,
        rejoined: bool,
    },
    Rejected {
        topic: String,
        response: Content,
        retry_in: Option<Duration>,
    },
    /// `crash` is the payload of `phx_error`; `None` if the connection ended.
    Errored {
        topic: String,
        crash: Option<Content>,
        retry_in: Option<Duration>,
    },
    /// An attempt to join ended with the connection.
    JoinCut {
        topic: String,
    },
    /// `by_server` is the payload of `phx_close`; `None` if the user left.
    ChannelClosed {
        topic: String,
        by_server: Option<Content>,
    },
    Message {
        topic: String,
        event: String,
        payload: Content,
    },
    /// Outcome of a call.
    Done {
        call: CallKind,
        outcome: Done,
    },
    /// A heartbeat or ping was answered.
    Alive,
    /// A frame was dropped because it isn't a message.
    Malformed,
}

/// A call of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CallKind {
    Join,
    Push,
    Leave,
}

/// Outcome of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Done {
    Reply { status: String, response: Content },
    Left,
    TimedOut,
    Disconnected,
    ChannelCrashed,
    ChannelClosed,
}

impl Reported {
    pub(crate) fn of(
        event: Event,
        socket: &Socket,
        call: impl FnOnce(RequestId) -> Check<CallKind>,
    ) -> Check<Self> {
        let topic = |id: ChannelId| {
            socket.topic(id).map(ToString::to_string).ok_or(format!("{id:?} has no topic"))
        };
        Ok(match event {
            Event::Opened { .. } => Reported::Opened,
            Event::Closed { was_open, cause, retry_in, .. } => {
                Reported::Closed { was_open, code: cause.code().as_u16(), retry_in }
            }
            Event::Joined { channel, response, rejoined, .. } => {
                let response = Content::of_answer(&response)?;
                Reported::Joined { topic: topic(channel)?, response, rejoined }
            }
            Event::JoinFailed { channel, cause, retry_in, .. } => match cause {
                ChannelErrorCause::Rejected(rejection) => {
                    let response = Content::of_answer(&rejection.response)?;
                    Reported::Rejected { topic: topic(channel)?, response, retry_in }
                }
                ChannelErrorCause::Disconnected => Reported::JoinCut { topic: topic(channel)? },
                cause => return Err(format!("a join failed: {cause:?}")),
            },
            Event::ChannelErrored { channel, cause, retry_in, .. } => {
                let crash = match cause {
                    ChannelErrorCause::Crashed(payload) => Some(Content::of_answer(&payload)?),
                    ChannelErrorCause::Disconnected => None,
                    cause => return Err(format!("a channel errored: {cause:?}")),
                };
                Reported::Errored { topic: topic(channel)?, crash, retry_in }
            }
            Event::ChannelClosed { channel, cause, .. } => {
                let by_server = match cause {
                    ChannelCloseCause::ByServer(payload) => Some(Content::of_answer(&payload)?),
                    ChannelCloseCause::Left | ChannelCloseCause::Replaced => None,
                    cause => return Err(format!("a channel closed: {cause:?}")),
                };
                Reported::ChannelClosed { topic: topic(channel)?, by_server }
            }
            Event::Message { channel, event, payload, .. } => Reported::Message {
                topic: topic(channel)?,
                event: event.to_string(),
                payload: Content::of(&payload)?,
            },
            Event::RequestDone { push, outcome, .. } => {
                Reported::Done { call: call(push)?, outcome: Done::of(outcome)? }
            }
            Event::Pong { round_trip: Some(_), .. } | Event::HeartbeatAnswered { .. } => {
                Reported::Alive
            }
            Event::Malformed { .. } => Reported::Malformed,
            event => return Err(format!("not expected in any recording: {event:?}")),
        })
    }

    /// Returns true if this follows from another compared report: pushes that end with their channel or connection,
    /// and a leave that ends with its channel.
    pub(crate) fn follows(&self) -> bool {
        match self {
            Reported::Done { outcome, .. } => !matches!(outcome, Done::Reply { .. }),
            _ => false,
        }
    }
}

impl Done {
    fn of(outcome: Outcome) -> Check<Self> {
        Ok(match outcome {
            Outcome::Reply { status, response, .. } => {
                Done::Reply { status: status.to_string(), response: Content::of(&response)? }
            }
            Outcome::Left => Done::Left,
            Outcome::TimedOut => Done::TimedOut,
            Outcome::Disconnected => Done::Disconnected,
            Outcome::ChannelCrashed => Done::ChannelCrashed,
            Outcome::ChannelClosed => Done::ChannelClosed,
            outcome => return Err(format!("not expected in any recording: {outcome:?}")),
        })
    }
}
