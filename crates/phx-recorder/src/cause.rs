//! Causes and outcomes: what is recorded of them, and the way back.

use std::time::Duration;

use phx_proto::{
    ChannelCloseCause, ChannelErrorCause, CloseCause, CloseCode, Outcome, Payload, PayloadDropped,
    Status, TlsCauseKind, UpgradeRejection,
};
use serde::{Deserialize, Serialize};

use crate::filler::filler;
use crate::time::Time;

/// Longest text of a cause or a status that is recorded, in bytes.
const MAX_TEXT: usize = 300;

/// The beginning of a text.
pub(crate) fn short(text: &str) -> Box<str> {
    let end = (0..=text.len().min(MAX_TEXT)).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default().into()
}

/// The cause that a driver gives for the end of a transport: as much of it as the socket acts on, and words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GivenCause {
    Frame(u16, Box<str>),
    Io(Box<str>),
    ConnectFailed(Box<str>),
    InvalidRequest(Box<str>),
    /// The kind, by its name, and words.
    Tls(Box<str>, Box<str>),
    /// The HTTP status, `Retry-After`, and the bytes of headers and body.
    Refused(u16, Option<Time>, u64),
    Stopped,
    /// Another cause, in words.
    Other(Box<str>),
}

const TLS_KINDS: [(TlsCauseKind, &str); 12] = [
    (TlsCauseKind::UnknownIssuer, "unknown_issuer"),
    (TlsCauseKind::WrongName, "wrong_name"),
    (TlsCauseKind::Expired, "expired"),
    (TlsCauseKind::NotYetValid, "not_yet_valid"),
    (TlsCauseKind::Revoked, "revoked"),
    (TlsCauseKind::BadCertificate, "bad_certificate"),
    (TlsCauseKind::ClientCertificateRequired, "client_certificate_required"),
    (TlsCauseKind::ClientCertificateRefused, "client_certificate_refused"),
    (TlsCauseKind::Refused, "refused"),
    (TlsCauseKind::Protocol, "protocol"),
    (TlsCauseKind::Ended, "ended"),
    (TlsCauseKind::Other, "other"),
];

impl GivenCause {
    pub(crate) fn of(cause: &CloseCause) -> Self {
        match cause {
            CloseCause::Frame { code, reason, .. } => {
                GivenCause::Frame(code.as_u16(), short(reason))
            }
            CloseCause::Io { error, .. } => GivenCause::Io(short(error)),
            CloseCause::ConnectFailed { error, .. } => GivenCause::ConnectFailed(short(error)),
            CloseCause::InvalidRequest { error, .. } => GivenCause::InvalidRequest(short(error)),
            CloseCause::Tls(tls) => {
                let kind = TLS_KINDS.iter().find(|(kind, _)| *kind == tls.kind);
                GivenCause::Tls(kind.map_or("other", |(_, name)| name).into(), short(&tls.error))
            }
            CloseCause::UpgradeRejected(answer) => {
                let len = answer.headers.len().saturating_add(answer.body.len());
                let retry_after = answer.retry_after.map(Time);
                GivenCause::Refused(answer.status, retry_after, len as u64)
            }
            CloseCause::Stopped => GivenCause::Stopped,
            other => GivenCause::Other(short(&other.to_string())),
        }
    }

    /// A cause that the socket takes as it took the recorded one; `None` if a kind or a length isn't known.
    pub(crate) fn cause(&self) -> Option<CloseCause> {
        Some(match self {
            GivenCause::Frame(code, reason) => {
                CloseCause::frame(CloseCode::from_u16(*code), &**reason)
            }
            GivenCause::Io(error) => CloseCause::io(&**error),
            GivenCause::ConnectFailed(error) => CloseCause::connect_failed(&**error),
            GivenCause::InvalidRequest(error) => CloseCause::invalid_request(&**error),
            GivenCause::Tls(kind, error) => {
                let kind = TLS_KINDS.iter().find(|(_, name)| **name == **kind)?;
                CloseCause::tls(kind.0, &**error)
            }
            GivenCause::Refused(status, retry_after, len) => {
                let answer = UpgradeRejection::new(*status)
                    .with_retry_after(retry_after.map(|Time(after)| after))
                    .with_body(filler(*len)?);
                CloseCause::UpgradeRejected(answer)
            }
            GivenCause::Stopped => CloseCause::Stopped,
            // The socket reacts to these as to a connection that is lost.
            GivenCause::Other(words) => CloseCause::io(&**words),
        })
    }
}

/// A cause that the socket itself has.
#[derive(Clone, Copy, Debug, PartialEq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OwnCause {
    Disconnected,
    Replaced,
    ConnectTimedOut,
    HeartbeatTimedOut,
    Suspended,
}

