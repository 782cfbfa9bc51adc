//! Entries in the order of their keys, any of which may be removed.

use alloc::collections::BinaryHeap;
use core::cmp::Ordering;

/// Number of removed entries that may wait for their turn, however few others there are.
const KEPT: usize = 16;

/// A priority queue: the entry with the lowest key comes first.
///
/// An entry that is removed from between others leaves both itself and a mark of its key in the heap, until that key comes
/// first: a heap finds no other. There are never more marks than entries that aren't removed, or a few.
#[derive(Debug)]
pub(super) struct Queue<K, V> {
    heap: BinaryHeap<Entry<K, V>>,
    /// Marks in the heap. None is ever the first.
    marks: usize,
}

/// An entry, or the mark that one of this key is removed.
#[derive(Debug)]
struct Entry<K, V> {
    key: K,
    value: Option<V>,
}

impl<K: Ord, V> Queue<K, V> {
    pub(super) fn insert(&mut self, key: K, value: V) {
        self.push(key, Some(value));
    }

    #[inline]
    pub(super) fn first(&self) -> Option<(&K, &V)> {
        self.heap.peek().and_then(|entry| Some((&entry.key, entry.value.as_ref()?)))
    }

    pub(super) fn pop_first(&mut self) -> Option<(K, V)> {
        let Entry { key, value } = self.heap.pop()?;
        self.tidy();
        Some((key, value?))
    }

    /// Removes the entry with this key. One that isn't there must not be added later, and one that is added again must be
    /// what it was.
    pub(super) fn remove(&mut self, key: K) {
        match self.heap.peek().map(|first| key.cmp(&first.key)) {
            Some(Ordering::Equal) => {
                self.heap.pop();
                self.tidy();
            }
            Some(Ordering::Greater) => {
                self.push(key, None);
                self.marks = self.marks.saturating_add(1);
                self.tidy();
            }
            Some(Ordering::Less) | None => {}
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// The keys, in no order, with some that were removed.
    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.heap.iter().map(|entry| &entry.key)
    }

    fn push(&mut self, key: K, value: Option<V>) {
        if self.heap.capacity() == 0 {
            // A socket at rest has one deadline, and a vector that grows by itself begins with four.
            self.heap.reserve_exact(1);
        }
        self.heap.push(Entry { key, value });
    }

    /// Keeps an entry in the first place, few marks, and memory in proportion.
    fn tidy(&mut self) {
        self.settle();
        if self.marks > KEPT && self.marks > self.heap.len() / 3 {
            self.rebuild();
        }
        let capacity = self.heap.capacity();
        if capacity > KEPT && self.heap.len() < capacity / 4 {
            self.heap.shrink_to(KEPT.max(capacity / 2));
        }
    }

    /// Drops what comes first and is removed.
    fn settle(&mut self) {
        while self.heap.peek().is_some_and(|first| first.value.is_none()) {
            self.cancel();
        }
    }

    /// Drops the marks of the first key, and as many entries of it.
    fn cancel(&mut self) {
        let Some(Entry { key, .. }) = self.heap.pop() else { return };
        let mut gone = 1_usize;
        // Marks come before the entries of their key: there are several where it was added again.
        while self.heap.peek().is_some_and(|next| next.key == key && next.value.is_none()) {
            self.heap.pop();
            gone = gone.saturating_add(1);
        }
        self.marks = self.marks.saturating_sub(gone);
        // Fewer if an entry had come first before it was removed.
        while gone > 0 && self.heap.peek().is_some_and(|next| next.key == key) {
            self.heap.pop();
            gone = gone.saturating_sub(1);
        }
    }

    /// Drops all that is removed. Rarely, and then much at once: the cost of each removal stays the same on average.
    #[inline(never)]
    fn rebuild(&mut self) {
        // Each comes behind those before it: none has to move.
        let mut kept = BinaryHeap::new();
        while let Some(entry) = self.heap.pop() {
            self.settle();
            kept.push(entry);
        }
        self.heap = kept;
    }
}

impl<K: Ord, V> Default for Queue<K, V> {
    fn default() -> Self {
        Queue { heap: BinaryHeap::new(), marks: 0 }
    }
}

/// What comes first is the greatest, as a heap wants it: the lowest key, and of equal ones the mark.
impl<K: Ord, V> Ord for Entry<K, V> {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = |entry: &Self| entry.value.is_some();
        other.key.cmp(&self.key).then_with(|| order(other).cmp(&order(self)))
    }
}

impl<K: Ord, V> PartialOrd for Entry<K, V> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord, V> PartialEq for Entry<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<K: Ord, V> Eq for Entry<K, V> {}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// A step of the test.
    #[derive(Clone, Debug)]
    enum Step {
        /// Adds the key if it isn't there.
        Insert(u8),
        /// Removes the key if it is there, and maybe adds it again.
        Remove(u8),
        PopFirst,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..60_u8).prop_map(Step::Insert),
            3 => (0..60_u8).prop_map(Step::Remove),
            1 => Just(Step::PopFirst),
        ]
    }

    /// The marks in the heap, counted.
    fn marks(queue: &Queue<u8, usize>) -> usize {
        queue.heap.iter().filter(|entry| entry.value.is_none()).count()
    }

    proptest! {
        #[test]
        fn does_what_an_ordered_map_does(steps in prop::collection::vec(step(), 0..400)) {
            let mut queue = Queue::default();
            let mut model = BTreeMap::new();
            for (value, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Insert(key) => {
                        model.entry(key).or_insert_with(|| {
                            queue.insert(key, value);
                            value
                        });
                    }
                    Step::Remove(key) => {
                        if model.remove(&key).is_some() {
                            queue.remove(key);
                        }
                    }
                    Step::PopFirst => {
                        let popped = queue.pop_first().map(|(key, _)| key);
                        prop_assert_eq!(popped, model.pop_first().map(|(key, _)| key));
                    }
                }
                prop_assert_eq!(queue.first().map(|(key, _)| key), model.keys().next());
                prop_assert_eq!(queue.is_empty(), model.is_empty());
                prop_assert_eq!(queue.marks, marks(&queue));
                prop_assert!(queue.marks <= KEPT.max(queue.heap.len() / 3));
                prop_assert!(model.keys().all(|key| queue.keys().any(|other| key == other)));
            }
        }
    }

    #[test]
    fn a_key_that_came_first_before_is_forgotten() {
        let mut queue = Queue::default();
        (0..4_u8).for_each(|key| queue.insert(key, 0));
        assert_eq!(queue.pop_first(), Some((0, 0)));
        queue.remove(0);
        assert_eq!((queue.heap.len(), queue.marks), (3, 0));
        queue.remove(1);
        queue.remove(3);
        queue.remove(3);
        assert_eq!(queue.pop_first(), Some((2, 0)));
        assert_eq!((queue.heap.len(), queue.marks), (0, 0));
    }

    #[test]
    fn memory_follows_what_is_there() {
        let mut queue = Queue::default();
        (0..1_024_u32).for_each(|key| queue.insert(key, ()));
        for key in 1..1_024 {
            queue.remove(key);
            assert!(queue.marks <= KEPT.max(queue.heap.len() / 3));
        }
        assert!(queue.heap.capacity() <= 5 * KEPT, "{}", queue.heap.capacity());
        assert_eq!(queue.pop_first(), Some((0, ())));
        assert!(queue.is_empty());
    }
}
