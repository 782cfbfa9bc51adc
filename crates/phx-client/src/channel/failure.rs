//! Why a channel isn't joined, and when it is tried again.

use std::fmt;
use std::time::Duration;

use phx_proto::{ChannelError, JoinFailure};

/// Why a channel isn't joined, and when it is tried again: what
/// [`Channel::on_error`](crate::Channel::on_error), [`Channel::failure`](crate::Channel::failure) and
/// [`ChannelStatus::failure`](crate::ChannelStatus::failure) report.
///
/// `Display` has the cause, the server's reason if it gave one, and the delay.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelFailure {
    /// Why.
    pub cause: ChannelFailureCause,
    /// Time from the failure to the next attempt to join; `None` if it waits for the connection.
    pub retry_in: Option<Duration>,
}

/// Why a channel isn't joined.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelFailureCause {
    /// It was joined, and isn't any more.
    Errored(ChannelError),
    /// An attempt to join failed: rejected, crashed, not answered ...
    JoinFailed(JoinFailure),
}

impl ChannelFailure {
    pub(crate) fn errored(cause: &ChannelError, retry_in: Option<Duration>) -> Self {
        ChannelFailure { cause: ChannelFailureCause::Errored(cause.clone()), retry_in }
    }

    pub(crate) fn join_failed(cause: &JoinFailure, retry_in: Option<Duration>) -> Self {
        ChannelFailure { cause: ChannelFailureCause::JoinFailed(cause.clone()), retry_in }
    }

    /// Bytes of what the server sent with it.
    pub(crate) fn answer_len(&self) -> usize {
        match &self.cause {
            ChannelFailureCause::Errored(cause) => cause.answer_len(),
            ChannelFailureCause::JoinFailed(cause) => cause.answer_len(),
        }
    }

    /// The same without that.
    pub(crate) fn without_payload(self) -> Self {
        let cause = match self.cause {
            ChannelFailureCause::Errored(cause) => {
                ChannelFailureCause::Errored(cause.without_payload())
            }
            ChannelFailureCause::JoinFailed(cause) => {
                ChannelFailureCause::JoinFailed(cause.without_payload())
            }
        };
        ChannelFailure { cause, ..self }
    }

    /// Whether the connection's end is all that happened.
    #[must_use]
    pub fn is_disconnect(&self) -> bool {
        matches!(
            self.cause,
            ChannelFailureCause::Errored(ChannelError::Disconnected)
                | ChannelFailureCause::JoinFailed(JoinFailure::Disconnected)
        )
    }
}

impl fmt::Display for ChannelFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)?;
        match self.retry_in {
            Some(delay) => write!(f, "; next attempt in {delay:.1?}"),
            None => f.write_str("; next attempt when the socket is connected"),
        }
    }
}

impl fmt::Display for ChannelFailureCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChannelFailureCause::Errored(cause) => cause.fmt(f),
            ChannelFailureCause::JoinFailed(cause) => cause.fmt(f),
        }
    }
}
