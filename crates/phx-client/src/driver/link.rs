//! The current transport, from the attempt to open it to its end.

use std::pin::Pin;
use std::task::{Context, Poll};

use phx_proto::{CloseCause, Frame, TransportId};

use crate::connector::Transport;
use crate::runtime::BoxFuture;

/// The current transport.
pub(super) enum Link {
    Idle,
    Connecting { id: TransportId, attempt: BoxFuture<Result<Pin<Box<dyn Transport>>, CloseCause>> },
    Open { id: TransportId, transport: Pin<Box<dyn Transport>>, unflushed: bool },
}

/// The end of the transport with this id.
type End = (TransportId, CloseCause);

impl Link {
    /// Whose the frames are that are received.
    pub(super) fn open_id(&self) -> Option<TransportId> {
        match self {
            Link::Open { id, .. } => Some(*id),
            Link::Idle | Link::Connecting { .. } => None,
        }
    }

    /// The next frame, or the end.
    #[inline]
    pub(super) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, CloseCause>> {
        let Link::Open { transport, .. } = self else {
            return Poll::Pending;
        };
        let received = transport.as_mut().poll_receive(cx);
        if let Poll::Ready(Err(_)) = received {
            *self = Link::Idle;
        }
        received
    }

    /// Whether a frame can be sent now.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        let Link::Open { id, transport, .. } = self else {
            return Ok(false);
        };
        match transport.as_mut().poll_ready(cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(())) => Ok(true),
            Poll::Ready(Err(cause)) => {
                let end = (*id, cause);
                *self = Link::Idle;
                Err(end)
            }
        }
    }

    /// Sends a frame, after `poll_ready` said yes.
    pub(super) fn send(&mut self, frame: Frame) -> Result<(), End> {
        let Link::Open { id, transport, unflushed } = self else {
            return Ok(());
        };
        *unflushed = true;
        let sent = transport.as_mut().start_send(frame).map_err(|cause| (*id, cause));
        if sent.is_err() {
            *self = Link::Idle;
        }
        sent
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        let Link::Open { id, transport, unflushed } = self else {
            return Ok(());
        };
        if !*unflushed {
            return Ok(());
        }
        match transport.as_mut().poll_flush(cx) {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(())) => {
                *unflushed = false;
                Ok(())
            }
            Poll::Ready(Err(cause)) => {
                let end = (*id, cause);
                *self = Link::Idle;
                Err(end)
            }
        }
    }

    /// Gives up the transport, if it is the one with this id.
    pub(super) fn take(&mut self, wanted: TransportId) -> Link {
        match self {
            Link::Connecting { id, .. } | Link::Open { id, .. } if *id == wanted => {
                std::mem::replace(self, Link::Idle)
            }
            _ => Link::Idle,
        }
    }
}
