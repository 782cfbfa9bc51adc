//! From an attempt to the browser's WebSocket.

use std::future::poll_fn;
use std::pin::Pin;

use phx_client::{Attempt, BoxFuture, CloseCause, Connector, Transport};

use crate::request;
use crate::scope::Scope;
use crate::websocket::WebSocketTransport;

/// Opens WebSocket connections of the browser, for [`socket`](crate::socket()).
///
/// A page can't do all that a program can. [`CloseCause::InvalidRequest`] says so before the attempt, and is final:
/// headers, proxies, IPv6 zones, and `ws://` from a page that was loaded over `https`. Why a connection didn't open a page
/// can't learn: that is [`CloseCause::ConnectFailed`], which is tried again.
#[derive(Clone, Debug, Default)]
pub struct WebSocketConnector {
    _private: (),
}

impl WebSocketConnector {
    /// Creates the connector.
    #[must_use]
    pub fn new() -> Self {
        WebSocketConnector { _private: () }
    }
}

impl Connector for WebSocketConnector {
    fn connect(&self, attempt: Attempt) -> BoxFuture<Result<Pin<Box<dyn Transport>>, CloseCause>> {
        Box::pin(async move {
            let mut transport = start(&attempt)?;
            poll_fn(|cx| transport.poll_open(cx)).await?;
            let transport: Pin<Box<dyn Transport>> = Box::pin(transport);
            Ok(transport)
        })
    }
}

fn start(attempt: &Attempt) -> Result<WebSocketTransport, CloseCause> {
    let Some(scope) = Scope::current() else {
        return Err(CloseCause::invalid_request("there is neither a page nor a worker"));
    };
    request::check(&attempt.request, scope.is_over_tls(), attempt.proxy.is_some())?;
    WebSocketTransport::start(&attempt.request, attempt.max_frame_size)
}
