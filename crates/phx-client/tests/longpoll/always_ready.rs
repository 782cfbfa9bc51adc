//! Servers whose bytes are always ready: a poll reads some of them, and lets others run.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::{AsyncRead, AsyncWrite};
use phx_client::dial::Dialer;
use phx_client::longpoll::LongPollConfig;
use phx_client::{
    Attempt, BoxFuture, CloseCause, Connector, Endpoint, StreamConnector, TransportKind,
};

use crate::common::TestRuntime;

/// Says something once, and then something else without end.
#[derive(Clone, Debug)]
struct Endless {
    once: &'static str,
    again: &'static str,
    at: usize,
    /// Bytes said at a time.
    piece: usize,
    bytes: Arc<AtomicUsize>,
    reads: Arc<AtomicUsize>,
    /// The client, as long as it hasn't said anything.
    silent: Option<Waker>,
}

impl Dialer for Endless {
    type Stream = Endless;

    fn dial(&self, _: &str, _: u16) -> BoxFuture<Result<Endless, CloseCause>> {
        let stream = self.clone();
        Box::pin(async { Ok(stream) })
    }
}

impl AsyncRead for Endless {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(silent) = &mut self.silent {
            silent.clone_from(cx.waker());
            return Poll::Pending;
        }
        let len = buffer.len().min(self.piece);
        let mut said = 0;
        while said < len {
            let (text, at) = match self.at.checked_sub(self.once.len()) {
                None => (self.once, self.at),
                Some(after) => (self.again, after % self.again.len()),
            };
            let count = (text.len() - at).min(len - said);
            buffer[said..said + count].copy_from_slice(&text.as_bytes()[at..at + count]);
            said += count;
            self.at += count;
        }
        self.bytes.fetch_add(said, Ordering::Relaxed);
        assert!(self.reads.fetch_add(1, Ordering::Relaxed) < 1_000_000, "one poll has no end");
        Poll::Ready(Ok(said))
    }
}

impl AsyncWrite for Endless {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(waker) = self.silent.take() {
            waker.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Counts its wakes.
pub(crate) struct Wakes(pub(crate) AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_poll_reads_so_much_and_lets_others_run() {
    const OK: &str = "HTTP/1.1 200 OK\r\n";
    for (once, again, ends) in [
        ("", "HTTP/1.1 103 Early Hints\r\n\r\n", true),
        ("", "\r\n", true),
        (OK, "a: b\r\n", true),
        ("HTTP/1.1 200 OK\r\n\r\n", "0123456789", true),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\nx\r\n", true),
        ("HTTP/1.1 403 No\r\n\r\n", "0123456789", true),
    ] {
        for piece in [1, 7, 100_000] {
            let (bytes, reads): (Arc<AtomicUsize>, Arc<AtomicUsize>) = Default::default();
            let peer = Endless {
                once,
                again,
                at: 0,
                piece,
                bytes: bytes.clone(),
                reads: reads.clone(),
                silent: Some(Waker::noop().clone()),
            };
            let mut config = LongPollConfig::default();
            config.max_answer_size = 2_000;
            let connector = StreamConnector::new(peer).with_long_poll_config(config);
            let request = Endpoint::parse("ws://server.test/socket").unwrap().request("2.0.0");
            let mut attempt = Attempt::new(request, TestRuntime::new());
            attempt.transport = TransportKind::LongPoll;
            let mut attempt = connector.connect(attempt);
            let (mut polls, mut is_over) = (0, false);
            while !is_over && polls < if ends { 5_000 } else { 300 } {
                let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
                let waker = Waker::from(wakes.clone());
                bytes.store(0, Ordering::Relaxed);
                reads.store(0, Ordering::Relaxed);
                is_over = attempt.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
                let (bytes, reads) = (bytes.load(Ordering::Relaxed), reads.load(Ordering::Relaxed));
                assert!(bytes <= 24 << 10 && reads <= 40, "{bytes} bytes, {reads} reads: {again}");
                assert!(is_over || wakes.0.load(Ordering::Relaxed) > 0, "it waits: {again}");
                polls += 1;
            }
            assert_eq!(is_over, ends, "{again:?} after {polls} polls");
        }
    }
}
