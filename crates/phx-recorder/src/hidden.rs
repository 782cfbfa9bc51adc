//! Topics that are replaced by others of their length, so that frames have the lengths that they had.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use crate::names::MAX_NAMES;

/// Topics with fewer bytes have a number each; for longer ones a hash has room.
const SHORT: usize = 8;

/// Replaces topics: equal ones by equal ones, and different ones by different ones.
#[derive(Debug, Default)]
pub(crate) struct HiddenTopics {
    /// Drawn for each recording, and never stored.
    key: RandomState,
    /// How many of each length have a number.
    counts: [u32; SHORT],
    short: HashMap<Box<str>, Box<str>, RandomState>,
}

impl HiddenTopics {
    /// What takes a topic's place.
    pub(crate) fn hide(&mut self, topic: &str) -> String {
        if let Some(hidden) = self.short.get(topic) {
            return hidden.clone().into();
        }
        let len = topic.len();
        if let Some(count) = self.counts.get_mut(len)
            && self.short.len() < MAX_NAMES
            && u64::from(*count) < u32::try_from(len).map_or(0, |len| 36_u64.pow(len))
        {
            let hidden = digits(u64::from(*count), len);
            *count = count.saturating_add(1);
            self.short.insert(topic.into(), hidden.as_str().into());
            return hidden;
        }
        digits(self.key.hash_one(topic), len.max(SHORT))
    }
}

/// The last digits of a number in base 36, with zeros before them.
fn digits(mut number: u64, len: usize) -> String {
    let mut digits = Vec::with_capacity(len);
    for _ in 0..len {
        let digit = u32::try_from(number.checked_rem(36).unwrap_or(0)).unwrap_or(0);
        digits.push(char::from_digit(digit, 36).unwrap_or('0'));
        number = number.checked_div(36).unwrap_or(0);
    }
    digits.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_stay_apart_and_keep_their_lengths() {
        let mut hidden = HiddenTopics::default();
        let topics = ["", "a", "b", "room:a", "room:b", "room:lobby", "room:longer"];
        let made: Vec<String> = topics.iter().map(|topic| hidden.hide(topic)).collect();
        let again: Vec<String> = topics.iter().map(|topic| hidden.hide(topic)).collect();
        assert_eq!(made, again);
        for (topic, made) in topics.iter().zip(&made) {
            assert_eq!(topic.len(), made.len(), "{topic} {made}");
        }
        assert_eq!((&*made[1], &*made[2], &*made[4]), ("0", "1", "000001"));
        assert_ne!(made[5], made[6]);
    }

    #[test]
    fn many_short_ones_have_hashes() {
        let mut hidden = HiddenTopics::default();
        let made: std::collections::BTreeSet<String> =
            (0..10_000).map(|n| hidden.hide(&format!("{n}"))).collect();
        assert_eq!(made.len(), 10_000);
        assert!(hidden.short.len() <= MAX_NAMES);
    }
}
