//! Compression as Bandit and Cowboy do it (permessage-deflate), made from observations of both, not from their sources.
//!
//! It shares no code with the client's WebSocket layer, so that the two check each other.

use std::io;

use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::protocol::frame::Frame as WebSocketFrame;
use async_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use bytes::BytesMut;
use phx_proto::{CloseCode, Frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use self::codec::Codec;
use super::batch::{End, MAX_BYTES_TOGETHER, MAX_TOGETHER};

mod codec;
mod fault;
mod negotiation;
mod streams;

pub use fault::CompressionFault;
pub(super) use negotiation::{Agreement, negotiate};

/// Bytes that are read at a time.
const READ_SIZE: usize = 16 * 1024;

/// A connection on which compression was agreed.
pub(super) struct Connection {
    stream: DuplexStream,
    codec: Codec,
    /// Bytes that were read.
    input: BytesMut,
    /// Answers to pings that weren't written yet.
    pongs: Vec<u8>,
    /// Payload of the client's close frame.
    closed: Option<Vec<u8>>,
}

impl Connection {
    pub(super) fn new(
        stream: DuplexStream,
        input: BytesMut,
        agreement: &Agreement,
        max_frame_size: usize,
    ) -> Self {
        let codec = Codec::new(agreement, max_frame_size);
        Connection { stream, codec, input, pongs: Vec::new(), closed: None }
    }

    pub(super) fn stream(&mut self) -> &mut DuplexStream {
        &mut self.stream
    }

    /// Receives the messages that are ready, and the end if it is behind them. Only reading waits, so dropping the
    /// future loses nothing.
    pub(super) async fn receive(&mut self) -> (Vec<Message>, Option<End>) {
        let (mut messages, mut bytes) = (Vec::new(), 0_usize);
        loop {
            match self.codec.next(&mut self.input) {
                Ok(Some(message)) => {
                    self.answer(&message);
                    bytes = bytes.saturating_add(message.len());
                    let is_last = message.is_close()
                        || messages.len() >= MAX_TOGETHER
                        || bytes >= MAX_BYTES_TOGETHER;
                    messages.push(message);
                    if is_last {
                        return (messages, None);
                    }
                }
                Ok(None) if !messages.is_empty() => return (messages, None),
                Ok(None) => match self.read().await {
                    Ok(1..) => {}
                    Ok(0) | Err(_) => return (messages, Some(End::Stream)),
                },
                Err(code) => return (messages, Some(End::Refused(code))),
            }
        }
    }

    async fn read(&mut self) -> io::Result<usize> {
        self.input.reserve(READ_SIZE);
        self.stream.read_buf(&mut self.input).await
    }

    fn answer(&mut self, message: &Message) {
        match message {
            Message::Ping(payload) => {
                self.pongs.extend(codec::frame(OpCode::Control(Control::Pong), payload, false));
            }
            Message::Close(frame) => {
                let mut payload = Vec::new();
                if let Some(frame) = frame {
                    payload.extend(u16::from(frame.code).to_be_bytes());
                    payload.extend(frame.reason.as_bytes());
                }
                self.closed = Some(payload);
            }
            _ => {}
        }
    }

    /// Compresses and sends a message, in one frame.
    pub(super) async fn send(&mut self, frame: Frame) -> io::Result<()> {
        let bytes = self.codec.message(frame);
        self.stream.write_all(&bytes).await
    }

    pub(super) async fn send_fault(&mut self, fault: CompressionFault) -> io::Result<()> {
        let bytes = self.codec.fault(fault);
        self.stream.write_all(&bytes).await
    }

    pub(super) async fn flush(&mut self) -> io::Result<()> {
        let pongs = std::mem::take(&mut self.pongs);
        self.stream.write_all(&pongs).await
    }

    /// Sends a close frame and waits for the client's, or answers the client's.
    pub(super) async fn close(&mut self, code: CloseCode, reason: &str) {
        let answers = self.closed.take();
        let must_wait = answers.is_none();
        let payload = answers.unwrap_or_else(|| {
            [code.as_u16().to_be_bytes().as_slice(), reason.as_bytes()].concat()
        });
        let frame = codec::frame(OpCode::Control(Control::Close), &payload, false);
        if self.stream.write_all(&frame).await.is_err() || !must_wait {
            return;
        }
        loop {
            match self.codec.next(&mut self.input) {
                Ok(Some(message)) if message.is_close() => return,
                Ok(Some(_)) => {}
                Ok(None) => {
                    if !matches!(self.read().await, Ok(1..)) {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    }
}

/// A text frame with RSV1, for a connection without compression.
pub(super) fn unagreed_frame() -> WebSocketFrame {
    let mut frame = WebSocketFrame::message("{}", OpCode::Data(Data::Text), true);
    frame.header_mut().rsv1 = true;
    frame
}
