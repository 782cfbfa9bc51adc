//! Compressed frames on command.

/// Compressed message that a client doesn't expect, for
/// [`Connections::inject_compressed`](crate::listener::Connections::inject_compressed).
///
/// On a connection without compression each of them is a text frame with the bit RSV1, which wasn't agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompressionFault {
    /// A message whose payload isn't a deflate stream. The connection can't go on.
    BrokenStream,
    /// A message of this many zeros, which takes about 1/1000 of that on the wire. The connection can't go on: the
    /// server's stream doesn't contain it.
    Bomb(usize),
    /// A ping with the bit RSV1, which control frames never have. The connection can't go on.
    CompressedPing,
    /// A broadcast of the event `fault` to the topic `phoenix`, as fragments of a byte each, with a ping between each
    /// two of them. It is valid.
    Fragments,
    /// The same broadcast, ended by a final block. It is valid, though no server of Phoenix sends it, and the server's
    /// stream begins anew behind it.
    FinalBlock,
}
