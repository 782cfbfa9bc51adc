//! One attack: the server's actions, the client's settings, and the limits.

use phx_client::SocketBuilder;

use super::peer::Peer;
use super::users::User;

/// One attack.
#[derive(Clone, Copy)]
pub(super) struct Case {
    /// Name of the attack.
    pub(super) name: &'static str,
    pub(super) server: fn(&mut Peer) -> std::io::Result<()>,
    pub(super) proxy: bool,
    /// True if client and server agree to compress in every run.
    pub(super) compresses: bool,
    pub(super) user: User,
    pub(super) tune: fn(SocketBuilder) -> SocketBuilder,
    pub(super) ends: Ends,
    /// True if the server reads, and so sees heartbeats.
    pub(super) reads: bool,
    /// Largest frame that the client accepts, in MiB.
    pub(super) frame_mib: u64,
    /// Largest memory that the client may have allocated, in KiB.
    pub(super) peak_kib: u64,
}

/// Required end of the connection, or of the attempt to connect, with the accepted kinds of causes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ends {
    /// The attempt fails within the connect timeout.
    Fails(&'static [&'static str]),
    /// The connection stays until the client disconnects.
    Stays,
    /// The connection ends by the time at which a silent peer counts as dead.
    Dies(&'static [&'static str]),
    /// The connection ends as soon as the attack is done.
    AtOnce(&'static [&'static str]),
    /// Connections are opened and closed repeatedly.
    Repeats,
}

/// Memory that a client needs in any case, in KiB: buffers, tables, the runtime's tasks and threads.
const BASE_KIB: u64 = 512;

impl Case {
    pub(super) const fn new(
        name: &'static str,
        server: fn(&mut Peer) -> std::io::Result<()>,
        ends: Ends,
    ) -> Self {
        Case {
            name,
            server,
            proxy: false,
            compresses: false,
            user: User::Waits,
            tune: |builder| builder,
            ends,
            reads: true,
            frame_mib: 0,
            peak_kib: BASE_KIB,
        }
    }

    /// The server plays a proxy.
    pub(super) const fn proxy(mut self) -> Self {
        self.proxy = true;
        self
    }

    /// The server compresses.
    pub(super) const fn compressed(mut self) -> Self {
        self.compresses = true;
        self
    }

    pub(super) const fn user(mut self, user: User) -> Self {
        self.user = user;
        self
    }

    pub(super) const fn tune(mut self, tune: fn(SocketBuilder) -> SocketBuilder) -> Self {
        self.tune = tune;
        self
    }

    pub(super) const fn deaf(mut self) -> Self {
        self.reads = false;
        self
    }

    pub(super) const fn frame_mib(mut self, mib: u64) -> Self {
        self.frame_mib = mib;
        self
    }

    /// Returns true if a frame takes so long to arrive that heartbeats must wait for it.
    pub(super) const fn is_large(&self) -> bool {
        self.frame_mib >= 40
    }

    /// Adds the KiB that the limits of this row allow, beyond the base.
    pub(super) const fn kept_kib(mut self, kib: u64) -> Self {
        self.peak_kib = BASE_KIB + kib;
        self
    }
}
