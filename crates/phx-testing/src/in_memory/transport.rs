//! Connection in memory, as the client sees it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use phx_client::Transport;
use phx_proto::{CloseCause, CloseCode, Frame, Request};

use super::exchange::Exchange;
use crate::ConnectRequest;
use crate::network::{ClientId, ConnectionId};

/// Client's end of a connection. If it is dropped before the end, the server loses the connection.
#[derive(Debug)]
pub(super) struct LinkTransport {
    exchange: Arc<Exchange>,
    id: ConnectionId,
    closing: bool,
}

impl LinkTransport {
    /// Connects. Dropping the future abandons the attempt.
    pub(super) async fn open(
        exchange: Arc<Exchange>,
        client: ClientId,
        request: Request,
    ) -> Result<Pin<Box<dyn Transport>>, CloseCause> {
        let id = exchange.connect(client, connect_request(&request));
        let transport = LinkTransport { exchange, id, closing: false };
        std::future::poll_fn(|cx| transport.exchange.poll_opened(id, cx)).await?;
        Ok(Box::pin(transport))
    }
}

impl Transport for LinkTransport {
    fn poll_receive(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Frame, CloseCause>> {
        self.exchange.poll_received(self.id, cx)
    }

    /// Always ready; `poll_receive` reports the end, after the frames that came before it.
    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), CloseCause>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, frame: Frame) -> Result<(), CloseCause> {
        self.exchange.with(|network, now| network.send(now, self.id, frame));
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), CloseCause>> {
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

fn connect_request(request: &Request) -> ConnectRequest {
    let url = request.url();
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let mut connect = ConnectRequest::new(&path);
    for (name, value) in request.headers() {
        connect = connect.with_header(name, value);
    }
    match request.protocols() {
        [] => connect,
        protocols => connect.with_header("sec-websocket-protocol", &protocols.join(", ")),
    }
}
