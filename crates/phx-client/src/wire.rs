//! Counts of bytes on the wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a socket's WebSocket frames on the wire, with their heads and without TLS:
/// [`Socket::wire_bytes`](crate::Socket::wire_bytes). Neither number goes down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WireBytes {
    /// Bytes that were written.
    pub sent: u64,
    /// Bytes that were read.
    pub received: u64,
}

/// The counts of a socket, which its transports add to.
#[derive(Clone, Debug, Default)]
pub(crate) struct WireCounters(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    received: AtomicU64,
}

impl WireCounters {
    pub(crate) fn add_sent(&self, bytes: usize) {
        self.0.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_received(&self, bytes: usize) {
        self.0.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> WireBytes {
        WireBytes {
            sent: self.0.sent.load(Ordering::Relaxed),
            received: self.0.received.load(Ordering::Relaxed),
        }
    }
}
