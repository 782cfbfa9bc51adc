//! A ring in memory: the latest entries of a session, made into lines when they are asked for.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use phx_proto::{Config, Socket};

use crate::entry::{Entry, Name};
use crate::header::Header;
use crate::log::{Log, PACKED_BYTES, Packed};
use crate::options::RecordingOptions;
#[cfg(not(target_family = "wasm"))]
use crate::output::create;
use crate::output::line;
use crate::recorder::record;
use crate::sink::Sink;
use crate::time::Time;

/// Bytes of memory of a ring by default.
const RING_BYTES: usize = 4 << 20;

/// The limits of a [`Ring`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RingLimits {
    /// Most bytes of memory that the entries take. Default: 4 MiB.
    pub max_bytes: usize,
    /// Longest time from the oldest to the newest entry; `None`: any. Default: `None`.
    pub max_age: Option<Duration>,
}

impl Default for RingLimits {
    fn default() -> Self {
        RingLimits { max_bytes: RING_BYTES, max_age: None }
    }
}

impl RingLimits {
    /// Limits of this many bytes, and of any age.
    #[must_use]
    pub const fn bytes(max_bytes: usize) -> Self {
        RingLimits { max_bytes, max_age: None }
    }

    /// The same limits, and no entry older than this.
    #[must_use]
    pub const fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }
}

/// The latest entries of a session's recording, in memory.
///
/// While nothing has left it the dump is the recording of the whole session, which can be [replayed](crate::replay). After
/// that it begins with a gap, and can be shown but not replayed.
///
/// A `Ring` is a handle: clones are of the same ring. It can be dumped while the session goes on, from any thread, and
/// after the socket is gone; from a panic hook of the program too, unless the panic was in the dump itself.
///
/// # Examples
///
/// ```
/// use phx_proto::{Config, Instant};
/// use phx_recorder::{RecordingOptions, Ring, RingLimits, replay};
///
/// let ring = Ring::new(RingLimits::default());
/// let mut socket = ring.record(Config::default(), 42, RecordingOptions::default());
/// socket.connect(Instant::EPOCH);
/// drop(socket);
///
/// let recording = ring.dump();
/// let replayed = replay(&recording[..])?;
/// assert!(replayed.is_complete);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Ring(Arc<Mutex<State>>);

struct State {
    limits: RingLimits,
    header: Option<Header>,
    entries: Log,
    /// Names whose entries have left.
    names: BTreeMap<u32, Entry>,
    /// The time of the oldest entry, once there is one, and of the newest.
    oldest: Option<Time>,
    newest: Time,
    /// Entries that have left.
    left: u64,
}

impl Ring {
    /// A ring with nothing in it.
    #[must_use]
    pub fn new(limits: RingLimits) -> Self {
        Ring(Arc::new(Mutex::new(State::new(limits, None))))
    }

    /// Makes a socket, as [`Socket::new`] does, whose session this ring records. Another session that it held is dropped.
    #[must_use]
    pub fn record(&self, config: Config, seed: u64, options: RecordingOptions) -> Socket {
        record(config, seed, options, Writer(self.clone()))
    }

    /// The recording: lines of JSON.
    #[must_use]
    pub fn dump(&self) -> Vec<u8> {
        let mut lines = Vec::new();
        // Memory takes everything.
        let _ = self.dump_to(&mut lines);
        lines
    }

    /// Writes the recording. The session goes on meanwhile: what the ring held at the call is copied first.
    ///
    /// # Errors
    ///
    /// That of `writer`.
    pub fn dump_to(&self, mut writer: impl Write) -> io::Result<()> {
        let (header, first, mut entries) = {
            let state = self.lock();
            let Some(header) = state.header.clone() else { return Ok(()) };
            (header, state.first(), state.entries.clone())
        };
        line(&mut writer, &header)?;
        let entries = std::iter::from_fn(|| entries.pop());
        for entry in first.into_iter().chain(entries) {
            line(&mut writer, &entry)?;
        }
        writer.flush()
    }

    /// Writes the recording to a file that doesn't exist yet, readable and writable for its owner alone.
    ///
    /// # Errors
    ///
    /// That of the operating system: [`AlreadyExists`](io::ErrorKind::AlreadyExists) if there is a file of this name, or
    /// a link, which is never followed.
    #[cfg(not(target_family = "wasm"))]
    pub fn dump_to_file(&self, path: impl AsRef<std::path::Path>) -> io::Result<()> {
        self.dump_to(io::BufWriter::new(create(path.as_ref())?))
    }

    /// The memory that the entries take, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.lock().entries.bytes()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The memory that it takes: payloads may be in the entries.
impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

impl State {
    fn new(limits: RingLimits, header: Option<Header>) -> Self {
        State {
            limits,
            header,
            entries: Log::default(),
            names: BTreeMap::new(),
            oldest: None,
            newest: Time::default(),
            left: 0,
        }
    }

    /// What stands before the entries that are left.
    fn first(&self) -> Vec<Entry> {
        if self.left == 0 {
            return Vec::new();
        }
        let names = self.names.values().cloned();
        let at = self.oldest.map(Entry::At);
        [Entry::Gap(self.left)].into_iter().chain(names).chain(at).collect()
    }

    #[inline]
    fn add_deliveries(&mut self, count: u32) {
        (0..count).for_each(|_| self.add_packed(&Packed::DELIVERED));
    }

    #[inline]
    fn add_packed(&mut self, packed: &Packed) {
        self.entries.push_packed(packed);
        // The time is as it was.
        if self.is_full() {
            self.drop_oldest();
        }
    }

    /// True if the longest packed entry would be too many bytes.
    #[inline]
    fn is_full(&self) -> bool {
        self.entries.bytes().saturating_add(PACKED_BYTES) > self.limits.max_bytes
    }

    fn is_old(&self) -> bool {
        let age = |oldest: Time| self.newest.0.saturating_sub(oldest.0);
        self.limits.max_age.zip(self.oldest).is_some_and(|(max, oldest)| age(oldest) > max)
    }

    fn drop_oldest(&mut self) {
        while (self.is_full() || self.is_old()) && !self.entries.is_empty() {
            let entry = self.entries.drop_first();
            match &entry {
                Some(Entry::At(at)) => self.oldest = Some(*at),
                Some(Entry::Name(Name(number, _)) | Entry::CutName(Name(number, _))) => {
                    let number = *number;
                    self.names.extend(entry.map(|name| (number, name)));
                }
                _ => {}
            }
            self.left = self.left.saturating_add(1);
        }
        self.entries.shrink();
    }
}

struct Writer(Ring);

impl Sink for Writer {
    fn begin(&mut self, header: Header) {
        let mut state = self.0.lock();
        *state = State::new(state.limits, Some(header));
    }

    fn add(&mut self, deliveries: u32, entry: Entry) {
        let mut state = self.0.lock();
        state.add_deliveries(deliveries);
        if let Entry::At(at) = entry {
            state.newest = at;
            state.oldest.get_or_insert(at);
        }
        state.entries.push(entry);
        if state.is_full() || state.is_old() {
            state.drop_oldest();
        }
    }

    fn add_message(&mut self, deliveries: u32, message: &Packed) {
        let mut state = self.0.lock();
        state.add_deliveries(deliveries);
        state.add_packed(message);
    }
}
