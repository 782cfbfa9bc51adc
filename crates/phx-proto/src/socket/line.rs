//! Things in the order of their numbers.

use alloc::collections::{BTreeMap, VecDeque};

/// Room for so many things is never given back.
const KEPT: usize = 16;

/// An ordered map, made for numbers that grow: what is added nearly always comes last, and what is taken is
/// nearly always the first.
#[derive(Debug)]
pub(super) struct Line<T> {
    /// In the order of the numbers. Where a thing was taken from between others there is a gap; never at
    /// either end, and at the most as many as there are things, and a few.
    in_order: VecDeque<(u64, Option<T>)>,
    gaps: usize,
    /// What was added when a later number was there already.
    late: BTreeMap<u64, T>,
}

impl<T> Line<T> {
    /// Adds what has this number; it takes the place of what had it before.
    pub(super) fn insert(&mut self, number: u64, thing: T) {
        if let Some(place) = self.late.get_mut(&number) {
            *place = thing;
            return;
        }
        if self.in_order.back().is_none_or(|(last, _)| *last < number) {
            self.in_order.push_back((number, Some(thing)));
            return;
        }
        match self.place(number) {
            Some(place) => {
                if place.replace(thing).is_none() {
                    self.gaps = self.gaps.saturating_sub(1);
                }
            }
            None => drop(self.late.insert(number, thing)),
        }
    }

    /// What was added in order and has the lowest number of that.
    pub(super) fn first_in_order(&self) -> Option<(u64, &T)> {
        let (number, thing) = self.in_order.front()?;
        thing.as_ref().map(|thing| (*number, thing))
    }

    /// What was added in order and has the highest number of that.
    pub(super) fn last_in_order(&self) -> Option<&T> {
        self.in_order.back().and_then(|(_, thing)| thing.as_ref())
    }

    /// Takes what has this number.
    pub(super) fn remove(&mut self, number: u64) -> Option<T> {
        if self.in_order.front().is_some_and(|(first, _)| *first == number) {
            let (_, thing) = self.in_order.pop_front()?;
            self.close_gaps();
            return thing;
        }
        let Some(thing) = self.place(number).and_then(Option::take) else {
            return self.late.remove(&number);
        };
        self.gaps = self.gaps.saturating_add(1);
        self.close_gaps();
        Some(thing)
    }

    /// Takes what has the lowest number.
    pub(super) fn pop(&mut self) -> Option<(u64, T)> {
        let first = self.in_order.front().map(|(number, _)| *number);
        if let Some(entry) = self.late.first_entry()
            && first.is_none_or(|first| *entry.key() < first)
        {
            return Some(entry.remove_entry());
        }
        let (number, thing) = self.in_order.pop_front()?;
        self.close_gaps();
        thing.map(|thing| (number, thing))
    }

    pub(super) fn contains(&self, number: u64) -> bool {
        self.get(number).is_some()
    }

