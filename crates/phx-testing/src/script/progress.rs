//! Progress of a script, and the test's handle to it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use phx_proto::Instant;

use super::MismatchError;
use super::expectation::{Came, Expectation};

/// Handle that reports a script's mismatches.
///
/// Ask with [`finish`](Expectations::finish), or wait until the script has ended with
/// [`Simulation::verify`](crate::Simulation::verify) or
/// [`Listener::verify`](crate::listener::Listener::verify), which have a deadline.
///
/// # Panics
///
/// Dropping it before it has reported a [`MismatchError`] panics with the mismatch, unless the thread is panicking
/// already, so that no test can miss it.
///
/// # Examples
///
/// ```
/// use phx_testing::Script;
///
/// let (server, expectations) = Script::new().expect_join("room:*").no_reply().serve();
/// # let _ = server;
/// let missing = expectations.finish().unwrap_err();
/// assert_eq!(missing.expected(), Some(r#"join of "room:*""#));
/// assert_eq!(missing.got(), None);
/// ```
#[must_use = "dropping it unmet panics"]
pub struct Expectations {
    shared: Arc<Shared>,
}

/// The script and how far it has come.
pub(super) struct Shared {
    script: Vec<Expectation>,
    progress: Mutex<Progress>,
    #[cfg(feature = "listener")]
    ended: tokio::sync::Notify,
}

#[derive(Default)]
struct Progress {
    /// Number of expectations that were met.
    met: usize,
    mismatch: Option<MismatchError>,
    /// The last request that met one, and its time.
    last: Option<(String, Instant)>,
    /// True if a mismatch was reported: dropping the handle needn't report it again.
    is_reported: bool,
}

impl Expectations {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Expectations { shared }
    }

    /// Returns true if all expected messages came, and no others.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.shared.outcome(None).is_ok()
    }

    /// Returns the first mismatch so far. Missing requests don't count yet.
    #[must_use]
    pub fn mismatch(&self) -> Option<MismatchError> {
        let mut progress = self.shared.lock();
        progress.is_reported |= progress.mismatch.is_some();
        progress.mismatch.clone()
    }

    /// Checks that the script was followed to its end.
    ///
    /// # Errors
    ///
    /// [`MismatchError`] with the wrong request, or with the expectation that wasn't met.
    pub fn finish(self) -> Result<(), MismatchError> {
        self.report(None)
    }

    /// Fails the test if the script wasn't followed to its end.
    ///
    /// # Panics
    ///
    /// With the [`MismatchError`].
    #[track_caller]
    #[expect(clippy::panic, reason = "documented: its purpose")]
    pub fn assert_met(self) {
        if let Err(mismatch) = self.finish() {
            panic!("{mismatch}");
        }
    }

    /// Returns true if no further request can improve the outcome.
    pub(crate) fn has_ended(&self) -> bool {
        self.shared.lock().has_ended(self.shared.script.len())
    }

    /// Returns the outcome, for a caller that waited until `at`.
    pub(crate) fn report(&self, at: Option<Instant>) -> Result<(), MismatchError> {
        let outcome = self.shared.outcome(at);
        self.shared.lock().is_reported |= outcome.is_err();
        outcome
    }

    /// Completes when the script has ended, followed or not.
    #[cfg(feature = "listener")]
    pub(crate) async fn ended(&self) {
        // It knows of an end from here on.
        let ended = self.shared.ended.notified();
        if !self.has_ended() {
            ended.await;
        }
    }
}

impl Drop for Expectations {
    #[expect(clippy::panic, reason = "documented: a test can't forget its script")]
    fn drop(&mut self) {
        if thread::panicking() || self.shared.lock().is_reported {
            return;
        }
        if let Err(mismatch) = self.shared.outcome(None) {
            panic!("{mismatch}");
        }
    }
}

impl fmt::Debug for Expectations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let progress = self.shared.lock();
        f.debug_struct("Expectations")
            .field("steps", &self.shared.script.len())
            .field("met", &progress.met)
            .field("mismatch", &progress.mismatch)
            .finish()
    }
}

impl Shared {
    pub(super) fn new(script: Vec<Expectation>) -> Self {
        Shared {
            script,
            progress: Mutex::default(),
            #[cfg(feature = "listener")]
            ended: tokio::sync::Notify::new(),
        }
    }

    /// Handles a request: returns the step that it meets, or the first mismatch.
    pub(super) fn take(&self, now: Instant, came: &Came) -> Result<&Expectation, MismatchError> {
        let mut progress = self.lock();
        if let Some(mismatch) = &progress.mismatch {
            return Err(mismatch.clone());
        }
        let expected = self.script.get(progress.met);
        let differences = expected.map(|expected| expected.differences(came));
        let met = match (expected, differences) {
            (Some(expected), Some(differences)) if differences.is_empty() => {
                progress.met += 1;
                progress.last = Some((came.to_string(), now));
                Ok(expected)
            }
            (expected, differences) => {
                let (step, steps) = (progress.met + 1, self.script.len());
                let differences = differences.unwrap_or_default();
                let mismatch =
                    MismatchError::differs(now, step, steps, expected, came, differences);
                progress.mismatch = Some(mismatch.clone());
                Err(mismatch)
            }
        };
        #[cfg(feature = "listener")]
        if progress.has_ended(self.script.len()) {
            drop(progress);
            self.ended.notify_waiters();
        }
        met
    }

    fn outcome(&self, at: Option<Instant>) -> Result<(), MismatchError> {
        let progress = self.lock();
        match (&progress.mismatch, self.script.get(progress.met)) {
            (Some(mismatch), _) => Err(mismatch.clone()),
            (None, None) => Ok(()),
            (None, Some(missing)) => {
                let (step, steps) = (progress.met + 1, self.script.len());
                Err(MismatchError::missing(at, step, steps, missing, progress.last.clone()))
            }
        }
    }

    /// Only a test's payload check can panic under the lock, and then that test fails.
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    fn has_ended(&self, steps: usize) -> bool {
        self.mismatch.is_some() || self.met == steps
    }
}
