//! Ids of what a socket holds. All are `Copy`, and none is ever used again for something else.

use core::fmt;

use slotmap::Key as _;

/// One attempt to connect, and its transport. The first of a socket is 1.
///
/// Every input about a transport carries its id, so that a report about an old one changes nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransportId(pub(crate) u64);

impl TransportId {
    /// The id as a number, for logs.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for TransportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransportId({})", self.0)
    }
}

slotmap::new_key_type! {
    /// The slot in which a socket keeps a channel.
    pub(crate) struct ChannelKey;
}

/// A channel of a socket: index and generation, so that the id of a removed channel never
/// means another one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub(crate) ChannelKey);

impl ChannelId {
    /// The id as a number, for logs and for custom maps: the low half is a small index that is used
    /// again, the high half makes it another number then.
    #[must_use]
    pub fn as_u64(self) -> u64 {
        self.0.data().as_ffi()
    }
}

impl fmt::Debug for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChannelId({:?})", self.0.data())
    }
}

/// One push, join or leave of a socket. Unlike the ref on the wire it stays the same when a push
/// or a join has to wait for another connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(crate) u64);

impl RequestId {
    /// The id as a number, for logs.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({})", self.0)
    }
}

/// One ping of a socket.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PingId(pub(crate) u64);

impl PingId {
    /// The id as a number, for logs.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for PingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PingId({})", self.0)
    }
}

/// One request for a channel's params; see [`Action::RequestParams`](crate::Action::RequestParams).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParamsRequestId(pub(crate) u64);

impl ParamsRequestId {
    /// The id as a number, for logs.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for ParamsRequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParamsRequestId({})", self.0)
    }
}
