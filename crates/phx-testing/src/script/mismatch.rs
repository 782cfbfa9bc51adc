//! Error of a script that wasn't followed.

use std::fmt;

use phx_proto::Instant;

use super::expectation::{Came, Expectation};

/// Error of a script that wasn't followed: a wrong request came, or none.
///
/// `Display` and `Debug` are the same text, so that an `unwrap` shows it well. It shows the test's payloads.
#[derive(Clone, PartialEq, Eq)]
pub struct MismatchError(Box<Details>);

#[derive(Clone, PartialEq, Eq)]
struct Details {
    at: Option<Instant>,
    /// Number of the step, from 1.
    step: usize,
    steps: usize,
    expected: Option<String>,
    got: Option<String>,
    differences: Vec<String>,
    last: Option<(String, Instant)>,
}

impl MismatchError {
    pub(super) fn differs(
        at: Instant,
        step: usize,
        steps: usize,
        expected: Option<&Expectation>,
        came: &Came,
        differences: Vec<String>,
    ) -> Self {
        MismatchError(Box::new(Details {
            at: Some(at),
            step,
            steps,
            expected: expected.map(ToString::to_string),
            got: Some(came.to_string()),
            differences,
            last: None,
        }))
    }

    pub(super) fn missing(
        at: Option<Instant>,
        step: usize,
        steps: usize,
        expected: &Expectation,
        last: Option<(String, Instant)>,
    ) -> Self {
        let (expected, got, differences) = (Some(expected.to_string()), None, Vec::new());
        MismatchError(Box::new(Details { at, step, steps, expected, got, differences, last }))
    }

    /// Returns the time on the server's clock: when the wrong message came, or when the wait for the missing one
    /// ended. `None` without a wait.
    #[must_use]
    pub fn at(&self) -> Option<Instant> {
        self.0.at
    }

    /// Returns the script's step, from 1; one more than the script has if a request came after its end.
    #[must_use]
    pub fn step(&self) -> usize {
        self.0.step
    }

    /// Returns the expectation, such as `push "new_msg" on "room:lobby"`; `None` at the script's end.
    #[must_use]
    pub fn expected(&self) -> Option<&str> {
        self.0.expected.as_deref()
    }

    /// Returns the request that came instead, such as `leave of "room:lobby"`; `None` if none came.
    #[must_use]
    pub fn got(&self) -> Option<&str> {
        self.0.got.as_deref()
    }

    /// Returns the differences, such as `payload.body: expected "hi", got "ho"`.
    #[must_use]
    pub fn differences(&self) -> &[String] {
        &self.0.differences
    }
}

impl fmt::Display for MismatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details { at, step, steps, expected, got, differences, last } = &*self.0;
        f.write_str("the script was not followed")?;
        if let Some(at) = at {
            write!(f, " at {}", Seconds(*at))?;
        }
        match (expected, got) {
            (None, _) => write!(f, ", after all of its {steps} steps:")?,
            (Some(_), _) => write!(f, ", step {step} of {steps}:")?,
        }
        write!(f, "\n  expected  {}", expected.as_deref().unwrap_or("nothing more"))?;
        write!(f, "\n  got       {}", got.as_deref().unwrap_or("nothing"))?;
        if let Some((last, at)) = last {
            write!(f, "\n  before    {last} at {}", Seconds(*at))?;
        }
        for difference in differences {
            write!(f, "\n  differs   {difference}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for MismatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for MismatchError {}

/// Seconds on the server's clock, to the millisecond where there are any.
struct Seconds(Instant);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.0.since_epoch();
        match time.subsec_millis() {
            0 => write!(f, "{} s", time.as_secs()),
            millis => write!(f, "{}.{millis:03} s", time.as_secs()),
        }
    }
}
