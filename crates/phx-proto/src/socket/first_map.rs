//! An ordered map that mostly has one entry.

use alloc::collections::BTreeMap;

/// An ordered map whose first entry stands apart: a socket at rest has no other, and a tree takes memory for eleven. The tree
/// gives its memory back with its last entry.
#[derive(Debug)]
pub(super) struct FirstMap<K, V> {
    first: Option<(K, V)>,
    /// What comes after the first.
    others: BTreeMap<K, V>,
}

impl<K: Ord, V> FirstMap<K, V> {
    /// Adds an entry, or replaces the value under this key.
    pub(super) fn insert(&mut self, key: K, value: V) {
        match &self.first {
            Some((first, _)) if *first < key => drop(self.others.insert(key, value)),
            _ => {
                let before = self.first.replace((key, value));
                if let Some((key, value)) = before.filter(|(key, _)| !self.is_first(key)) {
                    self.others.insert(key, value);
                }
            }
        }
    }

    #[inline]
    pub(super) fn first(&self) -> Option<(&K, &V)> {
        self.first.as_ref().map(|(key, value)| (key, value))
    }

    pub(super) fn pop_first(&mut self) -> Option<(K, V)> {
        let next = self.others.pop_first();
        self.release();
        core::mem::replace(&mut self.first, next)
    }

    pub(super) fn remove(&mut self, key: &K) {
        if self.is_first(key) {
            self.pop_first();
        } else if self.others.remove(key).is_some() {
            self.release();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// In their order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.first.iter().map(|(key, _)| key).chain(self.others.keys())
    }

    fn is_first(&self, key: &K) -> bool {
        self.first.as_ref().is_some_and(|(first, _)| first == key)
    }

    /// Gives back the memory of an empty tree, which the tree itself would keep.
    fn release(&mut self) {
        if self.others.is_empty() {
            self.others = BTreeMap::new();
        }
    }
}

impl<K, V> Default for FirstMap<K, V> {
    fn default() -> Self {
        FirstMap { first: None, others: BTreeMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// A step of the test.
    #[derive(Clone, Debug)]
    enum Step {
        Insert(u8),
        Remove(u8),
        PopFirst,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..12_u8).prop_map(Step::Insert),
            3 => (0..12_u8).prop_map(Step::Remove),
            1 => Just(Step::PopFirst),
        ]
    }

    proptest! {
        #[test]
        fn does_what_an_ordered_map_does(steps in prop::collection::vec(step(), 0..80)) {
            let mut map = FirstMap::default();
            let mut model = BTreeMap::new();
            for (value, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Insert(key) => {
                        map.insert(key, value);
                        model.insert(key, value);
                    }
                    Step::Remove(key) => {
                        map.remove(&key);
                        model.remove(&key);
                    }
                    Step::PopFirst => prop_assert_eq!(map.pop_first(), model.pop_first()),
                }
                prop_assert_eq!(map.first(), model.first_key_value());
                prop_assert_eq!(map.is_empty(), model.is_empty());
                let keys: Vec<_> = map.keys().collect();
                prop_assert!(keys.into_iter().eq(model.keys()));
            }
        }
    }
}
