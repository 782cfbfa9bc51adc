//! Reads much at a time while much comes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{AsyncRead, AsyncWrite};

/// Bytes read at a time while much comes.
const SIZE: usize = 64 << 10;

/// A stream that is read with a large buffer while it fills small ones, and without a buffer of its
/// own otherwise.
///
/// The WebSocket library has one read buffer of a fixed size, which it fills with zeros before each
/// read. A small one suits idle connections and single messages, a large one saves system calls in a
/// flood.
#[derive(Debug)]
pub(super) struct ReadAhead<S> {
    stream: S,
    buffer: Vec<u8>,
    /// What was read and not given, in the buffer.
    next: usize,
    end: usize,
    /// The last read filled all the room it had.
    busy: bool,
}

impl<S> ReadAhead<S> {
    /// A stream of which `first` was read already. To give that to the library itself would make its
    /// later buffers as small as this.
    pub(super) fn new(stream: S, first: Vec<u8>) -> Self {
        ReadAhead { stream, next: 0, end: first.len(), buffer: first, busy: false }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadAhead<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let mut stream = Pin::new(&mut this.stream);
        if this.next == this.end {
            if !this.busy {
                this.buffer = Vec::new();
                let len = ready!(stream.poll_read(cx, buffer))?;
                this.busy = len == buffer.len();
                return Poll::Ready(Ok(len));
            }
            if this.buffer.is_empty() {
                this.buffer = vec![0; SIZE];
            }
            let read = stream.as_mut().poll_read(cx, &mut this.buffer);
            let Poll::Ready(Ok(len)) = read else {
                return read;
            };
            (this.next, this.end) = (0, len);
            // Little comes: the large buffer goes when it is empty.
            this.busy = len >= buffer.len();
        }
        let rest = this.buffer.get(this.next..this.end).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer.split_at_mut(len).0.copy_from_slice(rest.split_at(len).0);
        this.next += len;
        Poll::Ready(Ok(len))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadAhead<S> {
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
    use futures::FutureExt as _;
    use futures::io::{AsyncReadExt as _, Cursor};

    use super::*;

    #[test]
    fn what_was_read_before_comes_first() {
        let mut stream = ReadAhead::new(Cursor::new(b"def".to_vec()), b"abc".to_vec());
        let mut two = [0; 2];
        stream.read_exact(&mut two).now_or_never().unwrap().unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).now_or_never().unwrap().unwrap();
        assert_eq!((&two, &*rest), (b"ab", "cdef"));
    }

    #[test]
    fn all_bytes_come_in_order_whatever_the_sizes() {
        let sent: Vec<u8> = (0..SIZE * 3 + 1_000).map(|i| (i % 251) as u8).collect();
        let mut stream = ReadAhead::new(Cursor::new(sent.clone()), Vec::new());
        let mut received = Vec::new();
        for size in [1, 4_096, 7, 20_000, 4_096].into_iter().cycle() {
            let mut buffer = vec![0; size];
            let len = stream.read(&mut buffer).now_or_never().unwrap().unwrap();
            if len == 0 {
                break;
            }
            received.extend_from_slice(&buffer[..len]);
        }
        assert!(received == sent, "{} of {} bytes", received.len(), sent.len());
    }
}
