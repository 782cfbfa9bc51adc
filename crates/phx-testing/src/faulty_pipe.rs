//! Pipe between a client and a server: bytes pass both ways, as its faults allow.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::future;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::Instant;

/// Faults of a pipe.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// Delay of each direction.
    pub(crate) latency: Duration,
    /// Sent bytes are held back.
    pub(crate) stalled: bool,
    /// It is reset now.
    pub(crate) cut: bool,
    /// The stream to each side is ended.
    pub(crate) ended: bool,
    /// It is reset when the server's side has ended and all it sent has passed.
    pub(crate) reset_at_end: bool,
    /// Bytes behind the answer that upgrades the connection to a WebSocket vanish, in both directions.
    pub(crate) swallows_frames: bool,
    pub(crate) to_server: WayFaults,
    pub(crate) to_client: WayFaults,
}

/// Faults of one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WayFaults {
    /// Sent bytes vanish, and the receiver doesn't learn of the sender's end.
    pub(crate) vanishes: bool,
    /// Number of bytes, from the beginning, after which the pipe is reset.
    pub(crate) cut_at: Option<u64>,
    /// The byte whose highest bit is flipped, counted from the beginning.
    pub(crate) alter_at: Option<u64>,
}

impl Faults {
    pub(crate) fn half_open(&mut self) {
        self.to_server.vanishes = true;
        self.to_client.vanishes = true;
    }

    pub(crate) fn is_half_open(&self) -> bool {
        self.to_server.vanishes && self.to_client.vanishes
    }
}

/// Number of bytes that have passed in each direction.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    pub(crate) to_server: AtomicU64,
    pub(crate) to_client: AtomicU64,
    /// The answer that upgrades the connection to a WebSocket has passed.
    upgraded: AtomicBool,
}

/// Search for the end of the first answer's head.
#[derive(Debug, Default)]
enum Answer {
    /// Its bytes so far.
    #[default]
    None,
    Head(Vec<u8>),
    Passed,
}

/// Largest head that is searched.
const MAX_HEAD: usize = 64 * 1024;

impl Answer {
    /// Looks at the next bytes of the server. Returns how many of them belong to the head of an upgrade, if it ends in
    /// them.
    fn upgrade_ends(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut head = match std::mem::take(self) {
            Answer::None => Vec::new(),
            Answer::Head(head) => head,
            Answer::Passed => {
                *self = Answer::Passed;
                return None;
            }
        };
        let before = head.len();
        head.extend_from_slice(bytes);
        let end = head.windows(4).position(|end| end == b"\r\n\r\n").map(|at| at + 4);
        *self = match end {
            None if head.len() < MAX_HEAD => Answer::Head(head),
            None | Some(_) => {
                let upgrades = head.starts_with(b"HTTP/1.1 101 ");
                *self = Answer::Passed;
                return end.filter(|_| upgrades).map(|end| end.saturating_sub(before));
            }
        };
        None
    }
}

/// Pipe with faults, for the task that carries its bytes.
pub(crate) struct FaultyPipe<N> {
    pub(crate) faults: watch::Receiver<Faults>,
    pub(crate) passed: Arc<Passed>,
    /// The bytes that it takes each way before their sender has to wait.
    pub(crate) capacity: usize,
    /// True if the server's end closes both directions.
    pub(crate) server_ends_both: bool,
    /// Called after a byte was altered.
    pub(crate) altered: N,
}

/// End of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Both sides ended.
    Orderly,
    /// A fault cut it.
    Cut,
    /// One side failed.
    Failed,
}

impl Ended {
    /// Returns true if the other side must be reset.
    pub(crate) fn is_reset(self) -> bool {
        self != Ended::Orderly
    }
}

const READ_SIZE: usize = 16 * 1024;