    pub(super) fn get(&self, number: u64) -> Option<&T> {
        let found = self.index(number).and_then(|index| self.in_order.get(index));
        found.and_then(|(_, thing)| thing.as_ref()).or_else(|| self.late.get(&number))
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        match self.index(number).and_then(|index| self.in_order.get_mut(index)) {
            Some((_, Some(thing))) => Some(thing),
            Some((_, None)) | None => self.late.get_mut(&number),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.in_order.is_empty() && self.late.is_empty()
    }

    /// The place of this number among those in order.
    fn place(&mut self, number: u64) -> Option<&mut Option<T>> {
        let index = self.index(number)?;
        self.in_order.get_mut(index).map(|(_, thing)| thing)
    }

    /// Where this number is among those in order: mostly at one of the ends.
    fn index(&self, number: u64) -> Option<usize> {
        if self.in_order.front()?.0 == number {
            return Some(0);
        }
        let last = self.in_order.len().checked_sub(1)?;
        if self.in_order.get(last)?.0 == number {
            return Some(last);
        }
        self.in_order.binary_search_by_key(&number, |(number, _)| *number).ok()
    }

    /// Leaves no gap at either end, and not many in between.
    fn close_gaps(&mut self) {
        while self.in_order.front().is_some_and(|(_, thing)| thing.is_none()) {
            self.in_order.pop_front();
            self.gaps = self.gaps.saturating_sub(1);
        }
        while self.in_order.back().is_some_and(|(_, thing)| thing.is_none()) {
            self.in_order.pop_back();
            self.gaps = self.gaps.saturating_sub(1);
        }
        if self.gaps > KEPT && self.gaps > self.in_order.len() / 2 {
            self.in_order.retain(|(_, thing)| thing.is_some());
            self.gaps = 0;
        }
        let capacity = self.in_order.capacity();
        if self.in_order.len() < capacity / 4 {
            self.in_order.shrink_to(KEPT.max(capacity / 2));
        }
    }
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        // Most sockets do one thing at a time, and a queue that grows by itself begins with four.
        Line { in_order: VecDeque::with_capacity(2), gaps: 0, late: BTreeMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(things: u64) -> Line<u64> {
        let mut line = Line::default();
        (0..things).for_each(|number| line.insert(number, number));
        line
    }

    /// Removes so many from behind the first.
    fn with_gaps(things: u64, gaps: u64) -> Line<u64> {
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
        let quarter = full / 4;
        while line.in_order.len() > quarter {
            assert!(line.pop().is_some());
            assert_eq!(line.in_order.capacity(), full, "{} left", line.in_order.len());
        }
        assert!(line.pop().is_some());
        let half = line.in_order.capacity();
        assert!((full / 2..full).contains(&half), "{half} of {full}");
        while line.pop().is_some() {}
        assert!((KEPT..2 * KEPT).contains(&line.in_order.capacity()));
    }

    /// What happens to a line.
    #[derive(Clone, Debug)]
    enum Step {
        /// The next number is added.
        Append,
        /// A number of before is added, be it there or not.
        Insert(u64),
        Remove(u64),
        Pop,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => Just(Step::Append),
            1 => (0..40_u64).prop_map(Step::Insert),
            4 => (0..40_u64).prop_map(Step::Remove),
            1 => Just(Step::Pop),
        ]
    }

    proptest! {
        /// The model is an ordered map. Numbers of before are counted back from the last.
        #[test]
        #[expect(clippy::arithmetic_side_effects, reason = "small numbers")]
        fn does_what_an_ordered_map_does(steps in prop::collection::vec(step(), 0..400)) {
            let mut line = Line::default();
            let mut model = BTreeMap::new();
            let mut last = 100_u64;
            for (thing, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Append => {
                        last += 1;
                        line.insert(last, thing);
                        model.insert(last, thing);
                    }
                    Step::Insert(back) => {
                        line.insert(last - back, thing);
                        model.insert(last - back, thing);
                    }
                    Step::Remove(back) => {
                        prop_assert_eq!(line.remove(last - back), model.remove(&(last - back)));
                    }
                    Step::Pop => prop_assert_eq!(line.pop(), model.pop_first()),
                }
                prop_assert_eq!(line.is_empty(), model.is_empty());
                for number in last - 40..=last {
                    prop_assert_eq!(line.get(number), model.get(&number));
                    prop_assert_eq!(line.get_mut(number), model.get_mut(&number));
                    prop_assert_eq!(line.contains(number), model.contains_key(&number));
                }
                for in_order in [line.first_in_order().map(|(_, thing)| thing), line.last_in_order()] {
                    prop_assert!(in_order.is_none_or(|thing| model.values().any(|there| there == thing)));
                }
                let gaps = line.in_order.iter().filter(|(_, thing)| thing.is_none()).count();
                prop_assert_eq!(line.gaps, gaps);
                prop_assert!(gaps <= KEPT + model.len());
            }
            while let Some(first) = line.pop() {
                prop_assert_eq!(Some(first), model.pop_first());
            }
            prop_assert!(model.is_empty());
        }
    }
}
