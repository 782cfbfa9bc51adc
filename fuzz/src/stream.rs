//! A server that says what the fuzzer says, and the little that a transport needs of a runtime.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake};

use async_tungstenite::tungstenite::handshake::derive_accept_key;
use futures::{AsyncRead, AsyncWrite};
use phx_client::{BoxFuture, Runtime, Timer};
use phx_proto::Instant;

/// What stands for the right `Sec-WebSocket-Accept` in what a server says.
const ACCEPT: &[u8] = b"{accept}";

/// A stream on which the server says `said`, in pieces of so many bytes. Then it ends, or says
/// nothing any more.
#[derive(Debug)]
pub(crate) struct Server {
    said: Vec<u8>,
    piece: usize,
    stalls: bool,
    heard: Vec<u8>,
}

impl Server {
    pub(crate) fn new(said: &[u8], piece: usize, stalls: bool) -> Self {
        Server { said: said.to_vec(), piece, stalls, heard: Vec::new() }
    }
}

/// Where the answer to the request's key belongs.
pub(crate) fn place_of_key(said: &[u8]) -> Option<usize> {
    said.windows(ACCEPT.len()).position(|window| window == ACCEPT)
}

/// Puts in the answer to the request's key, once the request is there.
pub(crate) fn answer_key(said: &mut Vec<u8>, heard: &[u8]) {
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

impl AsyncRead for Server {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let server = &mut *self;
        answer_key(&mut server.said, &server.heard);
        if self.said.is_empty() && self.stalls {
            return Poll::Pending;
        }
        let count = self.piece.min(buffer.len()).min(self.said.len());
        buffer[..count].copy_from_slice(&self.said[..count]);
        self.said.drain(..count);
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Server {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.heard.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A runtime on which no time passes, but every timer goes off when somebody waits for it.
#[derive(Debug)]
pub(crate) struct Impatient;

impl Runtime for Impatient {
    fn now(&self) -> Instant {
        Instant::EPOCH
    }

    fn timer(&self, _: Instant) -> Pin<Box<dyn Timer>> {
        Box::pin(NoTime)
    }

    fn spawn(&self, _: BoxFuture<()>) {
        panic!("a transport needs no tasks");
    }
}

struct NoTime;

impl Future for NoTime {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

impl Timer for NoTime {
    fn reset(self: Pin<&mut Self>, _: Instant) {}
}

/// Polls until it is ready, or waits for something that won't happen: then `None`.
pub(crate) fn run<T>(limit: usize, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
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
