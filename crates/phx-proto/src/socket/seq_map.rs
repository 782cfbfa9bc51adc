//! Things in the order of their numbers.

use alloc::collections::VecDeque;

/// Capacity that is never given back, in entries.
const KEPT: usize = 16;

/// An ordered map of numbers that only grow: what is added comes last, and what is taken is nearly always the first.
#[derive(Debug)]
pub(super) struct SeqMap<T> {
    /// In the order of the numbers. Where a thing was taken from between others there is a gap; never at
    /// either end, and at the most as many as there are things, and a few.
    in_order: VecDeque<(u64, Option<T>)>,
    gaps: usize,
}

impl<T> SeqMap<T> {
    /// Adds a thing under a number that is higher than those that are there.
    pub(super) fn push(&mut self, number: u64, thing: T) {
        // A number out of order would break the binary search.
        debug_assert!(self.in_order.back().is_none_or(|(last, _)| *last < number), "{number}");
        if self.in_order.capacity() == 0 {
            // Most sockets do one thing at a time, and a queue that grows by itself begins with four.
            self.in_order.reserve_exact(2);
        }
        self.in_order.push_back((number, Some(thing)));
    }

    /// The things after this number.
    pub(super) fn iter_after(&self, number: u64) -> impl Iterator<Item = (u64, &T)> {
        let from = self.in_order.partition_point(|(other, _)| *other <= number);
        self.in_order.range(from..).filter_map(|(number, thing)| Some((*number, thing.as_ref()?)))
    }

    pub(super) fn first(&self) -> Option<(u64, &T)> {
        self.in_order.front().and_then(|(number, thing)| Some((*number, thing.as_ref()?)))
    }

    pub(super) fn last_number(&self) -> Option<u64> {
        self.in_order.back().map(|(number, _)| *number)
    }

    pub(super) fn last(&self) -> Option<&T> {
        self.in_order.back().and_then(|(_, thing)| thing.as_ref())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.in_order.is_empty()
    }

    /// Takes the first thing.
    #[inline]
    pub(super) fn pop_first(&mut self) -> Option<(u64, T)> {
        let (number, thing) = self.in_order.pop_front()?;
        self.tidy();
        Some((number, thing?))
    }

    /// Takes the thing of this number.
    #[inline]
    pub(super) fn remove(&mut self, number: u64) -> Option<T> {
        // The oldest is nearly always answered first: no search.
        let thing = if self.in_order.front()?.0 == number {
            self.in_order.pop_front()?.1
        } else {
            let index = self.index(number)?;
            let thing = self.in_order.get_mut(index)?.1.take()?;
            self.gaps = self.gaps.saturating_add(1);
            Some(thing)
        };
        self.tidy();
        thing
    }

    #[inline(always)]
    fn tidy(&mut self) {
        // Memory follows the number of things, so that a peak isn't paid for ever after.
        if self.gaps > 0 {
            self.close_gaps();
        }
        // Shrinks below a quarter, to a half: at the boundary it doesn't grow and shrink in turns.
        let capacity = self.in_order.capacity();
        if capacity > KEPT && self.in_order.len() < capacity / 4 {
            self.shrink();
        }
    }

    #[cold]
    fn shrink(&mut self) {
        self.in_order.shrink_to(KEPT.max(self.in_order.capacity() / 2));
    }

    pub(super) fn get(&self, number: u64) -> Option<&T> {
        self.in_order.get(self.index(number)?)?.1.as_ref()
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let index = self.index(number)?;
        self.in_order.get_mut(index)?.1.as_mut()
    }

    /// The index of this number.
    #[inline]
    fn index(&self, number: u64) -> Option<usize> {
        let distance = number.checked_sub(self.in_order.front()?.0)?;
        // Numbers grow, so it can't be further back than this. At either end, and where no number is left out, it is
        // there.
        let furthest = self.in_order.len().checked_sub(1)?.min(usize::try_from(distance).ok()?);
        if self.in_order.get(furthest)?.0 == number {
            return Some(furthest);
        }
        self.in_order.binary_search_by_key(&number, |(number, _)| *number).ok()
    }

