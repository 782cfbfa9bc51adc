//! Actions that a socket asks its driver to take.

use alloc::string::String;

use crate::{ChannelId, CloseCode, Frame, ParamsRequestId, RequestId, TransportId};

/// An action that a socket asks its driver to take; see [`Socket::poll_action`](crate::Socket::poll_action).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Open a transport. This is the moment to ask for credentials and to build the request.
    ///
    /// Answer with [`handle_opened`](crate::Socket::handle_opened) or
    /// [`handle_closed`](crate::Socket::handle_closed); give up when a [`Close`](Action::Close) of
    /// this transport comes.
    #[non_exhaustive]
    Connect {
        /// The id that everything about this transport carries.
        transport: TransportId,
        /// Attempts since the last connection that proved stable, or since the user connected, from
        /// 1. More than 1 is a reconnect.
        attempt: u32,
    },
    /// Send a frame. Once polled it counts as sent.
    #[non_exhaustive]
    Send {
        /// The transport that takes the frame.
        transport: TransportId,
        /// The encoded message.
        frame: Frame,
        /// The call or machine on whose behalf it is sent.
        why: SendReason,
        /// `false` if a transport that compresses must send the frame uncompressed: a join, whose params hold tokens, or a
        /// payload that is [marked](crate::Payload::uncompressed).
        may_compress: bool,
    },
    /// Close a transport: send a close frame, wait for the peer's a little, and end it. Whether it
    /// is open yet doesn't matter. Report when that is done, with
    /// [`handle_closed`](crate::Socket::handle_closed): a disconnect waits for it. Reports about a
    /// replaced transport are ignored.
    #[non_exhaustive]
    Close {
        /// The transport to close.
        transport: TransportId,
        /// The code to send.
        code: CloseCode,
        /// The reason to send, at most [`CloseCode::MAX_REASON`] bytes.
        reason: String,
    },
    /// Make the params of a channel that is about to join, and hand them to
    /// [`handle_params`](crate::Socket::handle_params).
    #[non_exhaustive]
    RequestParams {
        /// The channel that needs params.
        channel: ChannelId,
        /// The id to answer with. A later request for the same channel makes an earlier one void.
        request: ParamsRequestId,
    },
}

/// On whose behalf a frame is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendReason {
    /// A channel joins or rejoins.
    Join(ChannelId),
    /// A channel leaves, on its user's wish or because its join timed out.
    Leave(ChannelId),
    /// The user pushed.
    Push(RequestId),
    /// A heartbeat or ping.
    Heartbeat,
}
