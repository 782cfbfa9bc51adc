//! Recordings of sessions that commands make.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use phx_tokio::recorder::{Payloads, Recorder, RecordingFile, RecordingOptions};
use tokio::runtime::{Runtime, RuntimeFlavor};

use crate::failure::Failure;
use crate::terminal::{self, shown};
use crate::value;

/// The file of this process, which is completed before it ends.
static FILE: Mutex<Option<RecordingFile>> = Mutex::new(None);

/// Options of recordings.
#[derive(Args, Debug)]
#[command(next_help_heading = "Recording")]
pub(crate) struct Recording {
    /// Record the session in this new file, for `phx replay`. Of several sockets the first is recorded.
    #[arg(long, value_name = "FILE", value_parser = value::path)]
    record: Option<String>,

    /// What is recorded of payloads, but never of params: their length, also a hash that shows which are equal, or all.
    #[arg(long, value_name = "WHAT", default_value = "length", requires = "record", value_parser = value::OneOf(PossibleValuesParser::new(["length", "hash", "whole"])))]
    record_payloads: String,

    /// Replace topics in the recording by meaningless ones.
    #[arg(long, requires = "record")]
    record_no_topics: bool,
}

impl Recording {
    /// The recorder of the next socket; the file is created for the first.
    pub(crate) fn recorder(&self) -> Result<Option<Recorder>, String> {
        let Some(path) = &self.record else { return Ok(None) };
        let mut file = FILE.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match &*file {
            Some(file) => file.clone(),
            None => {
                let created = RecordingFile::create(path)
                    .map_err(|error| format!("can't create {}: {error}", shown(path)))?;
                file.insert(created).clone()
            }
        };
        let payloads = match &*self.record_payloads {
            "hash" => Payloads::Hashed,
            "whole" => Payloads::Whole,
            _ => Payloads::Length,
        };
        let options = RecordingOptions::default().payloads(payloads);
        Ok(Some(Recorder::from(file).options(options.hide_topics(self.record_no_topics))))
    }
}

/// Longest wait for threads that run sockets.
const LAST_TURNS: Duration = Duration::from_secs(1);

/// Ends the runtime, and completes the file if there is one. The end of the session comes when its socket is dropped.
pub(crate) fn complete(runtime: Runtime) -> Result<(), Failure> {
    let file = FILE.lock().unwrap_or_else(PoisonError::into_inner).take();
    let has_threads = runtime.handle().runtime_flavor() != RuntimeFlavor::CurrentThread;
    if file.is_some() && has_threads {
        runtime.shutdown_timeout(LAST_TURNS);
    } else {
        // A thread that blocks on standard input can't be waited for.
        runtime.shutdown_background();
    }
    let Some(file) = file else { return Ok(()) };
    let unwritten =
        |error: io::Error| Failure::failed(format!("can't write the recording: {error}"));
    file.flush().map_err(unwritten)?;
    if file.lost() > 0 {
        terminal::warning(&format!("{} entries of the recording were lost", file.lost()));
    }
    Ok(())
}
