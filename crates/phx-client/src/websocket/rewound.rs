//! A stream of which too much was read before.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};

/// A stream, and bytes that were read from it and belong before what it gives next.
///
/// The WebSocket library can be handed such bytes too. But then its read buffer never grows beyond
/// them: it takes a new one for every few bytes from there on.
#[derive(Debug)]
pub(super) struct Rewound<S> {
    first: Vec<u8>,
    stream: S,
}

impl<S> Rewound<S> {
    pub(super) fn new(first: Vec<u8>, stream: S) -> Self {
        Rewound { first, stream }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.first.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buffer);
        }
        let len = buffer.len().min(this.first.len());
        let taken = this.first.drain(..len);
        buffer.iter_mut().zip(taken).for_each(|(to, from)| *to = from);
        if this.first.is_empty() {
            this.first = Vec::new();
        }
        Poll::Ready(Ok(len))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use futures::io::{AsyncReadExt as _, Cursor};

    use super::*;

    #[test]
    fn what_was_read_before_comes_first() {
        let mut rewound = Rewound::new(b"abc".to_vec(), Cursor::new(b"def".to_vec()));
        let mut two = [0; 2];
        block_on(rewound.read_exact(&mut two)).unwrap();
        let mut rest = String::new();
        block_on(rewound.read_to_string(&mut rest)).unwrap();
        assert_eq!((&two, &*rest), (b"ab", "cdef"));
    }
}
