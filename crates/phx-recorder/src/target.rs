//! A recorder for whoever makes sockets.

use phx_proto::{Config, Socket};

#[cfg(not(target_family = "wasm"))]
use crate::file::RecordingFile;
use crate::options::RecordingOptions;
use crate::ring::Ring;

/// Where the session of a socket is recorded, and how: made of a [`Ring`] or a [`RecordingFile`].
///
/// # Examples
///
/// ```
/// use phx_proto::Config;
/// use phx_recorder::{Payloads, Recorder, RecordingOptions, Ring, RingLimits};
///
/// let ring = Ring::new(RingLimits::default());
/// let options = RecordingOptions::default().payloads(Payloads::Hashed);
/// let socket = Recorder::from(ring.clone()).options(options).socket(Config::default(), 42);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a recorder records nothing until it makes a socket"]
pub struct Recorder {
    target: Target,
    options: RecordingOptions,
}

#[derive(Clone, Debug)]
enum Target {
    Ring(Ring),
    #[cfg(not(target_family = "wasm"))]
    File(RecordingFile),
}

impl Recorder {
    /// The same recorder with these options.
    pub fn options(mut self, options: RecordingOptions) -> Self {
        self.options = options;
        self
    }

    /// Makes a socket, as [`Socket::new`] does, and records its session.
    #[must_use]
    pub fn socket(&self, config: Config, seed: u64) -> Socket {
        match &self.target {
            Target::Ring(ring) => ring.record(config, seed, self.options),
            #[cfg(not(target_family = "wasm"))]
            Target::File(file) => crate::recorder::record(config, seed, self.options, file.sink()),
        }
    }
}

impl From<Ring> for Recorder {
    fn from(ring: Ring) -> Self {
        Recorder { target: Target::Ring(ring), options: RecordingOptions::default() }
    }
}

#[cfg(not(target_family = "wasm"))]
impl From<RecordingFile> for Recorder {
    fn from(file: RecordingFile) -> Self {
        Recorder { target: Target::File(file), options: RecordingOptions::default() }
    }
}
