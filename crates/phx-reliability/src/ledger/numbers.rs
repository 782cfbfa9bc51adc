//! A set of numbers that takes little memory if few are missing between them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A set of numbers, kept as ranges.
///
/// A bounded set merges its lowest ranges when there are too many, so that its memory stays the same in endless
/// traffic. Numbers so far back don't arrive any more.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Numbers {
    /// The last number of each range, by its first.
    ranges: BTreeMap<u64, u64>,
}

/// Largest number of ranges of a bounded set.
const MAX_RANGES: usize = 16;

impl Numbers {
    /// Inserts a number. Returns false if it was there already.
    pub(crate) fn insert(&mut self, n: u64, stays_small: bool) -> bool {
        if self.contains(n) {
            return false;
        }
        let before = self.ranges.range(..n).next_back().map(|(first, last)| (*first, *last));
        let first = before.filter(|(_, last)| last.checked_add(1) == Some(n));
        let first = first.map_or(n, |(first, _)| first);
        let last = n.checked_add(1).and_then(|next| self.ranges.remove(&next)).unwrap_or(n);
        self.ranges.insert(first, last);
        if stays_small
            && self.ranges.len() > MAX_RANGES
            && let Some((first, _)) = self.ranges.pop_first()
            && let Some((_, last)) = self.ranges.pop_first()
        {
            self.ranges.insert(first, last);
        }
        true
    }

    pub(crate) fn contains(&self, n: u64) -> bool {
        self.ranges.range(..=n).next_back().is_some_and(|(_, last)| *last >= n)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_holds_what_a_set_would_hold_in_as_few_ranges_as_there_are() {
        let mut rng = fastrand::Rng::with_seed(1);
        let (mut numbers, mut set) = (Numbers::default(), BTreeSet::new());
        for _ in 0..20 {
            // No more ranges than a bounded set keeps.
            let n = rng.u64(0..2 * MAX_RANGES as u64);
            assert_eq!(numbers.insert(n, true), set.insert(n), "{n}");
        }
        assert!((0..100).all(|n| numbers.contains(n) == set.contains(&n)));
        let begins = set.iter().filter(|n| **n == 0 || !set.contains(&(**n - 1))).count();
        assert_eq!(numbers.ranges.len(), begins);
    }

    #[test]
    fn of_too_many_ranges_the_lowest_are_joined() {
        let mut numbers = Numbers::default();
        assert!((0..1000).all(|n| numbers.insert(n * 2, true)));
        assert_eq!(numbers.ranges.len(), MAX_RANGES);
        // The newest ranges are unchanged, and the oldest were merged.
        assert!(!numbers.contains(1997) && numbers.contains(1));
        assert!(!numbers.insert(1998, true) && numbers.insert(1997, true));
    }
}
