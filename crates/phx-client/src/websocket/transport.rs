//! Frames over an upgraded stream.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{AsyncRead, AsyncWrite};
use phx_proto::{Bytes, CloseCause, CloseCode, Frame, ResponseHeaders};

use super::WebSocketConfig;
use super::frames::{Frames, outgoing};
use super::handshake::Upgraded;
use super::incoming::Incoming;
use crate::connector::{Received, Transport};
use crate::http;
use crate::turn::Turn;

/// Largest number of pongs that wait for a peer which sends pings but reads nothing. At the limit the transport
/// stops reading until they are written, so that they can't pile up.
const MAX_WAITING_PONGS: usize = 64;

/// A WebSocket connection as a [`Transport`], made by [`upgrade`](super::upgrade).
///
/// The transport answers pings while it receives frames. It hands on text and binary messages without copying them.
/// A close frame whose code must not be sent (RFC 6455, section 7.4.1) is reported as 1002.
///
/// `Debug` shows neither frames nor buffers, and of the answer's headers the names only.
pub struct WebSocketTransport<S> {
    frames: Frames<S>,
    /// A new turn begins with each call, except after a frame: the caller may receive many frames
    /// before it lets other tasks run.
    turn: Turn,
    waiting_pongs: usize,
    /// Bytes that may be gathered before they are written, and how many were since all was written.
    write_buffer_size: usize,
    unwritten: usize,
    /// Cause for which nothing can be written any more. The transport still reads what the server sent before that:
    /// its close frame says more than a broken pipe does.
    unwritable: Option<Box<CloseCause>>,
    /// True once the receiving side was woken to report that. A second wake would spin while receiving is held
    /// back.
    woken: bool,
    ignored_subprotocols: bool,
    response_headers: ResponseHeaders,
    closing: Closing,
}

/// State of the closing handshake on this side.
#[derive(Clone, Debug)]
enum Closing {
    /// No close frame was sent.
    No,
    /// Ours is on its way, the peer's hasn't come.
    Sent,
    /// It is over, and the stream is being shut.
    Shutting(Box<CloseCause>),
}

