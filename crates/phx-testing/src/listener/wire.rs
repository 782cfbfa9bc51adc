//! Messages over an upgraded connection: by the WebSocket library, or compressed.

use async_tungstenite::WebSocketStream;
use async_tungstenite::tokio::TokioAdapter;
use async_tungstenite::tungstenite::error::{CapacityError, Error};
use async_tungstenite::tungstenite::protocol::frame::Frame as WebSocketFrame;
use async_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use async_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use async_tungstenite::tungstenite::{Message, Utf8Bytes};
use bytes::BytesMut;
use futures::{FutureExt, SinkExt, StreamExt};
use phx_proto::{CloseCode, Frame};
use tokio::io::DuplexStream;

use super::batch::{End, MAX_BYTES_TOGETHER, MAX_TOGETHER};
#[cfg(feature = "deflate")]
use super::deflate;
use super::hub::Hub;
use super::upgrade::Head;
use crate::UpgradeRejection;

/// An upgraded connection.
pub(super) enum Wire {
    Plain(Box<WebSocketStream<TokioAdapter<DuplexStream>>>),
    #[cfg(feature = "deflate")]
    Compressed(Box<deflate::Connection>),
}

/// Marks the error of a connection that can't be written to any more.
pub(super) struct Lost;

/// Extensions that an upgrade agrees on.
pub(super) struct Extensions {
    #[cfg(feature = "deflate")]
    compression: Option<deflate::Agreement>,
}

impl Extensions {
    #[cfg(feature = "deflate")]
    pub(super) fn negotiate(hub: &Hub, head: &Head) -> Result<Self, UpgradeRejection> {
        let compression = match hub.compression() {
            Some(server) => deflate::negotiate(server, head.extensions())?,
            None => None,
        };
        Ok(Extensions { compression })
    }

    #[cfg(not(feature = "deflate"))]
    pub(super) fn negotiate(_: &Hub, _: &Head) -> Result<Self, UpgradeRejection> {
        Ok(Extensions {})
    }

    /// Returns the value of the answer's header.
    pub(super) fn answer(&self) -> Option<String> {
        #[cfg(feature = "deflate")]
        return self.compression.as_ref().map(deflate::Agreement::answer);
        #[cfg(not(feature = "deflate"))]
        None
    }

    /// Wraps the upgraded connection; `buffer` holds what came behind the request.
    pub(super) async fn wire(
        self,
        stream: DuplexStream,
        buffer: BytesMut,
        max_frame_size: usize,
    ) -> Wire {
        #[cfg(feature = "deflate")]
        if let Some(agreement) = self.compression {
            let connection = deflate::Connection::new(stream, buffer, &agreement, max_frame_size);
            return Wire::Compressed(Box::new(connection));
        }
        let (stream, buffer) = (TokioAdapter::new(stream), buffer.to_vec());
        let config = Some(config(max_frame_size));
        let stream =
            WebSocketStream::from_partially_read(stream, buffer, Role::Server, config).await;
        Wire::Plain(Box::new(stream))
    }
}

impl Wire {
    /// Receives the messages that are ready, and the end if it is behind them; it waits for the first alone, so
    /// dropping the future loses nothing.
    pub(super) async fn receive(&mut self) -> (Vec<Message>, Option<End>) {
        match self {
            Wire::Plain(stream) => receive(stream).await,
            #[cfg(feature = "deflate")]
            Wire::Compressed(connection) => connection.receive().await,
        }
    }

    pub(super) async fn send(&mut self, frame: Frame) -> Result<(), Lost> {
        match self {
            Wire::Plain(stream) => stream.send(message(frame)).await.map_err(|_| Lost),
            #[cfg(feature = "deflate")]
            Wire::Compressed(connection) => connection.send(frame).await.map_err(|_| Lost),
        }
    }

