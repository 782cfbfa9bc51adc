//! An adapter over one of its transports: what a test is about.

use std::marker::PhantomData;

use phx_client::websocket::WebSocketConfig;
use phx_client::{Endpoint, SocketBuilder, TransportKind};

use super::adapter::Adapter;

/// An adapter over one transport.
pub(super) trait Subject: 'static {
    /// The transport.
    const TRANSPORT: TransportKind;

    /// Runs `future` as [`Adapter::block_on`] does.
    fn block_on<F: Future<Output = ()>>(future: F);

    /// Returns a builder as [`Adapter::socket`] does, with the transport set.
    fn socket(endpoint: Endpoint, config: WebSocketConfig) -> SocketBuilder;
}

/// An adapter over a `WebSocket`.
pub(super) struct WebSocket<A>(PhantomData<A>);

/// An adapter over long-poll.
pub(super) struct LongPoll<A>(PhantomData<A>);

impl<A: Adapter> Subject for WebSocket<A> {
    const TRANSPORT: TransportKind = TransportKind::WebSocket;

    fn block_on<F: Future<Output = ()>>(future: F) {
        A::block_on(future);
    }

    fn socket(endpoint: Endpoint, config: WebSocketConfig) -> SocketBuilder {
        A::socket(endpoint, config)
    }
}

impl<A: Adapter> Subject for LongPoll<A> {
    const TRANSPORT: TransportKind = TransportKind::LongPoll;

    fn block_on<F: Future<Output = ()>>(future: F) {
        A::block_on(future);
    }

    fn socket(endpoint: Endpoint, config: WebSocketConfig) -> SocketBuilder {
        A::socket(endpoint, config).transport(Self::TRANSPORT)
    }
}
