//! Errors of replays.

use crate::reader::ReadError;

/// The error of a replay.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The recording can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The serializer isn't known here.
    #[error("the recording's serializer isn't known here: pass it to the replay")]
    #[non_exhaustive]
    UnknownSerializer {
        /// Its name in the recording.
        name: String,
    },
    /// The beginning or a part of the session isn't in the recording, so that it can't be run up to here.
    #[error("entries are missing before line {line}: what follows can be shown, but not replayed")]
    #[non_exhaustive]
    Gap {
        /// The line, from 1.
        line: u64,
    },
    /// A line makes no sense here: it names a channel that was never made, for one.
    #[error("line {line} of the recording makes no sense: {what}")]
    #[non_exhaustive]
    Invalid {
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// This build does something else than the recorded one.
    #[error("line {line}: the recording has {recorded}, and this build {replayed}")]
    #[non_exhaustive]
    Parted {
        /// The line of the first difference, from 1.
        line: u64,
        /// The recorded output, as JSON.
        recorded: String,
        /// What this build's core gave, as JSON.
        replayed: String,
    },
}
