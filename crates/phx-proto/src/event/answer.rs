//! The bytes of the server's answers that outcomes and causes hold, and how they are dropped.

use bytestring::ByteString;

use super::{ChannelCloseCause, ChannelErrorCause, Outcome};
use crate::{Payload, PayloadDropped, Rejection, Status};

/// Bytes kept of the status of a reply whose response is dropped: as many as a V2 binary frame has room for.
const MAX_STATUS: usize = 255;

impl Outcome {
    /// The outcome of a call that the server answered.
    pub(crate) fn of_reply(status: Status, response: Result<Payload, PayloadDropped>) -> Self {
        match response {
            Ok(response) => Outcome::Reply { status, response },
            Err(PayloadDropped { len }) => Outcome::ReplyDropped { status, len },
        }
    }

    /// Number of bytes that the outcome holds of what the server sent.
    #[must_use]
    #[inline]
    pub fn answer_len(&self) -> usize {
        match self {
            Outcome::Reply { status, response } => {
                status_len(status).saturating_add(response.len())
            }
            Outcome::ReplyDropped { status, .. } => status_len(status),
            _ => 0,
        }
    }

    /// The same outcome, a reply without its response: for drivers that limit what they keep.
    #[must_use]
    #[cold]
    pub fn without_response(self) -> Self {
        match self {
            Outcome::Reply { status, response } => {
                Outcome::ReplyDropped { status: shortened(status), len: response.len() }
            }
            other => other,
        }
    }
}

impl ChannelCloseCause {
    /// Number of bytes that the cause holds of what the server sent.
    #[must_use]
    pub fn answer_len(&self) -> usize {
        match self {
            ChannelCloseCause::ByServer(payload) => payload_len(payload),
            ChannelCloseCause::Rejected(rejection) => rejection.answer_len(),
            ChannelCloseCause::Left | ChannelCloseCause::Replaced | ChannelCloseCause::Stopped => 0,
        }
    }

    /// The same cause without its payload: for drivers that limit what they keep.
    #[must_use]
    pub fn without_payload(mut self) -> Self {
        match &mut self {
            ChannelCloseCause::ByServer(payload) => drop_payload(payload),
            ChannelCloseCause::Rejected(rejection) => rejection.drop_response(),
            ChannelCloseCause::Left | ChannelCloseCause::Replaced | ChannelCloseCause::Stopped => {}
        }
        self
    }
}

impl ChannelErrorCause {
    /// Number of bytes that the cause holds of what the server sent.
    #[must_use]
    pub fn answer_len(&self) -> usize {
        match self {
            ChannelErrorCause::Rejected(rejection) => rejection.answer_len(),
            ChannelErrorCause::Crashed(payload) | ChannelErrorCause::Closed(payload) => {
                payload_len(payload)
            }
            ChannelErrorCause::Disconnected
            | ChannelErrorCause::Forgotten
            | ChannelErrorCause::TimedOut
            | ChannelErrorCause::NoParams
            | ChannelErrorCause::EncodeFailed(_)
            | ChannelErrorCause::TooLarge { .. } => 0,
        }
    }

    /// The same cause without its payload: for drivers that limit what they keep.
    #[must_use]
    pub fn without_payload(mut self) -> Self {
        match &mut self {
            ChannelErrorCause::Rejected(rejection) => rejection.drop_response(),
            ChannelErrorCause::Crashed(payload) | ChannelErrorCause::Closed(payload) => {
                drop_payload(payload);
            }
            ChannelErrorCause::Disconnected
            | ChannelErrorCause::Forgotten
            | ChannelErrorCause::TimedOut
            | ChannelErrorCause::NoParams
            | ChannelErrorCause::EncodeFailed(_)
            | ChannelErrorCause::TooLarge { .. } => {}
        }
        self
    }
}

impl Rejection {
    pub(crate) fn answer_len(&self) -> usize {
        status_len(&self.status).saturating_add(payload_len(&self.response))
    }

    pub(crate) fn drop_response(&mut self) {
        let status = core::mem::replace(&mut self.status, Status::Error);
        self.status = shortened(status);
        drop_payload(&mut self.response);
    }
}

fn drop_payload(payload: &mut Result<Payload, PayloadDropped>) {
    if let Ok(dropped) = payload {
        *payload = Err(PayloadDropped::new(dropped.len()));
    }
}

fn payload_len(payload: &Result<Payload, PayloadDropped>) -> usize {
    payload.as_ref().map_or(0, Payload::len)
}

#[inline]
fn status_len(status: &Status) -> usize {
    match status {
        // Nothing of the frame is kept for these.
        Status::Ok | Status::Error => 0,
        Status::Other(name) => name.len(),
    }
}

/// A status that may be kept whatever the peer chose, and that doesn't keep its frame.
fn shortened(status: Status) -> Status {
    match status {
        Status::Other(name) => {
            // Never true beyond the end.
            let end = (0..=MAX_STATUS).rev().find(|&end| name.is_char_boundary(end));
            let kept = end.and_then(|end| name.get(..end)).unwrap_or_default();
            Status::Other(ByteString::from(kept))
        }
        named => named,
    }
}
