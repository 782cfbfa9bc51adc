//! Outcomes, causes and payloads in the short words of the scripts.

use std::time::Duration;

use phx_proto::{ChannelErrorCause, Outcome, Payload, PayloadDropped, Rejection};

pub(super) fn describe_outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Reply { status, response, .. } => format!("{status} {}", text(response)),
        Outcome::ReplyDropped { status, len, .. } => format!("{status}, {len} bytes dropped"),
        Outcome::Left => "left".to_owned(),
        Outcome::TimedOut => "timed out".to_owned(),
        Outcome::NotSent => "not sent in time".to_owned(),
        Outcome::JoinCrashed => "crashed".to_owned(),
        Outcome::ChannelCrashed => "channel crashed".to_owned(),
        Outcome::Disconnected => "disconnected".to_owned(),
        Outcome::ChannelClosed => "channel closed".to_owned(),
        Outcome::Cancelled => "cancelled".to_owned(),
        Outcome::Evicted => "evicted".to_owned(),
        Outcome::EncodeFailed(error) => format!("unsendable, {error}"),
        Outcome::TooLarge { len, max, .. } => format!("{len} bytes of {max}"),
        other => panic!("unknown outcome {other:?}"),
    }
}

pub(super) fn join_failure(failure: &ChannelErrorCause) -> String {
    match failure {
        ChannelErrorCause::Rejected(rejection) => rejected(rejection),
        ChannelErrorCause::TimedOut => "timed out".to_owned(),
        ChannelErrorCause::Crashed(payload) => format!("crashed {}", answer(payload)),
        ChannelErrorCause::Closed(payload) => format!("closed {}", answer(payload)),
        ChannelErrorCause::NoParams => "no params".to_owned(),
        ChannelErrorCause::EncodeFailed(error) => format!("unsendable, {error}"),
        ChannelErrorCause::TooLarge { len, max, .. } => format!("{len} bytes of {max}"),
        ChannelErrorCause::Disconnected => "disconnected".to_owned(),
        other => panic!("unknown failure {other:?}"),
    }
}

pub(super) fn rejected(rejection: &Rejection) -> String {
    format!("rejected {} {}", rejection.status, answer(&rejection.response))
}

pub(super) fn answer(payload: &Result<Payload, PayloadDropped>) -> String {
    payload.as_ref().map_or_else(|dropped| format!("{} bytes dropped", dropped.len), text)
}

pub(super) fn text(payload: &Payload) -> String {
    match payload.as_json() {
        Some(text) => text.to_owned(),
        None => format!("{:?}", payload.as_bytes()),
    }
}

pub(super) fn retry(delay: Option<Duration>) -> String {
    delay.map_or_else(String::new, |delay| format!(", retry in {delay:?}"))
}
