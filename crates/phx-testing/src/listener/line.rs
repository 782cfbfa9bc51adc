//! The line between a client and the listener: bytes pass both ways, as far as its faults let them.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::future;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    /// Each way.
    pub(super) latency: Duration,
    /// What is sent is held back.
    pub(super) stalled: bool,
    /// What is sent vanishes, and neither side learns of the other's end.
    pub(super) half_open: bool,
    /// It is reset now.
    pub(super) cut: bool,
    /// It is reset when the server's side has ended and all it sent has passed.
    pub(super) reset_at_end: bool,
}

/// The bytes that a line takes before its sender has to wait.
const CAPACITY: usize = 16 * 1024 * 1024;
const READ_SIZE: usize = 16 * 1024;

/// Carries bytes between a client and the server's side, until both have ended or the line is cut.
pub(super) async fn carry(
    mut client: TcpStream,
    server: DuplexStream,
    mut faults: watch::Receiver<Faults>,
) {
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let (mut from_client, mut to_client) = client.split();
    let up = carry_one_way(&mut from_client, &mut to_server, faults.clone());
    let down = carry_one_way(&mut from_server, &mut to_client, faults.clone());
    // The server's side closes both ways at once, unless the client can't learn of it.
    let down = async {
        match down.await {
            Ok(End::Told) => Err(false),
            Ok(End::Vanished) => Ok(()),
            Err(_) => Err(true),
        }
    };
    let up = async { up.await.map_or(Err(true), |_| Ok(())) };
    let reset = tokio::select! {
        biased;
        // An error means that nobody can cut it any more, and then it has ended.
        _ = faults.wait_for(|faults| faults.cut) => true,
        ended = future::try_join(up, down) => ended.err().unwrap_or_default(),
    };
    if reset {
        // The peer gets a reset at once instead of an orderly end.
        let _ = client.set_zero_linger();
    }
}

/// Whether the end of one side was told to the other.
enum End {
    Told,
    Vanished,
}

/// Ends without an error once the reader has ended, and that has been passed on as far as the
/// faults let it.
async fn carry_one_way(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    mut faults: watch::Receiver<Faults>,
) -> io::Result<End> {
    let mut way = Way::default();
    let mut buffer = BytesMut::new();
    loop {
        let Faults { latency, stalled, half_open, reset_at_end, .. } = *faults.borrow_and_update();
        if half_open {
            if way.ended {
                return Ok(End::Vanished);
            }
            way.clear();
        }
        let next = way.next_arrival().filter(|_| !stalled);
        buffer.reserve(READ_SIZE);
        tokio::select! {
            changed = faults.changed() => if changed.is_err() {
                return Err(io::ErrorKind::BrokenPipe.into());
            },
            () = arrival(next), if next.is_some() => match way.take() {
                Some(bytes) => to.write_all(&bytes).await?,
                None if reset_at_end => return Err(io::ErrorKind::ConnectionReset.into()),
                None => return to.shutdown().await.map(|()| End::Told),
            },
            read = from.read_buf(&mut buffer), if way.has_room() => match read {
                Ok(0) => way.end(latency),
                Ok(_) => way.depart(latency, buffer.split().freeze()),
                Err(error) if !half_open => return Err(error),
                Err(_) => way.ended = true,
            },
        }
    }
}

async fn arrival(at: Option<Instant>) {
    match at {
        Some(at) if at > Instant::now() => tokio::time::sleep_until(at).await,
        _ => {}
    }
}

/// What is on its way in one direction, and when it arrives.
#[derive(Default)]
struct Way {
    flights: VecDeque<(Instant, Option<Bytes>)>,
    bytes: usize,
    ended: bool,
}

impl Way {
    fn depart(&mut self, latency: Duration, bytes: Bytes) {
        self.bytes += bytes.len();
        self.push(latency, Some(bytes));
    }

    fn end(&mut self, latency: Duration) {
        self.ended = true;
        self.push(latency, None);
    }

    /// Nothing overtakes: a shorter latency than before counts from the last arrival.
    fn push(&mut self, latency: Duration, flight: Option<Bytes>) {
        let arrival = Instant::now() + latency;
        let last = self.flights.back().map(|(at, _)| *at);
        self.flights.push_back((last.map_or(arrival, |last| arrival.max(last)), flight));
    }

    fn next_arrival(&self) -> Option<Instant> {
        self.flights.front().map(|(at, _)| *at)
    }

    /// The bytes that arrive next; `None` at the end.
    fn take(&mut self) -> Option<Bytes> {
        let bytes = self.flights.pop_front().and_then(|(_, bytes)| bytes)?;
        self.bytes -= bytes.len();
        Some(bytes)
    }

    fn clear(&mut self) {
        self.flights.clear();
        self.bytes = 0;
    }

    fn has_room(&self) -> bool {
        !self.ended && self.bytes < CAPACITY
    }
}
