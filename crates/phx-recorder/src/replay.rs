//! Replays: the inputs of a recording go into the core of this build, and what comes out is compared.

use std::io::BufRead;
use std::sync::Arc;

use phx_proto::{Serializer, V1, V2};

use crate::entry::Entry;
use crate::header::Header;
use crate::reader::Reader;

mod error;
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
    let serializer = match serializer {
        Some(serializer) => serializer,
        None => known(&reader.header)?,
    };
    if reader.header.part != 1 {
        return Err(ReplayError::Gap { line: 1 });
    }
    let mut run = Run::new(&reader.header, serializer);
    let mut next = reader.next_entry()?;
    let mut is_complete = false;
    while let Some(entry) = next.take() {
        let line = reader.line();
        is_complete = entry == Entry::End;
        // A decision stands behind the input in which it was made.
        next = reader.next_entry()?;
        while let Some(Entry::Decided(decided)) = next {
            run.decided(decided);
            next = reader.next_entry()?;
        }
        run.take(line, entry)?;
    }
    let lines = reader.line().saturating_sub(1);
    let outputs = if is_complete { run.end(lines)? } else { run.compared() };
    Ok(Replayed { lines, outputs, is_complete })
}
