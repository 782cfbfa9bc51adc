//! Bytes that were sent and received, as messages and on the wire.

use phx_tokio::Socket;
use serde::{Deserialize, Serialize};

/// Bytes of a number of sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Traffic {
    pub(super) sent: u64,
    pub(super) received: u64,
    /// The same with the heads of frames, and compressed where messages are.
    pub(super) wire_sent: u64,
    pub(super) wire_received: u64,
}

impl Traffic {
    /// All bytes so far.
    pub(super) fn of(sockets: &[Socket]) -> Self {
        sockets.iter().fold(Traffic::default(), |sum, socket| {
            let (counters, wire) = (socket.counters(), socket.wire_bytes());
            sum.plus(&Traffic {
                sent: counters.bytes_sent,
                received: counters.bytes_received,
                wire_sent: wire.sent,
                wire_received: wire.received,
            })
        })
    }

    pub(super) fn plus(self, more: &Traffic) -> Self {
        Traffic {
            sent: self.sent.saturating_add(more.sent),
            received: self.received.saturating_add(more.received),
            wire_sent: self.wire_sent.saturating_add(more.wire_sent),
            wire_received: self.wire_received.saturating_add(more.wire_received),
        }
    }

    pub(super) fn since(self, before: &Traffic) -> Self {
        Traffic {
            sent: self.sent.saturating_sub(before.sent),
            received: self.received.saturating_sub(before.received),
            wire_sent: self.wire_sent.saturating_sub(before.wire_sent),
            wire_received: self.wire_received.saturating_sub(before.wire_received),
        }
    }
}