impl<S> WebSocketTransport<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    pub(super) async fn new(
        turn: &Turn,
        mut upgraded: Upgraded<S>,
        max_frame_size: usize,
        config: &WebSocketConfig,
    ) -> Self {
        let ignored_subprotocols = upgraded.ignored_subprotocols;
        let response_headers = std::mem::take(&mut upgraded.response_headers);
        WebSocketTransport {
            frames: Frames::new(turn, upgraded, max_frame_size, config).await,
            turn: turn.clone(),
            waiting_pongs: 0,
            write_buffer_size: config.write_buffer_size,
            unwritten: 0,
            unwritable: None,
            woken: false,
            ignored_subprotocols,
            response_headers,
            closing: Closing::No,
        }
    }

    /// Writes what can be written now, without waiting for the rest.
    fn flush_once(&mut self, cx: &mut Context<'_>) {
        // Pongs may have spent the turn's writes, and there is no other turn.
        self.turn.begin_writing();
        let _ = self.frames.poll_flush(cx);
    }

    /// Sends the peer a close code for its mistake, if that is possible without waiting.
    fn complain(&mut self, cx: &mut Context<'_>, code: CloseCode) {
        let _ = self.frames.start_close(code, "");
        self.flush_once(cx);
    }

    /// Writes out all frames taken. A failure isn't the end yet: see `unwritable`.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let flushed = ready!(self.frames.poll_flush(cx));
        (self.waiting_pongs, self.unwritten) = (0, 0);
        self.note_written(flushed, Some(cx))
    }

    /// Ready if the write succeeded; pending for ever otherwise.
    fn note_written(
        &mut self,
        written: Result<(), CloseCause>,
        cx: Option<&mut Context<'_>>,
    ) -> Poll<()> {
        if let Err(cause) = written {
            self.unwritable.get_or_insert_with(|| Box::new(cause));
        }
        if self.unwritable.is_none() {
            return Poll::Ready(());
        }
        // The receiving side reports the failure.
        if let Some(cx) = cx
            && !std::mem::replace(&mut self.woken, true)
        {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Returns the write failure that ends the connection.
    fn write_failure(&self) -> Option<CloseCause> {
        self.unwritable.as_deref().cloned()
    }

    /// Ready when another ping may be taken.
    fn poll_pongs(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waiting_pongs >= MAX_WAITING_PONGS {
            self.poll_written(cx)
        } else {
            Poll::Ready(())
        }
    }

    /// The pong for the ping that just came is queued; sends it.
    fn answer_ping(&mut self, cx: &mut Context<'_>) {
        if self.poll_written(cx).is_pending() {
            self.waiting_pongs = self.waiting_pongs.saturating_add(1);
        }
    }

    /// Returns the next data message or close, and answers pings on the way; at the end of the stream, the write
    /// failure if there is one.
    fn poll_received(&mut self, cx: &mut Context<'_>) -> Poll<Result<Arrived, CloseCause>> {
        loop {
            // Frames that the library has read already cost no further read.
            ready!(self.turn.poll_read(cx));
            let next = match self.poll_pongs(cx) {
                Poll::Ready(()) => self.frames.poll_next(cx),
                Poll::Pending => Poll::Pending,
            };
            let incoming = match next {
                Poll::Ready(Some(Ok(incoming))) => incoming,
                Poll::Ready(Some(Err(failure))) => {
                    if let Some(code) = failure.code {
                        self.complain(cx, code);
                    }
                    return Poll::Ready(Err(self.write_failure().unwrap_or(failure.cause)));
                }
                Poll::Ready(None) => {
                    let cause = self.write_failure().unwrap_or_else(http::ended);
                    return Poll::Ready(Err(cause));
                }
                // There is more to read in the next turn, or nothing more.
                Poll::Pending if !self.turn.may_read() => return Poll::Pending,
                Poll::Pending => {
                    return self
                        .write_failure()
                        .map_or(Poll::Pending, |cause| Poll::Ready(Err(cause)));
                }
            };
            match incoming {
                Incoming::Frame(frame) => {
                    let frame = match frame {
                        Frame::Text(text) => Frame::Text(without_spare_room(text)),
                        Frame::Binary(data) => Frame::Binary(without_spare_room(data)),
                    };
                    return Poll::Ready(Ok(Arrived::Frame(frame)));
                }
                Incoming::Close(cause) => return Poll::Ready(Ok(Arrived::Close(cause))),
                Incoming::Ping => self.answer_ping(cx),
                Incoming::Other => {}
            }
            self.turn.spend_read();
        }
    }

    fn send(&mut self, frame: Frame, may_compress: bool) -> Result<(), CloseCause> {
        self.unwritten = self.unwritten.saturating_add(frame.len());
        let message = outgoing(frame)?;
        if self.unwritable.is_some() {
            // This failure is handled as that of earlier frames.
            return Ok(());
        }
        let sent = self.frames.start_send(message, may_compress);
        // The flush that follows wakes the receiving side, which reports a failure.
        let _ = self.note_written(sent, None);
        Ok(())
    }

    /// Polls for the connection's end after our close frame is queued, with the peer's close frame or without.
    /// Other frames are discarded.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<CloseCause> {
        // Reading continues even if writing fails: the peer may not read before it has written.
        let _ = self.poll_written(cx);
        loop {
            match ready!(self.poll_received(cx)) {
                Ok(Arrived::Frame(_)) => self.turn.spend_read(),
                Ok(Arrived::Close(cause)) | Err(cause) => return Poll::Ready(cause),
            }
        }
    }
}

/// What the caller needs of what has come.
enum Arrived {
    Frame(Frame),
    Close(CloseCause),
}

