//! Connection in memory, as the client sees it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use phx_client::{Received, Transport};
use phx_proto::{CloseCause, CloseCode, Frame, Request, TransportKind, TransportProperties};

use super::exchange::Exchange;
use crate::network::{ClientId, ConnectionId};

/// Client's end of a connection. If it is dropped before the end, the server loses the connection.
#[derive(Debug)]
pub(super) struct LinkTransport {
    exchange: Arc<Exchange>,
    id: ConnectionId,
    kind: TransportKind,
    /// Bytes of frames that a session takes before it is asked again.
    room: usize,
    closing: bool,
}

impl LinkTransport {
    /// Connects. Dropping the future abandons the attempt.
    pub(super) async fn open(
        exchange: Arc<Exchange>,
        client: ClientId,
        kind: TransportKind,
        request: Request,
    ) -> Result<Pin<Box<dyn Transport>>, CloseCause> {
        let id = exchange.connect(client, kind, &request);
        let transport = LinkTransport { exchange, id, kind, room: 0, closing: false };
        std::future::poll_fn(|cx| transport.exchange.poll_opened(id, cx)).await?;
        Ok(Box::pin(transport))
    }
}

impl Transport for LinkTransport {
    fn properties(&self) -> TransportProperties {
        self.kind.properties()
    }

    fn poll_receive(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Received, CloseCause>> {
        self.exchange.poll_received(self.id, cx)
    }

    /// A session is ready once its last POST is answered. `poll_receive` reports the end, after the frames that came
    /// before it.
    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), CloseCause>> {
        self.room = ready!(self.exchange.poll_room(self.id, cx));
        Poll::Ready(Ok(()))
    }

    /// A session has room for a batch; another connection takes a frame at a time.
    fn capacity(&self) -> usize {
        match self.kind {
            TransportKind::LongPoll => self.room,
            _ => 0,
        }
    }

    fn start_send(self: Pin<&mut Self>, frame: Frame) -> Result<(), CloseCause> {
        self.exchange.with(|network, now| network.send(now, self.id, frame));
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), CloseCause>> {
        if self.kind == TransportKind::LongPoll {
            self.exchange.with(|network, now| network.flush(now, self.id));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: CloseCode,
        _: &str,
    ) -> Poll<CloseCause> {
        if !std::mem::replace(&mut self.closing, true) {
            self.exchange.with(|network, now| network.close(now, self.id));
        }
        let cause = ready!(self.exchange.poll_closed(self.id, cx));
        Poll::Ready(cause)
    }
}

impl Drop for LinkTransport {
    fn drop(&mut self) {
        self.exchange.disconnected(self.id);
    }
}
