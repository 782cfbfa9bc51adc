//! Replays: the inputs of a recording go into the core of this build, and what comes out is compared.

use std::io::BufRead;
use std::sync::Arc;

use phx_proto::{Serializer, V1, V2};

use crate::entry::{Entry, Returned};
use crate::header::Header;
use crate::reader::Reader;

mod error;
mod ids;
mod run;

pub use error::ReplayError;
pub use run::MAX_SENT;
use run::Run;

/// The result of a replay without differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replayed {
    /// The number of lines that were replayed, the header's included.
    pub lines: u64,
    /// The number of outputs that were compared.
    pub outputs: u64,
    /// `true` if the recording goes up to the end of its socket. Otherwise it was cut, by a crash for one.
    pub is_complete: bool,
}

/// Replays a recording of [`V1`] or [`V2`] into the core of this build, up to its end or its cut.
///
/// # Errors
///
/// [`ReplayError`]: above all [`Parted`](ReplayError::Parted) where the outputs are no longer the recorded ones.
pub fn replay(recording: impl BufRead) -> Result<Replayed, ReplayError> {
    run(Reader::new(recording)?, None)
}

/// As [`replay`], for a recording of a session with this serializer.
///
/// # Errors
///
/// [`ReplayError`].
pub fn replay_with(
    recording: impl BufRead,
    serializer: Arc<dyn Serializer>,
) -> Result<Replayed, ReplayError> {
    run(Reader::new(recording)?, Some(serializer))
}

fn known(header: &Header) -> Result<Arc<dyn Serializer>, ReplayError> {
    match &*header.serializer {
        "V1" => Ok(Arc::new(V1)),
        "V2" => Ok(Arc::new(V2)),
        name => Err(ReplayError::UnknownSerializer { name: name.to_owned() }),
    }
}

fn run(
    mut reader: Reader<impl BufRead>,
    serializer: Option<Arc<dyn Serializer>>,
) -> Result<Replayed, ReplayError> {
    let mut replay = Replay::new(&reader.header, serializer)?;
    while let Some(entry) = reader.next_entry()? {
        replay.add(reader.line(), entry)?;
    }
    replay.end(reader.line().saturating_sub(1))
}

/// A replay that gets the entries one by one.
pub(crate) struct Replay {
    run: Run,
    /// The latest entry that isn't a decision. A decision stands behind the input in which it was made, so that an
    /// entry is run when the next one is there.
    latest: Option<(u64, Entry)>,
}

impl Replay {
    pub(crate) fn new(
        header: &Header,
        serializer: Option<Arc<dyn Serializer>>,
    ) -> Result<Self, ReplayError> {
        let serializer = match serializer {
            Some(serializer) => serializer,
            None => known(header)?,
        };
        if header.part != 1 {
            return Err(ReplayError::Gap { line: 1 });
        }
        Ok(Replay { run: Run::new(header, serializer), latest: None })
    }

    pub(crate) fn add(&mut self, line: u64, entry: Entry) -> Result<(), ReplayError> {
        if let (Entry::Decided(decided), Some(_)) = (&entry, &self.latest) {
            return self.run.decided(line, *decided);
        }
        self.run.refused(match &entry {
            Entry::Returned(Returned::Refused(why)) => Some(why),
            _ => None,
        });
        match self.latest.replace((line, entry)) {
            Some((line, entry)) => self.run.take(line, entry),
            None => Ok(()),
        }
    }

    /// The result so far, for a recording that is read no further.
    pub(crate) fn so_far(&self, lines: u64) -> Replayed {
        Replayed { lines, outputs: self.run.compared(), is_complete: false }
    }

    /// Ends the replay behind the last entry.
    pub(crate) fn end(mut self, lines: u64) -> Result<Replayed, ReplayError> {
        let is_complete = matches!(self.latest, Some((_, Entry::End)));
        if let Some((line, entry)) = self.latest.take() {
            self.run.take(line, entry)?;
        }
        let outputs = if is_complete { self.run.end(lines)? } else { self.run.compared() };
        Ok(Replayed { lines, outputs, is_complete })
    }
}
