//! What the suite needs of an adapter.

use phx_client::websocket::WebSocketConfig;
use phx_client::{Endpoint, SocketBuilder, TransportKind};

/// Runtime to test, and connections on it.
pub trait Adapter: 'static {
    /// Name of the adapter in the table.
    const NAME: &'static str;

    /// Transports to test, each of which the connector of [`socket`](Self::socket) must support.
    const TRANSPORTS: &'static [TransportKind] = &[TransportKind::WebSocket];

    /// True if the sockets offer to compress messages. The suite's servers then agree to it with the feature `deflate`, and each
    /// test that joins a channel fails where that wasn't agreed on.
    const COMPRESSES: bool = false;

    /// Runs `future` to its end on the runtime, on the calling thread. Tasks that it spawns must make progress
    /// until then. The suite calls it on many threads at once.
    fn block_on<F: Future<Output = ()>>(future: F);

    /// Returns a builder of a socket that connects to `endpoint` with these settings. Called within
    /// [`block_on`](Self::block_on).
    fn socket(endpoint: Endpoint, config: WebSocketConfig) -> SocketBuilder;
}
