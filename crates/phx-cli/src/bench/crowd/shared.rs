//! What all users of a load share.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use phx_tokio::Socket;

use crate::bench::options::Options;
use crate::bench::recorder::Recorder;
use crate::bench::traffic::Traffic;
use crate::malformed::Watch;
use crate::scenario::Program;

/// What all users share.
pub(super) struct Shared {
    pub(super) options: Arc<Options>,
    pub(super) program: Program,
    pub(super) recorder: Recorder,
    pub(super) seed: u64,
    pub(super) malformed: Watch,
    /// True if the program has a `wait`.
    pub(super) has_waits: bool,
    pub(super) has_presence: bool,
    /// Connections that were opened, and users that connected.
    pub(super) opened: Arc<AtomicU64>,
    pub(super) connected: AtomicU64,
    /// Users that have made all their passes.
    pub(super) finished: AtomicU64,
    pub(super) traffic: Mutex<Traffic>,
}

impl Shared {
    fn add_traffic(&self, more: Traffic) {
        let mut traffic = self.traffic.lock().unwrap_or_else(PoisonError::into_inner);
        *traffic = traffic.plus(&more);
    }

    /// Traffic of the connections that have ended.
    pub(super) fn traffic(&self) -> Traffic {
        *self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A user's connection. Its traffic is counted when the last owner drops it.
pub(super) struct Connection<'a> {
    pub(super) socket: Socket,
    shared: &'a Shared,
}

impl<'a> Connection<'a> {
    pub(super) fn new(socket: Socket, shared: &'a Shared) -> Self {
        Connection { socket, shared }
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.shared.add_traffic(Traffic::of(std::slice::from_ref(&self.socket)));
    }
}
