//! How long a connection waits for its client.

use std::time::Duration;

use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::time::timeout;

/// Time limit of an upgrade, a frame or a close, after which the connection is dropped.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Time without data, after a refused frame or body, after which the connection ends.
const LINGER: Duration = Duration::from_secs(1);

/// Drops the rest of what was refused: an early end would reset the connection, and the client might miss the answer
/// or the close frame.
pub(super) async fn linger(stream: &mut DuplexStream) {
    let mut dropped = [0; 4096];
    while let Ok(Ok(1..)) = timeout(LINGER, stream.read(&mut dropped)).await {}
}
