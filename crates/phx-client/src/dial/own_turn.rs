//! A stream below another one, whose turns are not those of the connection.

use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};

use crate::turn::Turn;

/// A stream, of TLS mostly, with a separate turn for the stream below it: the connection, whose turn counts what is read
/// above, knows nothing of records that lead to nothing. Once this turn is spent the stream is pending, and begins another.
pub(crate) struct OwnTurn<S> {
    stream: S,
    turn: Turn,
}

impl<S> OwnTurn<S> {
    /// The stream of TLS; `turn` is that of the streams below it.
    pub(crate) fn new(stream: S, turn: Turn) -> Self {
        OwnTurn { stream, turn }
    }

    fn after<T>(&self, polled: Poll<T>) -> Poll<T> {
        if polled.is_pending() {
            self.turn.begin();
        }
        polled
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for OwnTurn<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.after(polled)
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_read_vectored(cx, buffers);
        self.after(polled)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for OwnTurn<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.after(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, buffers);
        self.after(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.after(polled)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_close(cx);
        self.after(polled)
    }
}