    #[cfg(feature = "deflate")]
    pub(super) async fn send_fault(
        &mut self,
        fault: deflate::CompressionFault,
    ) -> Result<(), Lost> {
        match self {
            Wire::Plain(stream) => {
                let frame = Message::Frame(deflate::unagreed_frame());
                stream.send(frame).await.map_err(|_| Lost)
            }
            Wire::Compressed(connection) => connection.send_fault(fault).await.map_err(|_| Lost),
        }
    }

    /// Sends the answers to pings that wait.
    pub(super) async fn flush(&mut self) -> Result<(), Lost> {
        match self {
            Wire::Plain(stream) => stream.flush().await.map_err(|_| Lost),
            #[cfg(feature = "deflate")]
            Wire::Compressed(connection) => connection.flush().await.map_err(|_| Lost),
        }
    }

    /// Sends a close frame, or the answer to the client's, and waits for the end.
    pub(super) async fn close(&mut self, code: CloseCode, reason: &str) {
        let reason = shortened(reason);
        match self {
            Wire::Plain(stream) => {
                let reason = Utf8Bytes::from(reason);
                let frame = CloseFrame { code: code.as_u16().into(), reason };
                // It fails if the client closed first; reading on answers its close frame.
                let _ = (**stream).close(Some(frame)).await;
                while let Some(Ok(_)) = stream.next().await {}
            }
            #[cfg(feature = "deflate")]
            Wire::Compressed(connection) => connection.close(code, reason).await,
        }
    }

    /// Returns the bytes below.
    pub(super) fn stream(&mut self) -> &mut DuplexStream {
        match self {
            Wire::Plain(stream) => stream.get_mut().get_mut(),
            #[cfg(feature = "deflate")]
            Wire::Compressed(connection) => connection.stream(),
        }
    }
}

/// A frame over the limit is refused after its header, and fragments once their sum is over it: nothing of a
/// message over the limit is gathered.
fn config(max_frame_size: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .write_buffer_size(16 * 1024)
        .max_message_size(Some(max_frame_size))
        .max_frame_size(Some(max_frame_size))
}

async fn receive(
    stream: &mut WebSocketStream<TokioAdapter<DuplexStream>>,
) -> (Vec<Message>, Option<End>) {
    let (mut messages, mut bytes) = (Vec::new(), 0_usize);
    let mut next = Some(stream.next().await);
    while let Some(received) = next {
        match received {
            Some(Ok(message)) => {
                bytes = bytes.saturating_add(message.len());
                let is_last = message.is_close()
                    || messages.len() >= MAX_TOGETHER
                    || bytes >= MAX_BYTES_TOGETHER;
                messages.push(message);
                if is_last {
                    break;
                }
            }
            Some(Err(error)) => {
                return (messages, Some(code_of(&error).map_or(End::Stream, End::Refused)));
            }
            None => return (messages, Some(End::Stream)),
        }
        next = stream.next().now_or_never();
    }
    (messages, None)
}

/// Cuts a reason to the length that a close frame carries.
fn shortened(reason: &str) -> &str {
    let end = (0..=CloseCode::MAX_REASON).rev().find(|end| reason.is_char_boundary(*end));
    end.and_then(|end| reason.get(..end)).unwrap_or_default()
}

/// Returns the close code for a frame that the WebSocket library refused.
fn code_of(error: &Error) -> Option<CloseCode> {
    match error {
        Error::Utf8(_) => Some(CloseCode::from_u16(1007)),
        Error::Capacity(CapacityError::MessageTooLong { .. }) => Some(CloseCode::TOO_BIG),
        Error::Protocol(_) => Some(CloseCode::from_u16(1002)),
        _ => None,
    }
}

/// Text isn't checked: a test may want to send garbage.
fn message(frame: Frame) -> Message {
    match frame {
        Frame::Text(text) => {
            let opcode = OpCode::Data(Data::Text);
            Message::Frame(WebSocketFrame::message(text, opcode, true))
        }
        Frame::Binary(data) => Message::Binary(data),
    }
}
