//! Kinds of ends, as short words for spans and metrics.

use phx_proto::{ChannelCloseCause, CloseCause, Outcome, Status};

/// The word for a request's outcome.
pub(super) fn outcome_of(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Reply { status, .. } | Outcome::ReplyDropped { status, .. } => match status {
            Status::Ok => "ok",
            Status::Error => "error",
            Status::Other(_) => "other_status",
        },
        Outcome::Sent => "sent",
        Outcome::Left => "left",
        Outcome::TimedOut => "timed_out",
        Outcome::NotSent => "not_sent",
        Outcome::Disconnected => "disconnected",
        Outcome::JoinCrashed | Outcome::ChannelCrashed => "crashed",
        Outcome::ChannelClosed => "channel_closed",
        Outcome::Cancelled => "cancelled",
        Outcome::Evicted => "evicted",
        Outcome::EncodeFailed(_) | Outcome::TooLarge { .. } => "unsendable",
        _ => "other",
    }
}

/// The word for the end of a connection, or of an attempt.
pub(super) fn cause_of(cause: &CloseCause) -> &'static str {
    match cause {
        CloseCause::Frame { .. } => "server",
        CloseCause::Io { .. } => "io",
        CloseCause::ConnectFailed { .. } | CloseCause::Proxy(_) => "connect_failed",
        CloseCause::Tls(_) => "tls",
        CloseCause::UpgradeRejected(_) => "rejected",
        CloseCause::ConnectTimedOut => "connect_timeout",
        CloseCause::HeartbeatTimedOut => "heartbeat_timeout",
        CloseCause::Suspended => "suspended",
        CloseCause::Disconnected => "disconnected",
        CloseCause::Replaced => "replaced",
        CloseCause::Stopped => "stopped",
        _ => "other",
    }
}

/// The word for an outcome that is a failure.
pub(super) fn failed_request(outcome: &Outcome) -> Option<&'static str> {
    let is_well = matches!(
        outcome,
        Outcome::Reply { status: Status::Ok, .. }
            | Outcome::ReplyDropped { status: Status::Ok, .. }
            | Outcome::Sent
            | Outcome::Left
            | Outcome::Cancelled
    );
    (!is_well).then(|| outcome_of(outcome))
}

/// The word for the end of a connection that wasn't asked for.
pub(super) fn failed_connection(cause: &CloseCause) -> Option<&'static str> {
    let is_wanted =
        matches!(cause, CloseCause::Disconnected | CloseCause::Replaced | CloseCause::Stopped);
    (!is_wanted).then(|| cause_of(cause))
}

/// The word for the end of a channel that wasn't asked for.
pub(super) fn failed_channel(cause: &ChannelCloseCause) -> Option<&'static str> {
    match cause {
        ChannelCloseCause::Rejected(_) => Some("rejected"),
        ChannelCloseCause::ByServer(_) => Some("closed_by_server"),
        _ => None,
    }
}