/// Carries bytes between a client and the server's side, until both have ended or the line is cut.
pub(crate) async fn carry(
    client: (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    server: (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    line: FaultyPipe<impl Fn()>,
) -> Ended {
    let mut up = Way {
        queue: Queue::new(line.capacity),
        faults: line.faults.clone(),
        of: |faults| faults.to_server,
        passed: &line.passed.to_server,
        upgraded: &line.passed.upgraded,
        answer: Answer::Passed,
        altered: &line.altered,
    };
    let mut down = Way {
        queue: Queue::new(line.capacity),
        faults: line.faults.clone(),
        of: |faults| faults.to_client,
        passed: &line.passed.to_client,
        upgraded: &line.passed.upgraded,
        answer: Answer::None,
        altered: &line.altered,
    };
    let up = async { up.carry(client.0, server.1).await.map(drop) };
    let down = async {
        match down.carry(server.0, client.1).await? {
            // The client has seen the end; what it sends from here on has no receiver.
            true if line.server_ends_both => Err(Ended::Orderly),
            true | false => Ok(()),
        }
    };
    let mut faults = line.faults.clone();
    tokio::select! {
        biased;
        // An error means that the command's side is gone, and then it has ended.
        _ = faults.wait_for(|faults| faults.cut) => Ended::Cut,
        ended = future::try_join(up, down) => ended.err().unwrap_or(Ended::Orderly),
    }
}

/// One direction of a line.
struct Way<'a, N> {
    queue: Queue,
    faults: watch::Receiver<Faults>,
    of: fn(&Faults) -> WayFaults,
    passed: &'a AtomicU64,
    upgraded: &'a AtomicBool,
    /// The server's first answer, in its direction.
    answer: Answer,
    altered: &'a N,
}

impl<N: Fn()> Way<'_, N> {
    /// Ends without an error once the reader has ended, and that has been passed on as far as the
    /// faults let it; returns whether it was.
    async fn carry(
        &mut self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) -> Result<bool, Ended> {
        let mut buffer = BytesMut::with_capacity(READ_SIZE);
        let mut shut = false;
        loop {
            let faults = *self.faults.borrow_and_update();
            if faults.ended && !shut {
                shut = true;
                // It fails if the receiver has ended too.
                let _ = to.shutdown().await;
            }
            let vanishes = shut || (self.of)(&faults).vanishes;
            if vanishes {
                if self.queue.ended {
                    return Ok(shut);
                }
                self.queue.clear();
            }
            let next = self.queue.next_arrival().filter(|_| !faults.stalled);
            tokio::select! {
                changed = self.faults.changed() => if changed.is_err() {
                    return Err(Ended::Failed);
                },
                () = arrival(next), if next.is_some() => match self.queue.take() {
                    Some(bytes) => self.pass(bytes, &mut to).await?,
                    None if faults.reset_at_end => return Err(Ended::Cut),
                    None => {
                        return to.shutdown().await.map(|()| true).map_err(|_| Ended::Failed);
                    }
                },
                read = from.read_buf(&mut buffer), if self.queue.has_room() => match read {
                    Ok(0) => self.queue.end(faults.latency),
                    Ok(_) => {
                        self.queue.depart(faults.latency, &buffer);
                        buffer.clear();
                    }
                    Err(_) if vanishes => self.queue.ended = true,
                    Err(_) => return Err(Ended::Failed),
                },
            }
        }
    }

    /// Passes bytes on, altered, or as far as the line goes.
    async fn pass(
        &mut self,
        mut bytes: Bytes,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), Ended> {
        let faults = *self.faults.borrow();
        let WayFaults { cut_at, alter_at, .. } = (self.of)(&faults);
        let was_upgraded = self.upgraded.load(Ordering::Relaxed);
        let head = self.answer.upgrade_ends(&bytes);
        if head.is_some() {
            self.upgraded.store(true, Ordering::Relaxed);
        }
        if faults.swallows_frames {
            bytes.truncate(if was_upgraded { 0 } else { head.unwrap_or(usize::MAX) });
        }
        let passed = self.passed.load(Ordering::Relaxed);
        // Offset within these bytes.
        let place = |at: u64| usize::try_from(at.saturating_sub(passed)).unwrap_or(usize::MAX);
        let cut = cut_at.map(place).filter(|at| *at <= bytes.len());
        if let Some(at) = cut {
            bytes.truncate(at);
        }
        let due = alter_at.filter(|at| *at >= passed).map(place);
        if let Some(at) = due.filter(|at| *at < bytes.len()) {
            let mut altered = bytes.to_vec();
            if let Some(byte) = altered.get_mut(at) {
                *byte ^= 0x80;
            }
            bytes = altered.into();
            (self.altered)();
        }
        // Counted first: a receiver of these bytes may read the count next.
        self.passed.fetch_add(bytes.len().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
        to.write_all(&bytes).await.map_err(|_| Ended::Failed)?;
        if cut.is_some() { Err(Ended::Cut) } else { Ok(()) }
    }
}

async fn arrival(at: Option<Instant>) {
    match at {
        Some(at) if at > Instant::now() => tokio::time::sleep_until(at).await,
        _ => {}
    }
}

/// Bytes on their way in one direction, and when they arrive.
struct Queue {
    flights: VecDeque<(Instant, Option<Bytes>)>,
    bytes: usize,
    capacity: usize,
    ended: bool,
}

impl Queue {
    fn new(capacity: usize) -> Self {
        Queue { flights: VecDeque::new(), bytes: 0, capacity, ended: false }
    }

    /// Copies the bytes, so that those on their way take no more memory than their length.
    fn depart(&mut self, latency: Duration, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.push(latency, Some(Bytes::copy_from_slice(bytes)));
    }

    fn end(&mut self, latency: Duration) {
        self.ended = true;
        self.push(latency, None);
    }

    /// Bytes don't overtake: a shorter latency than before counts from the last arrival.
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
        !self.ended && self.bytes < self.capacity
    }
}

#[cfg(test)]
mod tests {
    use allocation_counter::measure;
    use tokio::io::duplex;

    use super::*;

    #[test]
    fn what_is_held_back_takes_as_much_memory_as_it_is_long() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let held = measure(|| {
            runtime.block_on(async {
                let (mut client, near) = duplex(64);
                let (_server, far) = duplex(64);
                let (_faults, faults) =
                    watch::channel(Faults { stalled: true, ..Faults::default() });
                let line = FaultyPipe {
                    faults,
                    passed: Arc::default(),
                    capacity: 1 << 20,
                    server_ends_both: false,
                    altered: || {},
                };
                let carried = carry(tokio::io::split(near), tokio::io::split(far), line);
                let sent = async {
                    for _ in 0..1_000 {
                        // Small writes: the other side reads each before the next.
                        client.write_all(&[0; 64]).await.unwrap();
                    }
                };
                tokio::select! {
                    ended = carried => panic!("{ended:?}"),
                    () = sent => {}
                }
            });
        });
        // Per chunk its bytes and its entry, and the buffers for reading.
        let most = 1_000 * (64 + 200) + 4 * READ_SIZE as u64;
        assert!(held.bytes_max > 64_000 && held.bytes_max < most, "{held:?}");
    }
}
