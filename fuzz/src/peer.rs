//! A peer that sends the fuzzer's bytes, with limits on the reads of one poll, and a runtime for transports.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake};

use async_tungstenite::tungstenite::handshake::derive_accept_key;
use futures::{AsyncRead, AsyncWrite};
use phx_client::dial::Dialer;
use phx_client::{BoxFuture, CloseCause, Runtime};
use phx_proto::Instant;

/// Placeholder of the right `Sec-WebSocket-Accept` in a server's bytes.
const ACCEPT: &[u8] = b"{accept}";

/// Largest number of reads in one poll. A turn has 32, and half as many again for the frames that it returns; the poll
/// in which one step ends and the next begins has two turns.
const MAX_READS: usize = 2 * 48;

/// Largest number of bytes read in one poll: 16 KiB a turn, and those that are read ahead.
const MAX_BYTES: usize = 2 * (16 << 10) + (64 << 10);

/// A peer that sends the fuzzer's bytes. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Peer(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    said: Vec<u8>,
    next: usize,
    sizes: Vec<usize>,
    ends: bool,
    /// True until the first read, at which the request is complete.
    is_first: bool,
    heard: Vec<u8>,
    reads: usize,
    bytes: usize,
}

/// Returns the sizes of pieces, one for each digit.
pub(crate) fn sizes(digits: &[u8]) -> Vec<usize> {
    const SIZES: [usize; 10] = [usize::MAX, 1, 2, 3, 5, 8, 64, 65, 511, 4096];
    digits.iter().map(|digit| SIZES[usize::from(digit % 10)]).collect()
}

impl Peer {
    /// Creates a peer whose pieces have these sizes in turns. After the last byte its stream ends or stalls.
    pub(crate) fn new(said: Vec<u8>, sizes: &[usize], ends: bool) -> Self {
        let (sizes, heard) = (sizes.to_vec(), Vec::new());
        let (next, is_first, reads, bytes) = (0, true, 0, 0);
        Peer(Arc::new(Mutex::new(State { said, next, sizes, ends, is_first, heard, reads, bytes })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Returns the number of bytes that weren't read.
    pub(crate) fn unread(&self) -> usize {
        self.state().said.len()
    }

    /// Returns the number of bytes that were written to it.
    pub(crate) fn heard(&self) -> usize {
        self.state().heard.len()
    }

    /// Polls as [`run`] does, and checks the limits of each poll.
    pub(crate) fn run<T>(
        &self,
        limit: usize,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        run(limit, |cx| {
            {
                let mut state = self.state();
                (state.reads, state.bytes) = (0, 0);
            }
            let polled = poll(cx);
            let state = self.state();
            assert!(state.reads <= MAX_READS, "{} reads in one poll", state.reads);
            assert!(state.bytes <= MAX_BYTES, "{} bytes in one poll", state.bytes);
            polled
        })
    }
}

impl AsyncRead for Peer {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        let state = &mut *state;
        if state.is_first {
            answer_key(&mut state.said, &state.heard);
            state.is_first = false;
        }
        if state.said.is_empty() && !state.ends {
            return Poll::Pending;
        }
        let size = state.sizes.get(state.next).copied().unwrap_or(usize::MAX);
        state.next = (state.next + 1) % state.sizes.len().max(1);
        let count = size.min(buffer.len()).min(state.said.len());
        buffer[..count].copy_from_slice(&state.said[..count]);
        state.said.drain(..count);
        state.reads += 1;
        state.bytes += count;
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Peer {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.state().heard.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Dialer for Peer {
    type Stream = Peer;

    fn dial(&self, _: &str, _: u16) -> BoxFuture<Result<Peer, CloseCause>> {
        let peer = self.clone();
        Box::pin(async { Ok(peer) })
    }
}

/// Returns the position of the placeholder for the answer to the request's key.
pub(crate) fn place_of_key(said: &[u8]) -> Option<usize> {
    said.windows(ACCEPT.len()).position(|window| window == ACCEPT)
}

/// Replaces the placeholder by the answer to the request's key.
fn answer_key(said: &mut Vec<u8>, heard: &[u8]) {
    let Some(at) = place_of_key(said) else {
        return;
    };
    let heard = String::from_utf8_lossy(heard);
    let key = heard.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
    if let Some(key) = key {
        let accept = derive_accept_key(key.as_bytes());
        said.splice(at..at + ACCEPT.len(), accept.into_bytes());
    }
}

/// A runtime on which no time passes. Its timers complete when they are polled, or never.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Timers {
    AtOnce,
    Never,
}

impl Runtime for Timers {
    fn now(&self) -> Instant {
        Instant::EPOCH
    }

    fn timer(&self, _: Instant) -> BoxFuture<()> {
        Box::pin(*self)
    }

    fn spawn(&self, _: BoxFuture<()>) {
        panic!("a transport needs no tasks");
    }
}

impl Future for Timers {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match *self {
            Timers::AtOnce => Poll::Ready(()),
            Timers::Never => Poll::Pending,
        }
    }
}

/// Polls until it is ready. Returns `None` if it is pending and its waker wasn't called.
fn run<T>(limit: usize, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Arc::clone(&woken).into();
    for _ in 0..limit {
        match poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(ready) => return Some(ready),
            Poll::Pending if woken.0.swap(false, Ordering::Relaxed) => {}
            Poll::Pending => return None,
        }
    }
    panic!("polled {limit} times without an end");
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
