//! What was read from transports and hasn't been handed to the core.

use std::collections::VecDeque;
use std::task::Context;

use phx_proto::{CloseCause, TransportId};

use super::link::{Link, Received};

/// Frames read at a time, at the most.
const MAX_FRAMES: usize = 64;

/// No more is read at a time once the frames have this many bytes.
const MAX_BYTES: usize = 64 << 10;

/// Frames, read some at a time so that the lock is taken once for all of them; perhaps with the end
/// of their transport after them.
#[derive(Default)]
pub(super) struct ReceivedFrames {
    queue: VecDeque<Received>,
}

impl ReceivedFrames {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Reads on, if all that was read before has been handed on. True if there may be more to read.
    pub(super) fn fill(&mut self, link: &mut Link, cx: &mut Context<'_>) -> bool {
        let mut bytes = 0;
        while self.queue.len() < MAX_FRAMES && bytes < MAX_BYTES {
            match link.poll_receive(cx) {
                None => return false,
                Some(received) => {
                    if let Received::Frame(_, frame) = &received {
                        bytes += frame.len();
                    }
                    self.queue.push_back(received);
                }
            }
        }
        true
    }

    pub(super) fn pop(&mut self) -> Option<Received> {
        self.queue.pop_front()
    }

    /// The end of this transport, if it is here; what came before it isn't wanted any more.
    pub(super) fn take_end(&mut self, transport: TransportId) -> Option<CloseCause> {
        match self.queue.pop_back()? {
            Received::End(id, cause) if id == transport => {
                self.queue.clear();
                Some(cause)
            }
            other => {
                self.queue.push_back(other);
                None
            }
        }
    }
}
