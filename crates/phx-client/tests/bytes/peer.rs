//! A peer with scripted bytes, and the work of the client's polls with it.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use async_tungstenite::tungstenite::handshake::derive_accept_key;
use futures::{AsyncRead, AsyncWrite};
use phx_client::dial::Dialer;
use phx_client::websocket::{self, WebSocketConfig, WebSocketTransport};
use phx_client::{Attempt, BoxFuture, CloseCause, Endpoint};

use crate::common::TestRuntime;

/// Largest number of reads and writes in one poll. The limits are 32 and 16; frames that are returned allow half as many
/// reads again, and errors and answers to a close need further writes.
const MAX_CALLS: usize = 48;

/// Largest number of bytes in one poll: 16 KiB, and those read ahead.
const MAX_BYTES: usize = (16 << 10) + (64 << 10);

/// Calls and bytes after which a poll counts as endless.
const ENDLESS: (usize, usize) = (100_000, 8 << 20);

/// The proper answer to an upgrade; the peer knows the key.
pub(crate) use crate::SWITCHING;

/// A peer that sends some bytes once, and then repeats others.
#[derive(Clone, Debug)]
pub(crate) struct Peer(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    once: Vec<u8>,
    again: Vec<u8>,
    next: usize,
    /// Bytes that it sends and reads at a time.
    piece: usize,
    hears: Hears,
    /// True if the stream ends after the last byte; otherwise it stalls.
    ends: bool,
    /// True if each piece needs two reads; `came` is true after the first of them.
    slow: bool,
    came: bool,
    heard: Vec<u8>,
    asked_for: Vec<(String, u16)>,
    reads: usize,
    writes: usize,
    bytes: usize,
}

/// How it reads the client's bytes.
#[derive(Debug)]
enum Hears {
    All,
    /// It reads nothing, but may later.
    Stalls,
    Nothing,
}

impl Peer {
    pub(crate) fn new(once: impl Into<Vec<u8>>, again: impl Into<Vec<u8>>, piece: usize) -> Self {
        let again = again.into();
        // Repeated so often that a large piece needs no loop.
        let again =
            again.repeat((64_usize << 10).checked_div(again.len()).map_or(0, |times| times + 1));
        let state = State {
            once: once.into(),
            again,
            next: 0,
            piece,
            hears: Hears::All,
            ends: false,
            slow: false,
            came: false,
            heard: Vec::new(),
            asked_for: Vec::new(),
            reads: 0,
            writes: 0,
            bytes: 0,
        };
        Peer(Arc::new(Mutex::new(state)))
    }

    /// Creates a peer that sends these bytes and ends the stream.
    pub(crate) fn saying(once: impl Into<Vec<u8>>) -> Self {
        let peer = Peer::new(once, "", usize::MAX);
        peer.ends();
        peer
    }

    /// Creates a peer that upgrades the connection first.
    pub(crate) fn websocket(first: &[u8], again: &[u8], piece: usize) -> Self {
        Peer::new([SWITCHING.as_bytes(), first].concat(), again, piece)
    }

    pub(crate) fn stream(&self) -> Stream {
        Stream(Arc::clone(&self.0))
    }

