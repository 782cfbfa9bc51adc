//! A map for few entries, in order of their keys. A map of two takes the memory of two, where a `BTreeMap` has places for
//! eleven: each user of a load has some of them.

use std::borrow::Borrow;

/// Entries up to which a map has no place to spare.
const FEW: usize = 4;

/// A map in a sorted vector.
#[derive(Clone, Debug)]
pub(crate) struct SmallMap<K, V>(Vec<(K, V)>);

impl<K, V> Default for SmallMap<K, V> {
    fn default() -> Self {
        SmallMap(Vec::new())
    }
}

impl<K: Ord, V> SmallMap<K, V> {
    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let (_, value) = self.0.get(self.place(key).ok()?)?;
        Some(value)
    }

    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let place = self.place(key).ok()?;
        let (_, value) = self.0.get_mut(place)?;
        Some(value)
    }

    /// Sets the value of a key, and drops the one that it had.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        match self.place(&key) {
            Ok(place) => {
                if let Some(entry) = self.0.get_mut(place) {
                    *entry = (key, value);
                }
            }
            Err(place) => {
                if self.0.len() < FEW {
                    self.0.reserve_exact(1);
                }
                self.0.insert(place, (key, value));
            }
        }
    }

    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let place = self.place(key).ok()?;
        let (_, value) = self.0.remove(place);
        Some(value)
    }

    /// Drops all entries, and the memory for them.
    pub(crate) fn clear(&mut self) {
        self.0 = Vec::new();
    }

    /// The place of a key, or the one that it would have.
    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0.binary_search_by(|(known, _)| known.borrow().cmp(key))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use allocation_counter::measure;

    use super::*;

    #[test]
    fn it_is_a_map() {
        let (mut map, mut known) = (SmallMap::default(), BTreeMap::new());
        let mut rng = fastrand::Rng::with_seed(1);
        for step in 0..10_000 {
            let key = format!("key{}", rng.u8(..20));
            match rng.u8(..100) {
                0 => {
                    map.clear();
                    known.clear();
                }
                1..40 => assert_eq!(map.remove(&*key), known.remove(&key)),
                40..60 => {
                    let values = (map.get_mut(&*key), known.get_mut(&key));
                    assert_eq!(values.0, values.1);
                    if let (Some(one), Some(other)) = values {
                        (*one, *other) = (step, step);
                    }
                }
                _ => {
                    map.insert(key.clone(), step);
                    known.insert(key.clone(), step);
                }
            }
            assert_eq!(map.get(&*key), known.get(&key));
            assert!(
                map.0
                    .iter()
                    .map(|(key, value)| (key, *value))
                    .eq(known.iter().map(|(k, v)| (k, *v)))
            );
        }
    }

    #[test]
    fn few_entries_take_their_own_memory() {
        let mut map = SmallMap::default();
        let used = measure(|| {
            for key in 0..FEW as u64 {
                map.insert(key, key);
            }
        });
        assert_eq!(used.bytes_current, (FEW * size_of::<(u64, u64)>()) as i64);
    }
}