impl OwnCause {
    /// `None` for a cause that a driver gave.
    pub(crate) fn of(cause: &CloseCause) -> Option<Self> {
        Some(match cause {
            CloseCause::Disconnected => OwnCause::Disconnected,
            CloseCause::Replaced => OwnCause::Replaced,
            CloseCause::ConnectTimedOut => OwnCause::ConnectTimedOut,
            CloseCause::HeartbeatTimedOut => OwnCause::HeartbeatTimedOut,
            CloseCause::Suspended => OwnCause::Suspended,
            _ => return None,
        })
    }
}

/// The cause of a channel's trouble or end, with the length of what the server said.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErrorCause {
    Disconnected,
    Crashed(u64),
    ClosedByServer(u64),
    Forgotten,
    Rejected(StatusIs, u64),
    TimedOut,
    NoParams,
    EncodeFailed,
    TooLarge,
    Left,
    Replaced,
    Stopped,
    Other,
}

pub(crate) fn len_of(payload: &Result<Payload, PayloadDropped>) -> u64 {
    payload.as_ref().map_or_else(|dropped| dropped.len, Payload::len) as u64
}

impl ErrorCause {
    pub(crate) fn of_error(cause: &ChannelErrorCause) -> Self {
        match cause {
            ChannelErrorCause::Disconnected => ErrorCause::Disconnected,
            ChannelErrorCause::Crashed(payload) => ErrorCause::Crashed(len_of(payload)),
            ChannelErrorCause::Closed(payload) => ErrorCause::ClosedByServer(len_of(payload)),
            ChannelErrorCause::Forgotten => ErrorCause::Forgotten,
            ChannelErrorCause::Rejected(rejection) => {
                ErrorCause::Rejected(StatusIs::of(&rejection.status), len_of(&rejection.response))
            }
            ChannelErrorCause::TimedOut => ErrorCause::TimedOut,
            ChannelErrorCause::NoParams => ErrorCause::NoParams,
            ChannelErrorCause::EncodeFailed(_) => ErrorCause::EncodeFailed,
            ChannelErrorCause::TooLarge { .. } => ErrorCause::TooLarge,
            _ => ErrorCause::Other,
        }
    }

    pub(crate) fn of_close(cause: &ChannelCloseCause) -> Self {
        match cause {
            ChannelCloseCause::Left => ErrorCause::Left,
            ChannelCloseCause::Replaced => ErrorCause::Replaced,
            ChannelCloseCause::ByServer(payload) => ErrorCause::ClosedByServer(len_of(payload)),
            ChannelCloseCause::Rejected(rejection) => {
                ErrorCause::Rejected(StatusIs::of(&rejection.status), len_of(&rejection.response))
            }
            ChannelCloseCause::Stopped => ErrorCause::Stopped,
            _ => ErrorCause::Other,
        }
    }
}

/// The status of a reply.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StatusIs {
    Ok,
    Error,
    Other(Box<str>),
}

impl StatusIs {
    pub(crate) fn of(status: &Status) -> Self {
        match status {
            Status::Ok => StatusIs::Ok,
            Status::Error => StatusIs::Error,
            Status::Other(name) => StatusIs::Other(short(name)),
        }
    }

    pub(crate) fn status(&self) -> Status {
        match self {
            StatusIs::Ok => Status::Ok,
            StatusIs::Error => Status::Error,
            StatusIs::Other(name) => Status::from(&**name),
        }
    }
}

/// The outcome of a push, a join or a leave.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OutcomeIs {
    Reply(StatusIs, u64),
    Sent,
    Left,
    TimedOut,
    NotSent,
    JoinCrashed,
    Disconnected,
    ChannelCrashed,
    ChannelClosed,
    Cancelled,
    Evicted,
    EncodeFailed,
    TooLarge,
    Other,
}

impl OutcomeIs {
    pub(crate) fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Reply { status, response, .. } => {
                OutcomeIs::Reply(StatusIs::of(status), response.len() as u64)
            }
            Outcome::ReplyDropped { status, len, .. } => {
                OutcomeIs::Reply(StatusIs::of(status), *len as u64)
            }
            Outcome::Sent => OutcomeIs::Sent,
            Outcome::Left => OutcomeIs::Left,
            Outcome::TimedOut => OutcomeIs::TimedOut,
            Outcome::NotSent => OutcomeIs::NotSent,
            Outcome::JoinCrashed => OutcomeIs::JoinCrashed,
            Outcome::Disconnected => OutcomeIs::Disconnected,
            Outcome::ChannelCrashed => OutcomeIs::ChannelCrashed,
            Outcome::ChannelClosed => OutcomeIs::ChannelClosed,
            Outcome::Cancelled => OutcomeIs::Cancelled,
            Outcome::Evicted => OutcomeIs::Evicted,
            Outcome::EncodeFailed(_) => OutcomeIs::EncodeFailed,
            Outcome::TooLarge { .. } => OutcomeIs::TooLarge,
            _ => OutcomeIs::Other,
        }
    }
}

/// A delay in an event.
pub(crate) fn delay(delay: Option<Duration>) -> Option<Time> {
    delay.map(Time)
}
