//! Frames over an upgraded stream: by the WebSocket library, or by phx-websocket where messages may be compressed.

use std::pin::Pin;
use std::task::{Context, Poll};

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::protocol::{Role, WebSocketConfig as TungsteniteConfig};
use futures::{AsyncRead, AsyncWrite, Sink, Stream};
use phx_proto::{CloseCause, CloseCode, Frame};
use phx_tungstenite::{close_frame_cause, close_message, message};

#[cfg(feature = "deflate")]
use super::compressed::Compressed;
use super::handshake::Upgraded;
use super::incoming::{Failure, Incoming};
use super::read_ahead::ReadAhead;
use super::{WebSocketConfig, failure};
use crate::turn::{Metered, Turn};

type Tungstenite<S> = WebSocketStream<Metered<ReadAhead<S>>>;

/// Frames in both directions.
#[cfg_attr(
    feature = "deflate",
    expect(clippy::large_enum_variant, reason = "most connections have the large one")
)]
pub(super) enum Frames<S> {
    Library(Tungstenite<S>),
    #[cfg(feature = "deflate")]
    Compressed(Box<Compressed<S>>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    pub(super) async fn new(
        turn: &Turn,
        upgraded: Upgraded<S>,
        max_frame_size: usize,
        config: &WebSocketConfig,
    ) -> Self {
        let stream = ReadAhead::new(upgraded.stream, upgraded.leftover);
        #[cfg(feature = "deflate")]
        let stream = stream.counted(upgraded.wire);
        let stream = turn.metered(stream);
        #[cfg(feature = "deflate")]
        if let Some(agreed) = upgraded.compression {
            let compressed = Compressed::new(stream, agreed, turn, max_frame_size, config);
            return Frames::Compressed(Box::new(compressed));
        }
        let settings = TungsteniteConfig::default()
            .read_buffer_size(config.read_buffer_size)
            .write_buffer_size(config.write_buffer_size)
            .max_message_size(Some(max_frame_size))
            .max_frame_size(Some(max_frame_size));
        let socket = WebSocketStream::from_raw_socket(stream, Role::Client, Some(settings));
        Frames::Library(socket.await)
    }

    /// The next that has come; `None` at the end of the stream.
    #[inline]
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Incoming, Failure>>> {
        match self {
            Frames::Library(socket) => Pin::new(socket).poll_next(cx).map(|next| {
                next.map(|received| {
                    Ok(match received? {
                        Message::Text(text) => Incoming::Frame(Frame::Text(text.into())),
                        Message::Binary(data) => Incoming::Frame(Frame::Binary(data)),
                        Message::Close(frame) => Incoming::Close(close_frame_cause(frame.as_ref())),
                        Message::Ping(_) => Incoming::Ping,
                        // The library hands out raw frames only to callers that put them in.
                        Message::Pong(_) | Message::Frame(_) => Incoming::Other,
                    })
                })
            }),
            #[cfg(feature = "deflate")]
            Frames::Compressed(compressed) => compressed.poll_next(cx),
        }
    }

    /// Ready when a frame can be taken.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CloseCause>> {
        match self {
            Frames::Library(socket) => {
                Pin::new(socket).poll_ready(cx).map_err(|error| failure::websocket_failed(&error))
            }
            #[cfg(feature = "deflate")]
            Frames::Compressed(compressed) => compressed.poll_ready(cx),
        }
    }

    /// Takes a frame, in the form that [`outgoing`] has checked.
    #[cfg_attr(
        not(feature = "deflate"),
        expect(unused_variables, reason = "nothing is compressed")
    )]
    pub(super) fn start_send(
        &mut self,
        message: Message,
        may_compress: bool,
    ) -> Result<(), CloseCause> {
        match self {
            Frames::Library(socket) => Pin::new(socket)
                .start_send(message)
                .map_err(|error| failure::websocket_failed(&error)),
            #[cfg(feature = "deflate")]
            Frames::Compressed(compressed) => compressed.start_send(message, may_compress),
        }
    }

    /// Queues a close frame.
    pub(super) fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), CloseCause> {
        self.start_send(close_message(code, reason), false)
    }

    /// Writes out all frames taken.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CloseCause>> {
        match self {
            Frames::Library(socket) => {
                Pin::new(socket).poll_flush(cx).map_err(|error| failure::websocket_failed(&error))
            }
            #[cfg(feature = "deflate")]
            Frames::Compressed(compressed) => compressed.poll_flush(cx),
        }
    }

    /// Closes the stream below.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let closed = match self {
            Frames::Library(socket) => Pin::new(socket.get_mut()).poll_close(cx),
            #[cfg(feature = "deflate")]
            Frames::Compressed(compressed) => compressed.poll_close(cx),
        };
        // Sends TLS's close alert. It may fail, since the peer may be gone: that changes nothing.
        closed.map(|_| ())
    }
}

/// Converts a frame to send. Copies nothing.
pub(super) fn outgoing(frame: Frame) -> Result<Message, CloseCause> {
    message(frame)
}
