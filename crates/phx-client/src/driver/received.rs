//! What was read from transports and hasn't been handed to the core.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use phx_proto::{CloseCause, Frame, TransportId};

use super::link::Link;

/// Frames read at a time, at the most.
const MAX_FRAMES: usize = 64;

/// No more is read at a time once the frames have this many bytes. Few, so that what is received in one
/// wake stays below what allocators give back to the system and fetch again.
const MAX_BYTES: usize = 16 << 10;

/// Frames of one transport, read some at a time so that the lock is taken once for all of them;
/// perhaps with the transport's end after them.
pub(super) struct ReceivedFrames {
    transport: Option<TransportId>,
    frames: VecDeque<Frame>,
    end: Option<CloseCause>,
}

impl ReceivedFrames {
    pub(super) fn new() -> Self {
        // Most connections are idle most of the time.
        ReceivedFrames { transport: None, frames: VecDeque::with_capacity(1), end: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.end.is_none()
    }

    /// The transport whose frames or end wait to be handed on.
    pub(super) fn waiting(&self) -> Option<TransportId> {
        self.transport.filter(|_| !self.is_empty())
    }

    /// Reads on, all that was read before having been handed on. True if there may be more to read.
    pub(super) fn fill(&mut self, link: &mut Link, cx: &mut Context<'_>) -> bool {
        debug_assert!(self.is_empty(), "frames of two transports");
        self.transport = link.open_id();
        let mut bytes = 0;
        while self.frames.len() < MAX_FRAMES && bytes < MAX_BYTES {
            match link.poll_receive(cx) {
                Poll::Pending => return false,
                Poll::Ready(Ok(frame)) => {
                    bytes += frame.len();
                    self.frames.push_back(frame);
                }
                Poll::Ready(Err(cause)) => {
                    self.end = Some(cause);
                    return false;
                }
            }
        }
        true
    }

    pub(super) fn pop(&mut self) -> Option<(TransportId, Frame)> {
        Some((self.transport?, self.frames.pop_front()?))
    }

    /// The end of the transport, after its frames.
    pub(super) fn pop_end(&mut self) -> Option<(TransportId, CloseCause)> {
        if !self.frames.is_empty() {
            return None;
        }
        Some((self.transport?, self.end.take()?))
    }

    /// The end of this transport, if it is here; what came before it isn't wanted any more.
    pub(super) fn take_end(&mut self, transport: TransportId) -> Option<CloseCause> {
        if self.transport != Some(transport) {
            return None;
        }
        let end = self.end.take()?;
        self.frames.clear();
        Some(end)
    }
}
