//! Shares of a run: workers that each have a part of the users, without talking to each other.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::value;

/// Workers of a run.
pub(super) const MAX_WORKERS: u32 = 1_000;

/// One of the workers of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Worker {
    /// From 1 to `of`.
    pub(super) number: u32,
    /// The number of workers.
    pub(super) of: u32,
}

/// Parses a value of `--worker`. The error quotes nothing.
pub(crate) fn parse(value: &str) -> Result<Worker, String> {
    let text = value::text(value)?;
    let worker = text.split_once('/').and_then(|(number, of)| {
        Some(Worker { number: number.trim().parse().ok()?, of: of.trim().parse().ok()? })
    });
    worker.filter(|worker| worker.is_valid()).ok_or_else(|| {
        format!("expected I/N, such as 2/6 for the second of six workers, with 1 <= I <= N <= {MAX_WORKERS}")
    })
}

impl Worker {
    /// The worker of a run that has no other.
    pub(super) const ALONE: Worker = Worker { number: 1, of: 1 };

    /// The first number from 0 that is this worker's, where workers take turns.
    pub(super) fn first(self) -> u64 {
        self.number.saturating_sub(1).into()
    }

    /// True if a thing with this number is this worker's, where workers take turns.
    pub(super) fn has(self, number: u64) -> bool {
        number % u64::from(self.of.max(1)) == self.first()
    }

    /// How many of so many things are this worker's, where workers take turns.
    pub(super) fn count(self, of: u64) -> u64 {
        of.saturating_sub(self.first()).div_ceil(u64::from(self.of.max(1)))
    }

    /// The number of this worker's thing at a place from 0, where workers take turns.
    pub(super) fn number_of(self, place: u64) -> u64 {
        place.saturating_mul(self.of.into()).saturating_add(self.first())
    }

    pub(super) fn is_valid(self) -> bool {
        (1..=self.of).contains(&self.number) && self.of <= MAX_WORKERS
    }

    /// The share of this worker in things that are numbered from 0, as a range of their numbers. Those of all workers are all
    /// of them, and differ by one in size at most.
    pub(super) fn share(self, of: u32) -> Range<u32> {
        let bound = |number: u32| {
            let bound = u64::from(of) * u64::from(number) / u64::from(self.of.max(1));
            u32::try_from(bound).unwrap_or(of)
        };
        bound(self.number.saturating_sub(1))..bound(self.number)
    }
}

impl fmt::Display for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert_eq!(parse("2/6"), Ok(Worker { number: 2, of: 6 }));
        for wrong in ["", "hush", "0/6", "7/6", "1/0", "1", "1/", "/2", "-1/2", "1/1001", "1/2/3"] {
            let error = parse(wrong).unwrap_err();
            assert!(error.contains("such as 2/6") && !error.contains("hush"), "{wrong}: {error}");
        }
    }

    #[test]
    fn workers_take_turns() {
        for of in 1..5 {
            for things in 0..20 {
                let mut seen = 0;
                for number in 1..=of {
                    let worker = Worker { number, of };
                    let own: Vec<u64> = (0..things).filter(|thing| worker.has(*thing)).collect();
                    assert_eq!(worker.count(things), own.len() as u64);
                    assert!(
                        (0..).zip(&own).all(|(place, thing)| worker.number_of(place) == *thing)
                    );
                    seen += own.len();
                }
                assert_eq!(seen as u64, things);
            }
        }
    }

    #[test]
    fn shares_are_disjoint_complete_and_even() {
        for (things, of) in [(10, 3), (6, 6), (2, 3), (0, 4), (100_000, 7), (u32::MAX, 1_000)] {
            let mut next = 0;
            for number in 1..=of {
                let share = Worker { number, of }.share(things);
                assert_eq!(share.start, next);
                let size = share.end - share.start;
                assert!(size == things / of || size == things / of + 1, "{share:?}");
                next = share.end;
            }
            assert_eq!(next, things);
        }
    }
}
