//! Frames by phx-websocket, whose messages may be compressed.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_tungstenite::tungstenite::Message;
use futures::{AsyncRead, AsyncWrite};
use phx_proto::{CloseCause, CloseCode, CompressionCause, Frame};
use phx_websocket::{Codec, Error, Event, Masks, Message as Data, SendError};

use super::WebSocketConfig;
use super::compression::Agreement;
use super::incoming::{Failure, Incoming};
use super::read_ahead::ReadAhead;
use crate::http;
use crate::turn::{Metered, Turn};

/// Masks by the standard library's source of randomness, which needs no crate: a keyed hash of a counter.
#[derive(Default)]
struct RandomMasks {
    keys: RandomState,
    count: u64,
}

impl Masks for RandomMasks {
    fn next_mask(&mut self) -> [u8; 4] {
        self.count = self.count.wrapping_add(1);
        let [a, b, c, d, ..] = self.keys.hash_one(self.count).to_ne_bytes();
        [a, b, c, d]
    }
}

/// The codec over a stream.
pub(super) struct Compressed<S> {
    stream: Metered<ReadAhead<S>>,
    codec: Codec<RandomMasks>,
    turn: Turn,
    buffer: Box<[u8]>,
    /// The range of the buffer that was read and that the codec hasn't taken.
    next: usize,
    end: usize,
    /// Bytes that may wait to be written while another frame is taken.
    write_buffer_size: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Compressed<S> {
    pub(super) fn new(
        stream: Metered<ReadAhead<S>>,
        agreement: Agreement,
        turn: &Turn,
        max_frame_size: usize,
        config: &WebSocketConfig,
    ) -> Self {
        let codec = Codec::new(max_frame_size, RandomMasks::default());
        Compressed {
            stream,
            codec: codec.with_deflate(agreement.agreed, agreement.threshold),
            turn: turn.clone(),
            buffer: vec![0; config.read_buffer_size].into_boxed_slice(),
            next: 0,
            end: 0,
            write_buffer_size: config.write_buffer_size,
        }
    }

    // Cold: where nothing was agreed, a message costs what it costs without the feature.
    #[cold]
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Incoming, Failure>>> {
        loop {
            let mut input = self.buffer.get(self.next..self.end).unwrap_or_default();
            let received = self.codec.receive(&mut input);
            self.next = self.end.saturating_sub(input.len());
            match self.codec.take_inflated() {
                0 => {}
                // A message that is delivered gives them back.
                inflated => self.turn.spend(inflated),
            }
            match received {
                Ok(Some(event)) => return Poll::Ready(Some(Ok(incoming(event)))),
                Err(error) => return Poll::Ready(Some(Err(failure(error)))),
                // The transport writes pongs before it reads on.
                Ok(None) if self.codec.is_congested() => return Poll::Pending,
                Ok(None) if self.codec.has_more() => {
                    self.turn.end_reading();
                    return self.turn.poll_read(cx).map(|_| None);
                }
                Ok(None) => {}
            }
            let read = Pin::new(&mut self.stream).poll_read(cx, &mut self.buffer);
            match ready!(read) {
                Ok(0) => return Poll::Ready(None),
                Ok(count) => (self.next, self.end) = (0, count),
                Err(error) => {
                    let cause = http::stream_failed(&error);
                    return Poll::Ready(Some(Err(Failure { cause, code: None })));
                }
            }
        }
    }

    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CloseCause>> {
        if self.codec.is_compressing() {
            return self.poll_flush(cx);
        }
        while self.codec.output().len() > self.write_buffer_size {
            ready!(self.poll_write(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn start_send(
        &mut self,
        message: Message,
        may_compress: bool,
    ) -> Result<(), CloseCause> {
        let data = match message {
            Message::Text(text) => Data::Text(text.into()),
            Message::Binary(data) => Data::Binary(data),
            Message::Close(frame) => {
                let code = frame.as_ref().map(|frame| frame.code.into());
                let reason = frame.as_ref().map_or("", |frame| frame.reason.as_str());
                self.codec.close(code, reason);
                return Ok(());
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return Ok(()),
        };
        match self.codec.send(data, may_compress) {
            // Nothing follows a close frame.
            Ok(()) | Err(SendError::Closing) => Ok(()),
            Err(error) => Err(CloseCause::io(error.to_string())),
        }
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CloseCause>> {
        loop {
            while !self.codec.output().is_empty() {
                ready!(self.poll_write(cx))?;
            }
            if !self.codec.is_compressing() {
                let flushed = ready!(Pin::new(&mut self.stream).poll_flush(cx));
                return Poll::Ready(flushed.map_err(|error| http::stream_failed(&error)));
            }
            if !self.codec.step() {
                // Other tasks run between two steps.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    /// Writes once.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CloseCause>> {
        let written = match ready!(Pin::new(&mut self.stream).poll_write(cx, self.codec.output())) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            written => written,
        };
        Poll::Ready(match written {
            Ok(count) => {
                self.codec.advance(count);
                Ok(())
            }
            Err(error) => Err(http::stream_failed(&error)),
        })
    }

    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

fn incoming(event: Event) -> Incoming {
    match event {
        Event::Message(Data::Text(text)) => Incoming::Frame(Frame::Text(text)),
        Event::Message(Data::Binary(data)) => Incoming::Frame(Frame::Binary(data)),
        Event::Close(frame) => {
            let code = frame.code.map_or(CloseCode::NO_STATUS, CloseCode::from_u16);
            Incoming::Close(CloseCause::frame(code, frame.reason))
        }
        Event::Ping => Incoming::Ping,
        _ => Incoming::Other,
    }
}

/// In the words of the library for the same mistakes.
fn failure(error: Error) -> Failure {
    let cause = match error {
        Error::BrokenDeflate => CloseCause::Compression(CompressionCause::BrokenMessage),
        Error::TooLarge { .. } | Error::NotUtf8 => CloseCause::io(error.to_string()),
        error => CloseCause::io(format!("the server broke the WebSocket protocol: {error}")),
    };
    Failure { cause, code: Some(CloseCode::from_u16(error.close_code())) }
}