impl<S> Transport for WebSocketTransport<S>
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    fn ignored_subprotocols(&self) -> bool {
        self.ignored_subprotocols
    }

    fn response_headers(&self) -> ResponseHeaders {
        self.response_headers.clone()
    }

    fn poll_receive(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Received, CloseCause>> {
        let this = self.get_mut();
        let Poll::Ready(received) = this.poll_received(cx) else {
            this.turn.begin();
            return Poll::Pending;
        };
        Poll::Ready(match received? {
            Arrived::Frame(frame) => {
                this.turn.give_back(frame.len());
                Ok(Received::Frame(frame))
            }
            Arrived::Close(cause) => {
                // The answer to it is queued, and the transport is dropped after this.
                this.flush_once(cx);
                Err(cause)
            }
        })
    }

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), CloseCause>> {
        let this = self.get_mut();
        this.turn.begin_writing();
        let ready = ready!(this.frames.poll_ready(cx));
        this.note_written(ready, Some(cx)).map(Ok)
    }

    fn capacity(&self) -> usize {
        self.write_buffer_size.saturating_sub(self.unwritten)
    }

    fn start_send(self: Pin<&mut Self>, frame: Frame) -> Result<(), CloseCause> {
        self.get_mut().send(frame, true)
    }

    fn start_send_uncompressed(self: Pin<&mut Self>, frame: Frame) -> Result<(), CloseCause> {
        self.get_mut().send(frame, false)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), CloseCause>> {
        let this = self.get_mut();
        this.turn.begin_writing();
        this.poll_written(cx).map(Ok)
    }

    fn poll_close(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        code: CloseCode,
        reason: &str,
    ) -> Poll<CloseCause> {
        let this = self.get_mut();
        this.turn.begin();
        if matches!(this.closing, Closing::No) {
            let sent = this.frames.start_close(code, reason);
            let _ = this.note_written(sent, None);
            this.closing = Closing::Sent;
        }
        if matches!(this.closing, Closing::Sent) {
            this.closing = Closing::Shutting(Box::new(ready!(this.poll_end(cx))));
        }
        ready!(this.frames.poll_close(cx));
        match &this.closing {
            Closing::Shutting(cause) => Poll::Ready(CloseCause::clone(cause)),
            Closing::No | Closing::Sent => Poll::Ready(http::ended()),
        }
    }
}

impl<S> fmt::Debug for WebSocketTransport<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketTransport")
            .field("response_headers", &self.response_headers)
            .finish_non_exhaustive()
    }
}

/// Size below which a message's spare capacity doesn't matter.
const SMALL: usize = 1 << 10;

/// A message that came in fragments was gathered in memory that doubled as it grew, of which up to a half is of no
/// use. Limits in bytes count what is used, so what is kept must be no more than that and an eighth.
#[inline(always)]
fn without_spare_room(message: Bytes) -> Bytes {
    if message.len() <= SMALL { message } else { cut_spare_room(message) }
}

#[inline(never)]
fn cut_spare_room(message: Bytes) -> Bytes {
    match message.try_into_mut() {
        Ok(message) if message.capacity() - message.len() > message.len() >> 3 => {
            Bytes::copy_from_slice(&message)
        }
        Ok(message) => message.freeze(),
        // It shares the buffer that it was read into.
        Err(message) => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_room(len: usize, room: usize) -> Bytes {
        let mut message = Vec::with_capacity(room);
        message.resize(len, b'x');
        Bytes::from(message)
    }

    #[test]
    fn what_fragments_leave_unused_is_given_back() {
        for (len, room, expected) in
            [(5_000, 8_192, 5_000), (5_000, 5_100, 5_100), (100, 1_024, 1_024)]
        {
            let kept = without_spare_room(with_room(len, room));
            assert_eq!(kept.len(), len);
            assert_eq!(kept.try_into_mut().unwrap().capacity(), expected);
        }
        let whole = with_room(5_000, 8_192);
        let (address, rest) = (whole.as_ptr(), whole.clone());
        assert_eq!(without_spare_room(whole).as_ptr(), address, "one that is shared isn't copied");
        drop(rest);
    }
}
