//! Connectors and transports: the interface for adapters, proxies and tests.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use phx_proto::{CloseCause, CloseCode, Config, ConfigError, Frame, Request, ResponseHeaders};

use crate::proxy::Proxy;
use crate::runtime::{BoxFuture, Runtime};

/// Opens transports: the adapters' WebSocket over TCP and TLS, or custom ones (a proxy, a Unix
/// socket, an in-memory link).
pub trait Connector: fmt::Debug + Send + Sync + 'static {
    /// Opens a transport. Dropping the future abandons the attempt; the client drops it when the
    /// connect timeout has passed.
    fn connect(&self, attempt: Attempt) -> BoxFuture<Result<Pin<Box<dyn Transport>>, CloseCause>>;

    /// Checks the connector's settings. A socket calls it before it starts, so that a mistake is an error of
    /// [`SocketBuilder::connect`](crate::SocketBuilder::connect) and not of every attempt. A connector around
    /// another one forwards the call. The default accepts everything.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: a setting that can't work.
    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }
}

impl<C: Connector + ?Sized> Connector for Arc<C> {
    fn connect(&self, attempt: Attempt) -> BoxFuture<Result<Pin<Box<dyn Transport>>, CloseCause>> {
        (**self).connect(attempt)
    }

    fn check(&self) -> Result<(), ConfigError> {
        (**self).check()
    }
}

/// One attempt to connect: the request, and the limit, runtime and proxy for it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The upgrade request: URL, headers, subprotocols.
    pub request: Request,
    /// The socket's [limit](crate::SocketBuilder::max_frame_size) in bytes: the client doesn't decode larger
    /// frames, so the transport should not gather them.
    pub max_frame_size: usize,
    /// The socket's runtime, for timers.
    pub runtime: Arc<dyn Runtime>,
    /// The proxy to connect through, if the socket has one. A connector that connects to something other than the
    /// request's host may ignore it.
    pub proxy: Option<Proxy>,
}

impl Attempt {
    /// Creates an attempt with the default frame limit, for programs that call a connector themselves.
    #[must_use]
    pub fn new(request: Request, runtime: impl Runtime) -> Self {
        let max_frame_size = Config::default().max_frame_size;
        Attempt { request, max_frame_size, runtime: Arc::new(runtime), proxy: None }
    }
}

/// Connection that carries whole frames both ways.
///
/// An `Err(cause)` from any method ends the transport: the driver drops it then.
pub trait Transport: fmt::Debug + Send {
    /// Returns true if the client offered subprotocols and the server's answer named none: the server has ignored
    /// the auth token. A transport around another one forwards the question. Default: false.
    fn ignored_subprotocols(&self) -> bool {
        false
    }

    /// The headers of the answer that opened the connection, for
    /// [`Socket::response_headers`](crate::Socket::response_headers). A transport around another one passes the
    /// question on. Default: none.
    fn response_headers(&self) -> ResponseHeaders {
        ResponseHeaders::default()
    }

    /// Receives the next frame.
    ///
    /// The driver limits the frames that it takes before it lets other tasks run. The transport must limit the work
    /// that produces no frame: if bytes keep arriving without completing one, it wakes the task and returns
    /// pending.
    fn poll_receive(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Frame, CloseCause>>;

    /// Ready when the transport can take a frame.
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), CloseCause>>;

    /// The number of bytes of frames that the transport takes after `poll_ready` was ready, before the driver must
    /// poll it again. The transport takes one frame in any case, and more while they fit: then the driver fetches
    /// them together. Default: 0, one frame.
    fn capacity(&self) -> usize {
        0
    }

    /// Takes a frame, after `poll_ready` was ready. The frame may wait for a flush.
    ///
    /// # Errors
    ///
    /// The cause of the transport's end.
    fn start_send(self: Pin<&mut Self>, frame: Frame) -> Result<(), CloseCause>;

    /// Writes out all frames taken.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), CloseCause>>;

    /// Sends the frames taken before, then a close frame, waits for the peer's, and ends the connection. Ready when
    /// the connection has ended, closed properly or not. The driver calls it with the same arguments until it is
    /// ready.
    fn poll_close(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        code: CloseCode,
        reason: &str,
    ) -> Poll<CloseCause>;
}
