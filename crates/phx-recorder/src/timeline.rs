//! What happened in a recorded session, in words, and its replay beside that.

use std::fmt;
use std::io::BufRead;
use std::sync::Arc;
use std::time::Duration;

use phx_proto::Serializer;

use crate::entry::{Entry, Event};
use crate::reader::{ReadError, Reader};
use crate::replay::{Replay, ReplayError, Replayed};

mod happening;
mod state;
mod words;

pub use happening::{About, Happening, State};
use state::{is_failure, state_of};
pub use words::MAX_THINGS;
use words::Words;

/// Reads a recording as a timeline, and replays it at the same time.
///
/// A recording that can't be replayed, such as the dump of a ring that was full, still has a timeline.
///
/// # Examples
///
/// ```
/// use phx_proto::{Config, Instant};
/// use phx_recorder::{RecordingOptions, Ring, RingLimits, Timeline};
///
/// let ring = Ring::new(RingLimits::default());
/// ring.record(Config::default(), 42, RecordingOptions::default()).connect(Instant::EPOCH);
///
/// let recording = ring.dump();
/// let mut timeline = Timeline::new(&recording[..])?;
/// let first = timeline.next_happening()?.unwrap();
/// assert_eq!(first.words, "connect was called");
/// while timeline.next_happening()?.is_some() {}
/// assert!(timeline.replayed()?.is_complete);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a timeline has to be read"]
pub struct Timeline<R> {
    reader: Reader<R>,
    serializer: Option<Arc<dyn Serializer>>,
    replay: Option<Result<Replay, ReplayError>>,
    words: Words,
    start: Option<Duration>,
    now: Duration,
    is_at_end: bool,
}

impl<R: BufRead> Timeline<R> {
    /// Reads the first line of a recording.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn new(recording: R) -> Result<Self, ReadError> {
        Ok(Timeline {
            reader: Reader::new(recording)?,
            serializer: None,
            replay: None,
            words: Words::default(),
            start: None,
            now: Duration::ZERO,
            is_at_end: false,
        })
    }

    /// The name of the session's serializer, as its `Debug` gives it. It is what the recording says: escape it before you
    /// print it.
    #[must_use]
    pub fn serializer(&self) -> &str {
        &self.reader.header.serializer
    }

    /// Replays with this serializer. Otherwise the replay knows [`V1`](phx_proto::V1) and [`V2`](phx_proto::V2). It has no
    /// effect once something was read.
    pub fn with_serializer(mut self, serializer: Arc<dyn Serializer>) -> Self {
        self.serializer = Some(serializer);
        self
    }

    /// The next thing that happened; `None` at the end, which may be where the recording was cut.
    ///
    /// # Errors
    ///
    /// [`ReadError`]. A replay that fails isn't one, see [`parted`](Self::parted).
    pub fn next_happening(&mut self) -> Result<Option<Happening>, ReadError> {
        while let Some(entry) = self.reader.next_entry()? {
            let line = self.reader.line();
            if let Entry::At(at) = entry {
                self.now = at.0;
                self.start.get_or_insert(at.0);
            }
            let is_outcome = matches!(entry, Entry::Event(Event::RequestDone(..)));
            let (is_failure, state) = (is_failure(&entry), state_of(&entry));
            let happened = self.words.of(line, &entry);
            self.step(line, entry);
            if let Some((line, about, words)) = happened {
                let at = self.now.saturating_sub(self.start.unwrap_or(self.now));
                return Ok(Some(Happening {
                    line,
                    at,
                    about,
                    is_outcome,
                    is_failure,
                    state,
                    words,
                }));
            }
        }
        self.is_at_end = true;
        Ok(None)
    }

    /// The name of a channel, by its number: its topic, escaped and cut, or the number.
    #[must_use]
    pub fn channel(&self, number: u64) -> String {
        self.words.channel(number)
    }

    /// Why the replay has ended before the recording, if it has.
    #[must_use]
    pub fn parted(&self) -> Option<&ReplayError> {
        self.replay.as_ref().and_then(|replay| replay.as_ref().err())
    }

    /// The result of the replay up to where the recording was read.
    ///
    /// # Errors
    ///
    /// [`ReplayError`], as [`replay`](crate::replay) gives it.
    pub fn replayed(mut self) -> Result<Replayed, ReplayError> {
        self.begin();
        let line = self.reader.line();
        match self.replay {
            Some(Ok(replay)) if self.is_at_end => replay.end(line.saturating_sub(1)),
            Some(Ok(replay)) => Ok(replay.so_far(line)),
            Some(Err(error)) => Err(error),
            None => Err(ReplayError::Gap { line }),
        }
    }

    fn begin(&mut self) {
        if self.replay.is_none() {
            self.replay = Some(Replay::new(&self.reader.header, self.serializer.take()));
        }
    }

    fn step(&mut self, line: u64, entry: Entry) {
        self.begin();
        if let Some(Ok(replay)) = &mut self.replay
            && let Err(error) = replay.add(line, entry)
        {
            self.replay = Some(Err(error));
        }
    }
}

/// The time alone: payloads may be in the rest.
impl<R> fmt::Debug for Timeline<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeline").field("now", &self.now).finish_non_exhaustive()
    }
}
