//! Reads larger pieces at a time under load.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{AsyncRead, AsyncWrite};

/// Bytes read at a time when more has come than the library's buffer takes.
const FIRST_SIZE: usize = 8 << 10;

/// Bytes read at a time, at most: under load the size doubles with each full read.
const MAX_SIZE: usize = 64 << 10;

thread_local! {
    /// The buffer that a stream of this thread was done with last. Streams need one for the time of a poll only, and
    /// a buffer that was used before needn't be filled with zeros.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Keeps a buffer for the next stream, unless it is a small one or the thread is about to end.
fn spare(buffer: Vec<u8>) {
    if buffer.len() >= FIRST_SIZE {
        let _ = SPARE.try_with(|spare| spare.set(buffer));
    }
}

/// A buffer of `size` bytes or more.
fn spare_buffer(size: usize) -> Vec<u8> {
    let mut buffer = SPARE.try_with(Cell::take).unwrap_or_default();
    if buffer.len() < size {
        buffer.resize(size, 0);
    }
    buffer
}

/// Wrapper of a stream that reads into a large buffer while the callers' buffers are small, and directly into
/// theirs otherwise.
///
/// The WebSocket library has one read buffer of a fixed size, which it fills with zeros before each read. A small
/// one suits idle connections and single messages; a large one saves system calls in a flood. An idle connection
/// keeps no large one, even after a flood.
#[derive(Debug)]
pub(super) struct ReadAhead<S> {
    stream: S,
    buffer: Vec<u8>,
    /// The range of the buffer that was read and not handed out.
    next: usize,
    end: usize,
    /// Bytes to read at a time; `None` if the library's buffer is large enough.
    size: Option<usize>,
    #[cfg(feature = "deflate")]
    wire: crate::wire::WireCounters,
}

impl<S> ReadAhead<S> {
    /// A stream of which `first` was read already. To give that to the library itself would make its
    /// later buffers as small as this.
    pub(super) fn new(stream: S, first: Vec<u8>) -> Self {
        ReadAhead {
            stream,
            next: 0,
            end: first.len(),
            buffer: first,
            size: None,
            #[cfg(feature = "deflate")]
            wire: crate::wire::WireCounters::default(),
        }
    }

    /// Adds the stream's bytes to these counts, with those that were read already.
    #[cfg(feature = "deflate")]
    pub(super) fn counted(mut self, wire: crate::wire::WireCounters) -> Self {
        wire.add_received(self.end);
        self.wire = wire;
        self
    }

    fn drop_buffer(&mut self) {
        (self.next, self.end) = (0, 0);
        if !self.buffer.is_empty() {
            spare(std::mem::take(&mut self.buffer));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadAhead<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.next == this.end {
            let Some(size) = this.size else {
                this.drop_buffer();
                let len = ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
                #[cfg(feature = "deflate")]
                this.wire.add_received(len);
                this.size = (len == buffer.len()).then_some(FIRST_SIZE);
                return Poll::Ready(Ok(len));
            };
            // Keep a larger buffer until the stream is pending: a new one would have to be zeroed.
            if this.buffer.len() < size {
                this.buffer = spare_buffer(size);
            }
            let read = Pin::new(&mut this.stream).poll_read(cx, this.buffer.split_at_mut(size).0);
            let Poll::Ready(Ok(len)) = read else {
                this.drop_buffer();
                return read;
            };
            #[cfg(feature = "deflate")]
            this.wire.add_received(len);
            (this.next, this.end) = (0, len);
            this.size = (len > buffer.len()).then(|| next_size(size, len));
        }
        let rest = this.buffer.get(this.next..this.end).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer.split_at_mut(len).0.copy_from_slice(rest.split_at(len).0);
        this.next += len;
        Poll::Ready(Ok(len))
    }
}

/// Returns the size of the next read, when the last one asked for `size` bytes and got `len`.
fn next_size(size: usize, len: usize) -> usize {
    let next = if len == size {
        size * 2
    } else if len < size / 2 {
        size / 2
    } else {
        size
    };
    next.clamp(FIRST_SIZE, MAX_SIZE)
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadAhead<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        #[cfg(feature = "deflate")]
        if let Poll::Ready(Ok(len)) = written {
            this.wire.add_sent(len);
        }
        written
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
        let sent: Vec<u8> = (0..MAX_SIZE * 5 + 1_000).map(|i| (i % 251) as u8).collect();
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

    /// Gives what it has, then nothing until it has more.
    struct Slow(Vec<u8>);

    impl AsyncRead for Slow {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            if self.0.is_empty() {
                return Poll::Pending;
            }
            let len = self.0.len().min(buffer.len());
            buffer[..len].copy_from_slice(&self.0[..len]);
            self.0.drain(..len);
            Poll::Ready(Ok(len))
        }
    }

    #[test]
    fn a_flood_makes_the_buffer_large_and_silence_takes_it_away() {
        let mut stream = ReadAhead::new(Slow(vec![7; 1 << 20]), Vec::new());
        let mut buffer = [0; 1_024];
        let mut largest = 0;
        let mut received = 0;
        while let Some(len) = stream.read(&mut buffer).now_or_never() {
            received += len.unwrap();
            largest = largest.max(stream.buffer.capacity());
        }
        assert_eq!((received, largest), (1 << 20, MAX_SIZE));
        assert_eq!(stream.buffer.capacity(), 0, "nothing comes");

        // The next flood finds the size again, a single message gives it up.
        stream.stream.0 = vec![7; 100];
        assert_eq!(stream.read(&mut buffer).now_or_never().unwrap().unwrap(), 100);
        assert!(stream.read(&mut buffer).now_or_never().is_none());
        assert_eq!((stream.size, stream.buffer.capacity()), (None, 0));
    }

    /// Bytes that it gives at a time.
    struct Portions(Vec<usize>);

    impl AsyncRead for Portions {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            let len = if self.0.is_empty() { 0 } else { self.0.remove(0).min(buffer.len()) };
            Poll::Ready(Ok(len))
        }
    }

    #[test]
    fn a_flood_that_varies_keeps_its_buffer() {
        let portions = [1_024, FIRST_SIZE, 2 * FIRST_SIZE, 4_096, FIRST_SIZE, 4_096, FIRST_SIZE];
        let mut stream = ReadAhead::new(Portions(portions.to_vec()), Vec::new());
        let (mut buffer, mut buffers) = ([0; 1_024], Vec::new());
        while stream.read(&mut buffer).now_or_never().unwrap().unwrap() > 0 {
            if stream.next == buffer.len() {
                buffers.push((stream.end, stream.buffer.len() / FIRST_SIZE));
            }
        }
        let lens = [1, 2, 4, 4, 4, 4];
        assert!(buffers.into_iter().eq(portions[1..].iter().copied().zip(lens)));
    }

    #[test]
    fn the_next_size_follows_what_came() {
        assert_eq!(next_size(FIRST_SIZE, FIRST_SIZE), 2 * FIRST_SIZE);
        assert_eq!(next_size(MAX_SIZE, MAX_SIZE), MAX_SIZE);
        assert_eq!(next_size(MAX_SIZE, MAX_SIZE / 2), MAX_SIZE);
        assert_eq!(next_size(MAX_SIZE, MAX_SIZE / 2 - 1), MAX_SIZE / 2);
        assert_eq!(next_size(FIRST_SIZE, 1), FIRST_SIZE);
    }
}
