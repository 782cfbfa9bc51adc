//! Limits on the reads and writes of a connection before it lets other tasks run.
//!
//! A stream whose bytes are always ready never makes its reader wait, so a peer that never stops could block the
//! executor for every other task. The libraries between stream and transport keep reading while bytes arrive:
//! tungstenite until it has a message (empty continuation frames are none), rustls until a record has content. So
//! the limit is below them: each connection has one [`Turn`], shared by all its [`Metered`] streams. Once the turn
//! is spent they wake their task and return pending, until the task that polls the connection begins another turn.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use futures::{AsyncRead, AsyncWrite};

/// Bytes that are read in a turn. A frame may have two, so this is some thousand frames: tens of
/// microseconds for a large message, half a millisecond for the most expensive bytes there are.
const MAX_READ: usize = 16 << 10;

/// Largest number of reads of a turn, however few bytes each of them gives.
const MAX_READS: usize = 32;

/// Writes of a turn, however few bytes each of them takes. What was written of a large frame is cut
/// from the front of the library's buffer, so each may cost as much as the frame's size.
const MAX_WRITES: usize = 16;

/// Remainder of a connection's turn.
#[derive(Clone, Debug)]
pub(crate) struct Turn(Arc<Left>);

/// A connection is polled by one task at a time, so loads and stores need no order; they are atomic
/// because streams move between threads.
#[derive(Debug)]
struct Left {
    read: AtomicUsize,
    writes: AtomicUsize,
    /// Bytes read and written so far, modulo the largest number.
    moved: AtomicUsize,
}

impl Turn {
    /// Begins the first turn.
    pub(crate) fn new() -> Self {
        let (read, writes) = (AtomicUsize::new(MAX_READ), AtomicUsize::new(MAX_WRITES));
        Turn(Arc::new(Left { read, writes, moved: AtomicUsize::new(0) }))
    }

    /// Begins another turn: the task has been polled from outside, or will wait now.
    pub(crate) fn begin(&self) {
        self.0.read.store(MAX_READ, Ordering::Relaxed);
        self.begin_writing();
    }

    /// Begins another turn of writing alone.
    pub(crate) fn begin_writing(&self) {
        self.0.writes.store(MAX_WRITES, Ordering::Relaxed);
    }

    /// Runs `future` with a turn for each of its polls.
    pub(crate) fn run<F: Future>(
        &self,
        mut future: Pin<&mut F>,
    ) -> impl Future<Output = F::Output> {
        poll_fn(move |cx| {
            self.begin();
            future.as_mut().poll(cx)
        })
    }

    /// Wraps a stream of this connection.
    pub(crate) fn metered<S>(&self, stream: S) -> Metered<S> {
        Metered { stream, turn: self.clone() }
    }

    /// Counts something that costs as much as a read.
    pub(crate) fn spend_read(&self) {
        self.spend(0);
    }

    /// Ends the turn's reading: work that isn't reading has taken its time.
    #[cfg(feature = "deflate")]
    pub(crate) fn end_reading(&self) {
        self.0.read.store(0, Ordering::Relaxed);
    }

    /// Returns the bytes of a delivered frame to the turn: the caller limits the frames that it takes. The turn
    /// keeps counting the bytes around frames, and those of an incomplete frame.
    pub(crate) fn give_back(&self, bytes: usize) {
        let left = self.0.read.load(Ordering::Relaxed).saturating_add(bytes);
        self.0.read.store(left.min(MAX_READ), Ordering::Relaxed);
    }

    pub(crate) fn may_read(&self) -> bool {
        self.0.read.load(Ordering::Relaxed) > 0
    }

    /// Returns the number of bytes that may be read; if there are none, the task is woken for its next turn.
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>) -> Poll<usize> {
        let left = self.0.read.load(Ordering::Relaxed);
        if left > 0 {
            return Poll::Ready(left);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The number of bytes read and written so far, which begins again at some time.
    #[cfg(feature = "longpoll")]
    pub(crate) fn moved(&self) -> usize {
        self.0.moved.load(Ordering::Relaxed)
    }

    fn note(&self, moved: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = moved {
            let before = self.0.moved.load(Ordering::Relaxed);
            self.0.moved.store(before.wrapping_add(*bytes), Ordering::Relaxed);
        }
    }

    /// Waits until bytes may be read, and so for the next turn if there are none.
    pub(crate) async fn wait_to_read(&self) {
        poll_fn(|cx| self.poll_read(cx)).await;
    }

    /// Counts bytes that were read, or cost as much.
    pub(crate) fn spend(&self, bytes: usize) {
        let cost = bytes.max(MAX_READ / MAX_READS);
        let left = self.0.read.load(Ordering::Relaxed).saturating_sub(cost);
        self.0.read.store(left, Ordering::Relaxed);
    }

    fn poll_write(&self, cx: &mut Context<'_>) -> Poll<()> {
        let left = self.0.writes.load(Ordering::Relaxed);
        if left > 0 {
            self.0.writes.store(left - 1, Ordering::Relaxed);
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A stream that is pending once its connection's turn is spent.
#[derive(Debug)]
pub(crate) struct Metered<S> {
    stream: S,
    turn: Turn,
}

impl<S> Metered<S> {
    pub(crate) fn into_inner(self) -> S {
        self.stream
    }

    /// The connection's turn.
    pub(crate) fn turn(&self) -> &Turn {
        &self.turn
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let left = ready!(this.turn.poll_read(cx));
        let room = buffer.len().min(left);
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer.split_at_mut(room).0);
        if let Poll::Ready(Ok(len)) = read {
            this.turn.spend(len);
        }
        this.turn.note(&read);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.turn.poll_write(cx));
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.turn.note(&written);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.turn.poll_write(cx));
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, buffers);
        this.turn.note(&written);
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_close(cx)
    }
}
