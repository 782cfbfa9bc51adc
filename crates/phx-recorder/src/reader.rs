//! Reading of recordings, which are untrusted: every line has a limit, and nothing is kept but names.

use std::io::{BufRead, Read as _};

use crate::entry::Entry;
use crate::header::{Header, VERSION};

/// Longest line of a recording, in bytes: a payload that is kept whole, with all its characters escaped.
pub const MAX_LINE: usize = 512 << 10;

/// The error of a recording that can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The source failed.
    #[error("line {line} of the recording can't be read")]
    #[non_exhaustive]
    Io {
        /// The line, from 1.
        line: u64,
        /// The source's error.
        #[source]
        error: std::io::Error,
    },
    /// The first line is no header of a recording, or there is none.
    #[error("this is no recording: its first line isn't the header of one")]
    NotARecording,
    /// A later release wrote it.
    #[error(
        "the recording has version {version} of the format; this release reads up to {VERSION}: use a newer one"
    )]
    #[non_exhaustive]
    NewerFormat {
        /// The version in the header.
        version: u64,
    },
    /// A line is damaged, and isn't the last one.
    #[error("line {line} of the recording is damaged at column {column}")]
    #[non_exhaustive]
    Damaged {
        /// The line, from 1.
        line: u64,
        /// The column in bytes, from 1.
        column: usize,
    },
    /// A line is longer than any that is written.
    #[error("line {line} of the recording is longer than {MAX_LINE} bytes")]
    #[non_exhaustive]
    LineTooLong {
        /// The line, from 1.
        line: u64,
    },
}

/// Reads a recording line by line.
#[derive(Debug)]
pub(crate) struct Reader<R> {
    source: R,
    pub(crate) header: Header,
    line: u64,
    buffer: Vec<u8>,
    is_cut: bool,
}

impl<R: BufRead> Reader<R> {
    pub(crate) fn new(source: R) -> Result<Self, ReadError> {
        let mut reader = Reader {
            source,
            header: Header::of_default(),
            line: 0,
            buffer: Vec::new(),
            is_cut: false,
        };
        reader.next_line()?;
        // The version first: what follows may look otherwise in another one.
        #[derive(serde::Deserialize)]
        struct Version {
            phx_recording: u64,
        }
        let version: Version =
            serde_json::from_slice(&reader.buffer).map_err(|_| ReadError::NotARecording)?;
        match version.phx_recording {
            // Nothing ever wrote this one.
            0 => return Err(ReadError::NotARecording),
            version if version > u64::from(VERSION) => {
                return Err(ReadError::NewerFormat { version });
            }
            _ => {}
        }
        reader.header =
            serde_json::from_slice(&reader.buffer).map_err(|_| ReadError::NotARecording)?;
        Ok(reader)
    }

    /// The number of the line that was read last, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// The next entry; `None` at the end, which may be where the file was cut.
    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry>, ReadError> {
        if !self.next_line()? {
            return Ok(None);
        }
        match serde_json::from_slice(&self.buffer) {
            Ok(entry) => Ok(Some(entry)),
            Err(_) if self.is_cut => Ok(None),
            Err(error) => {
                Err(ReadError::Damaged { line: self.line, column: error.column().max(1) })
            }
        }
    }

    /// Reads a line without its end into the buffer; `false` at the end of the file.
    fn next_line(&mut self) -> Result<bool, ReadError> {
        self.buffer.clear();
        self.line = self.line.saturating_add(1);
        let line = self.line;
        let limit = (MAX_LINE as u64).saturating_add(1);
        let read = (&mut self.source).take(limit).read_until(b'\n', &mut self.buffer);
        let read = read.map_err(|error| ReadError::Io { line, error })?;
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
        } else if read > MAX_LINE {
            return Err(ReadError::LineTooLong { line });
        } else {
            // The program that wrote it ended here.
            self.is_cut = read > 0;
        }
        Ok(read > 0)
    }
}
