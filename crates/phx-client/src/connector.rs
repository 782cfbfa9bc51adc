//! Connectors and transports: the interface for adapters, proxies and tests.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use phx_proto::{
    CloseCause, CloseCode, Config, ConfigError, Frame, Request, ResponseHeaders, TransportKind,
    TransportProperties,
};

#[cfg(feature = "http")]
use crate::dial::ByteStream;
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

    /// Opens a stream of bytes to the host of the attempt's request, through its proxy and with TLS for `wss`: for
    /// single HTTP requests to that server. A connector around another one forwards the call. Default: an error.
    #[cfg(feature = "http")]
    fn open_stream(&self, attempt: Attempt) -> BoxFuture<Result<ByteStream, CloseCause>> {
        let _ = attempt;
        Box::pin(async {
            Err(CloseCause::invalid_request("the connector makes no single HTTP requests"))
        })
    }

    /// Returns true if the connector opens transports of this kind. A connector around another one forwards the
    /// question. Default: a WebSocket only.
    fn supports(&self, transport: TransportKind) -> bool {
        transport == TransportKind::WebSocket
    }
}

impl<C: Connector + ?Sized> Connector for Arc<C> {
    fn connect(&self, attempt: Attempt) -> BoxFuture<Result<Pin<Box<dyn Transport>>, CloseCause>> {
        (**self).connect(attempt)
    }

    fn check(&self) -> Result<(), ConfigError> {
        (**self).check()
    }

    #[cfg(feature = "http")]
    fn open_stream(&self, attempt: Attempt) -> BoxFuture<Result<ByteStream, CloseCause>> {
        (**self).open_stream(attempt)
    }

    fn supports(&self, transport: TransportKind) -> bool {
        (**self).supports(transport)
    }
}

/// One attempt to connect: the request, and the limit, runtime and proxy for it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The upgrade request: URL, headers, subprotocols. Other transports derive theirs from it.
    pub request: Request,
    /// The kind of transport to open: one that the connector [supports](Connector::supports).
    pub transport: TransportKind,
    /// The socket's [limit](crate::SocketBuilder::max_frame_size) in bytes: the client doesn't decode larger
    /// frames, so the transport should not gather them.
    pub max_frame_size: usize,
    /// The socket's runtime, for timers.
    pub runtime: Arc<dyn Runtime>,
    /// The proxy to connect through, if the socket has one. A connector that connects to something other than the
    /// request's host may ignore it.
    pub proxy: Option<Proxy>,
    /// Compression to offer to the server.
    #[cfg(feature = "deflate")]
    pub compression: Option<crate::websocket::Compression>,
    #[cfg(feature = "deflate")]
    pub(crate) wire: crate::wire::WireCounters,
}

impl Attempt {
    /// Creates an attempt to open a WebSocket with the default frame limit, for programs that call a connector themselves.
    #[must_use]
    pub fn new(request: Request, runtime: impl Runtime) -> Self {
        let max_frame_size = Config::default().max_frame_size;
        Attempt {
            request,
            transport: TransportKind::default(),
            max_frame_size,
            runtime: Arc::new(runtime),
            proxy: None,
            #[cfg(feature = "deflate")]
            compression: None,
            #[cfg(feature = "deflate")]
            wire: crate::wire::WireCounters::default(),
        }
    }
}

/// Something that came from a [`Transport`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_enums,
    reason = "a transport brings a frame, or knows that it lost some"
)]
pub enum Received {
    /// A frame.
    Frame(Frame),
    /// The transport has lost messages that the server sent, and goes on: streams get a
    /// [gap](crate::StreamItem::Gap).
    Gap,
}

impl From<Frame> for Received {
    fn from(frame: Frame) -> Self {
        Received::Frame(frame)
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

    /// The properties of the open transport. A transport around another one forwards the question. Default: a
    /// WebSocket's.
    fn properties(&self) -> TransportProperties {
        TransportProperties::default()
    }

    /// Receives the next frame, or that some were lost.
    ///
    /// The driver limits the frames that it takes before it lets other tasks run. The transport must limit the work
    /// that produces no frame: if bytes keep arriving without completing one, it wakes the task and returns
    /// pending.
    fn poll_receive(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Received, CloseCause>>;

    /// Ready when the transport can take a frame.
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), CloseCause>>;

    /// Opens what sending needs: a frame waits, and `poll_ready` is pending. The driver calls it with the context of
    /// that call, at each of its wakes as long as both is so; a transport around another one forwards the call.
    /// Default: nothing.
    fn prepare_send(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let _ = cx;
    }

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

    /// Takes a frame as [`start_send`](Self::start_send) does, and must not compress it. A transport around another one
    /// forwards the call. Default: `start_send`, for transports that don't compress.
    ///
    /// # Errors
    ///
    /// The cause of the transport's end.
    fn start_send_uncompressed(self: Pin<&mut Self>, frame: Frame) -> Result<(), CloseCause> {
        self.start_send(frame)
    }

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
