//! A transport that is being closed, beside the current one.

use std::pin::Pin;
use std::task::{Context, Poll};

use phx_proto::{CloseCause, CloseCode, Instant, TransportId};

use crate::connector::Transport;

/// Transports that may be closing at the same time. A program that reconnects faster than peers close
/// would pile them up; the oldest is dropped then.
pub(super) const MAX_CLOSING: usize = 8;

/// A transport that is being closed.
pub(super) struct Closing {
    id: TransportId,
    transport: Pin<Box<dyn Transport>>,
    code: CloseCode,
    reason: String,
    deadline: Instant,
}

impl Closing {
    pub(super) fn new(
        id: TransportId,
        transport: Pin<Box<dyn Transport>>,
        code: CloseCode,
        reason: String,
        deadline: Instant,
    ) -> Self {
        Closing { id, transport, code, reason, deadline }
    }

    pub(super) fn id(&self) -> TransportId {
        self.id
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Ready when the transport can be dropped.
    pub(super) fn poll(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<CloseCause> {
        match self.transport.as_mut().poll_close(cx, self.code, &self.reason) {
            Poll::Pending if now >= self.deadline => {
                Poll::Ready(CloseCause::io("the peer didn't close in time"))
            }
            poll => poll,
        }
    }
}
