//! An adapter over one of its transports, as a stage beside its servers.

use std::marker::PhantomData;
use std::sync::LazyLock;
use std::time::Instant as StdInstant;

use phx_client::websocket::WebSocketConfig;
use phx_client::{Endpoint, Instant, SocketBuilder, TransportKind};

use super::adapter::Adapter;
use super::host::Host;
use super::order::ServerKind;
use super::stage::Stage;

/// An adapter over a `WebSocket`.
pub(super) struct WebSocket<A>(PhantomData<A>);

/// An adapter over long-poll.
pub(super) struct LongPoll<A>(PhantomData<A>);

/// A stage whose clients have settings for TLS.
pub(super) trait Subject: Stage {
    /// Returns a builder as [`Stage::socket`] does, with these settings.
    fn socket_with(endpoint: Endpoint, config: WebSocketConfig) -> SocketBuilder;
}

macro_rules! subject {
    ($type:ident, $transport:expr, $compresses:expr) => {
        impl<A: Adapter> Stage for $type<A> {
            const TRANSPORT: TransportKind = $transport;

            const COMPRESSES: bool = $compresses;

            type Site = Host;

            async fn start(server: ServerKind) -> Host {
                Host::start_with(server, Self::COMPRESSES)
            }

            fn socket(endpoint: Endpoint) -> SocketBuilder {
                Self::socket_with(endpoint, WebSocketConfig::default())
            }

            fn now() -> Instant {
                static START: LazyLock<StdInstant> = LazyLock::new(StdInstant::now);
                Instant::from_epoch(START.elapsed())
            }
        }

        impl<A: Adapter> Subject for $type<A> {
            fn socket_with(endpoint: Endpoint, config: WebSocketConfig) -> SocketBuilder {
                A::socket(endpoint, config).transport(Self::TRANSPORT)
            }
        }
    };
}

subject!(WebSocket, TransportKind::WebSocket, A::COMPRESSES);
subject!(LongPoll, TransportKind::LongPoll, false);