    /// Returns true if the client has dropped the stream.
    pub(crate) fn is_dropped(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    pub(crate) fn heard(&self) -> Vec<u8> {
        self.0.lock().unwrap().heard.clone()
    }

    pub(crate) fn takes_nothing_more(&self) {
        self.0.lock().unwrap().hears = Hears::Nothing;
    }

    pub(crate) fn stalls(&self) {
        self.0.lock().unwrap().hears = Hears::Stalls;
    }

    /// Makes its client wait before each piece.
    pub(crate) fn is_slow(&self) {
        self.0.lock().unwrap().slow = true;
    }

    /// Returns the hosts and ports for which it was dialed.
    pub(crate) fn asked_for(&self) -> Vec<(String, u16)> {
        self.0.lock().unwrap().asked_for.clone()
    }

    pub(crate) fn count_anew(&self) {
        let mut state = self.0.lock().unwrap();
        (state.reads, state.writes, state.bytes) = (0, 0, 0);
    }

    pub(crate) fn ends(&self) {
        self.0.lock().unwrap().ends = true;
    }

    /// Returns a transport over the stream.
    pub(crate) fn upgraded(&self, config: &WebSocketConfig) -> WebSocketTransport<Stream> {
        let attempt = attempt();
        let upgrading = websocket::upgrade(self.stream(), &attempt, config);
        let (upgraded, _) = self.in_turns(1_000, upgrading);
        upgraded.expect("it is answered").unwrap()
    }

    /// Polls the future while it wakes itself. Returns its output, and the number of polls.
    pub(crate) fn in_turns<F: Future>(
        &self,
        max_polls: usize,
        future: F,
    ) -> (Option<F::Output>, usize) {
        let mut future = pin!(future);
        for polls in 1..=max_polls {
            match self.turn(|cx| future.as_mut().poll(cx)) {
                Turn::Ready(output) => return (Some(output), polls),
                Turn::Woken => {}
                Turn::Waits => panic!("it waits for a peer that is ready"),
            }
        }
        (None, max_polls)
    }

    /// Polls once, and checks the limits of a poll.
    pub(crate) fn turn<T>(&self, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Turn<T> {
        let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&wakes));
        self.count_anew();
        let polled = poll(&mut Context::from_waker(&waker));
        let state = self.0.lock().unwrap();
        assert!(state.reads <= MAX_CALLS, "{} reads in one poll", state.reads);
        assert!(state.writes <= MAX_CALLS, "{} writes in one poll", state.writes);
        assert!(state.bytes <= MAX_BYTES, "{} bytes in one poll", state.bytes);
        match polled {
            Poll::Ready(output) => Turn::Ready(output),
            Poll::Pending if wakes.0.load(Ordering::Relaxed) > 0 => Turn::Woken,
            Poll::Pending => Turn::Waits,
        }
    }
}

#[derive(Debug)]
pub(crate) enum Turn<T> {
    Ready(T),
    /// It is pending, and has woken its task.
    Woken,
    Waits,
}

struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

pub(crate) fn attempt() -> Attempt {
    let request = Endpoint::parse("ws://server.test/socket").unwrap().request("2.0.0");
    crate::offering(Attempt::new(request, TestRuntime::new()))
}

/// A dialer with this peer as its stream.
impl Dialer for Peer {
    type Stream = Stream;

    fn dial(&self, host: &str, port: u16) -> BoxFuture<Result<Stream, CloseCause>> {
        self.0.lock().unwrap().asked_for.push((host.to_owned(), port));
        let stream = self.stream();
        Box::pin(async { Ok(stream) })
    }
}

#[derive(Debug)]
pub(crate) struct Stream(Arc<Mutex<State>>);

impl State {
    fn makes_wait(&mut self, cx: &Context<'_>) -> bool {
        self.came = self.slow && !self.came;
        if self.came {
            cx.waker().wake_by_ref();
        }
        self.came
    }

    fn count(&mut self, bytes: usize) {
        self.bytes += bytes;
        let is_endless = self.reads.max(self.writes) > ENDLESS.0 || self.bytes > ENDLESS.1;
        assert!(!is_endless, "one poll has no end");
    }

    fn answer_key(&mut self) {
        const ACCEPT: &[u8] = b"{accept}";
        let heard = String::from_utf8_lossy(&self.heard);
        let key = heard.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
        let at = self.once.windows(ACCEPT.len()).position(|window| window == ACCEPT);
        if let (Some(key), Some(at)) = (key, at) {
            let accept = derive_accept_key(key.as_bytes());
            self.once.splice(at..at + ACCEPT.len(), accept.into_bytes());
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock().unwrap();
        if state.makes_wait(cx) {
            return Poll::Pending;
        }
        if state.next == 0 {
            state.answer_key();
        }
        let said = match state.once.get(state.next..) {
            Some(rest) if !rest.is_empty() => rest,
            _ => &state.again[(state.next - state.once.len()) % state.again.len().max(1)..],
        };
        let count = said.len().min(buffer.len()).min(state.piece);
        buffer[..count].copy_from_slice(&said[..count]);
        if count == 0 && !state.ends {
            return Poll::Pending;
        }
        state.next += count;
        state.reads += 1;
        state.count(count);
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock().unwrap();
        if state.makes_wait(cx) {
            return Poll::Pending;
        }
        match state.hears {
            Hears::All => {}
            Hears::Stalls => return Poll::Pending,
            Hears::Nothing => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
        let count = bytes.len().min(state.piece);
        state.heard.extend_from_slice(&bytes[..count]);
        state.writes += 1;
        state.count(count);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