    /// Leaves no gap at either end, and not many in between.
    #[inline(never)]
    fn close_gaps(&mut self) {
        while self.in_order.front().is_some_and(|(_, thing)| thing.is_none()) {
            self.in_order.pop_front();
            self.gaps = self.gaps.saturating_sub(1);
        }
        while self.in_order.back().is_some_and(|(_, thing)| thing.is_none()) {
            self.in_order.pop_back();
            self.gaps = self.gaps.saturating_sub(1);
        }
        // Rarely, and then many at once: the cost of each removal stays constant on average.
        if self.gaps > KEPT && self.gaps > self.in_order.len() / 2 {
            self.in_order.retain(|(_, thing)| thing.is_some());
            self.gaps = 0;
        }
    }
}

impl<T> Default for SeqMap<T> {
    fn default() -> Self {
        SeqMap { in_order: VecDeque::new(), gaps: 0 }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn filled(things: u64) -> SeqMap<u64> {
        let mut line = SeqMap::default();
        (0..things).for_each(|number| line.push(number, number));
        line
    }

    /// Removes this many from behind the first.
    fn with_gaps(things: u64, gaps: u64) -> SeqMap<u64> {
        let mut line = filled(things);
        (1..=gaps).for_each(|number| assert_eq!(line.remove(number), Some(number)));
        line
    }

    #[test]
    fn gaps_are_closed_when_there_are_some_and_as_many_as_things() {
        for (things, most) in [(20, 16), (30, 16), (34, 17), (100, 50)] {
            let line = with_gaps(things, most);
            assert_eq!((line.in_order.len() as u64, line.gaps as u64), (things, most), "{things}");
            let line = with_gaps(things, most + 1);
            assert_eq!((line.in_order.len() as u64, line.gaps), (things - most - 1, 0), "{things}");
        }
    }

    #[test]
    fn room_goes_by_halves_once_three_quarters_are_free() {
        let mut line = filled(1_024);
        let full = line.in_order.capacity();
        let quarter = full as u64 / 4;
        for number in 0..1_024 - quarter {
            assert_eq!(line.remove(number), Some(number));
            assert_eq!(line.in_order.capacity(), full, "{number}");
        }
        assert!(line.remove(1_024 - quarter).is_some());
        let half = line.in_order.capacity();
        assert!((full / 2..full).contains(&half), "{half} of {full}");
        (1_025 - quarter..1_024).for_each(|number| assert!(line.remove(number).is_some()));
        assert!((KEPT..2 * KEPT).contains(&line.in_order.capacity()));
    }

    proptest! {
        /// The model is an ordered map. A number is counted back from the last, or the next one is added.
        #[test]
        #[expect(clippy::arithmetic_side_effects, reason = "small numbers")]
        fn does_what_an_ordered_map_does(
            steps in prop::collection::vec(prop::option::weighted(0.4, 0..40_u64), 0..400),
        ) {
            let mut line = SeqMap::default();
            let mut model = BTreeMap::new();
            let mut last = 100_u64;
            for (thing, step) in steps.into_iter().enumerate() {
                if let Some(back) = step {
                    prop_assert_eq!(line.remove(last - back), model.remove(&(last - back)));
                } else {
                    last += 1;
                    line.push(last, thing);
                    model.insert(last, thing);
                }
                for number in last - 40..=last {
                    prop_assert_eq!(line.get(number), model.get(&number));
                    prop_assert_eq!(line.get_mut(number), model.get_mut(&number));
                }
                for number in [0, last - 20] {
                    let after = model.range(number + 1..).map(|(number, thing)| (*number, thing));
                    prop_assert!(line.iter_after(number).eq(after));
                }
                prop_assert_eq!(line.first().map(|(number, _)| number), model.keys().next().copied());
                prop_assert_eq!(line.last(), model.values().next_back());
                let gaps = line.in_order.iter().filter(|(_, thing)| thing.is_none()).count();
                prop_assert_eq!(line.gaps, gaps);
                prop_assert!(gaps <= KEPT + model.len());
            }
        }
    }
}
