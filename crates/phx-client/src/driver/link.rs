//! The current transport, from the attempt to open it to its end.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use phx_proto::{CloseCause, Frame, TransportId};

use super::attempt::Opening;
use crate::connector::{Received, Transport};

/// Frames read at a time, at most.
const MAX_FRAMES: usize = 64;

/// No more is read at a time once the frames have this many bytes. Few, so that what is received in one
/// wake stays below what allocators give back to the system and fetch again.
const MAX_BYTES: usize = 16 << 10;

/// The current transport. Frames are read some at a time, so that the lock is taken once for all of them.
pub(super) enum Link {
    Idle,
    Connecting {
        id: TransportId,
        attempt: Opening,
    },
    Open {
        id: TransportId,
        transport: Pin<Box<dyn Transport>>,
        frames: VecDeque<Received>,
        /// True if the transport can take a frame, as far as the driver knows.
        is_ready: bool,
        is_flushed: bool,
    },
    /// It has ended. The core is given the frames that came before, and then the cause.
    Ended {
        id: TransportId,
        frames: VecDeque<Received>,
        cause: CloseCause,
    },
}

impl Link {
    pub(super) fn open(id: TransportId, transport: Pin<Box<dyn Transport>>) -> Self {
        // Most connections are idle most of the time.
        let frames = VecDeque::with_capacity(1);
        Link::Open { id, transport, frames, is_ready: false, is_flushed: true }
    }

    /// The transport that frames come from.
    pub(super) fn source(&self) -> Option<TransportId> {
        match self {
            Link::Open { id, .. } | Link::Ended { id, .. } => Some(*id),
            Link::Idle | Link::Connecting { .. } => None,
        }
    }

    pub(super) fn has_frames(&self) -> bool {
        match self {
            Link::Open { frames, .. } | Link::Ended { frames, .. } => !frames.is_empty(),
            Link::Idle | Link::Connecting { .. } => false,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self, Link::Idle)
    }

    /// Returns true if frames have come that the core hasn't been given, or the peer's close frame.
    pub(super) fn has_heard(&self) -> bool {
        self.has_frames() || matches!(self, Link::Ended { cause: CloseCause::Frame { .. }, .. })
    }

    /// The next frame or gap that was read.
    #[inline]
    pub(super) fn next_received(&mut self) -> Option<(TransportId, Received)> {
        match self {
            Link::Open { id, frames, .. } | Link::Ended { id, frames, .. } => {
                Some((*id, frames.pop_front()?))
            }
            Link::Idle | Link::Connecting { .. } => None,
        }
    }

    /// Returns true if the transport has ended and the driver has taken all its frames.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Link::Ended { frames, .. } if frames.is_empty())
    }

    /// Takes the end, after all frames.
    pub(super) fn take_end(&mut self) -> Option<(TransportId, CloseCause)> {
        if !self.is_over() {
            return None;
        }
        match std::mem::replace(self, Link::Idle) {
            Link::Ended { id, cause, .. } => Some((id, cause)),
            Link::Idle | Link::Connecting { .. } | Link::Open { .. } => None,
        }
    }

    /// Reads frames, after the transport has woken. True if there may be more to read.
    pub(super) fn read(&mut self, cx: &mut Context<'_>) -> bool {
        let Link::Open { transport, frames, is_ready, .. } = self else {
            return false;
        };
        *is_ready = false;
        let mut bytes = 0;
        while frames.len() < MAX_FRAMES && bytes < MAX_BYTES {
            match transport.as_mut().poll_receive(cx) {
                Poll::Pending => return false,
                Poll::Ready(Ok(received)) => {
                    if let Received::Frame(frame) = &received {
                        bytes += frame.len();
                    }
                    frames.push_back(received);
                }
                Poll::Ready(Err(cause)) => {
                    self.end(cause);
                    return false;
                }
            }
        }
        true
    }

    /// The number of bytes of frames that can be sent now; one frame may be larger. `None`: nothing.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Option<usize> {
        let Link::Open { transport, is_ready, .. } = self else {
            return None;
        };
        if !*is_ready {
            match transport.as_mut().poll_ready(cx) {
                Poll::Pending => return None,
                Poll::Ready(Ok(())) => *is_ready = true,
                Poll::Ready(Err(cause)) => {
                    self.end(cause);
                    return None;
                }
            }
        }
        Some(transport.capacity())
    }

    /// Prepares the transport for a frame that waits, after `poll_room` returned `None`.
    pub(super) fn prepare_send(&mut self, cx: &mut Context<'_>) {
        if let Link::Open { transport, .. } = self {
            transport.as_mut().prepare_send(cx);
        }
    }

    /// Sends a frame, after `poll_room` returned its capacity.
    pub(super) fn send(&mut self, frame: Frame, may_compress: bool) {
        if let Link::Open { transport, is_ready, is_flushed, .. } = self {
            (*is_ready, *is_flushed) = (false, false);
            let transport = transport.as_mut();
            let sent = if may_compress {
                transport.start_send(frame)
            } else {
                transport.start_send_uncompressed(frame)
            };
            if let Err(cause) = sent {
                self.end(cause);
            }
        }
    }

    pub(super) fn flush(&mut self, cx: &mut Context<'_>) {
        if let Link::Open { transport, is_ready, is_flushed, .. } = self
            && !*is_flushed
        {
            // A flush may start a request, and then there is no room until its answer.
            *is_ready = false;
            match transport.as_mut().poll_flush(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => *is_flushed = true,
                Poll::Ready(Err(cause)) => self.end(cause),
            }
        }
    }

    fn end(&mut self, cause: CloseCause) {
        if let Link::Open { id, frames, .. } = std::mem::replace(self, Link::Idle) {
            *self = Link::Ended { id, frames, cause };
        }
    }

    /// Takes the transport with this id, and the frames read from it, out of the link.
    pub(super) fn take(&mut self, wanted: TransportId) -> Link {
        match self {
            Link::Connecting { id, .. } | Link::Open { id, .. } | Link::Ended { id, .. }
                if *id == wanted =>
            {
                std::mem::replace(self, Link::Idle)
            }
            _ => Link::Idle,
        }
    }
}
