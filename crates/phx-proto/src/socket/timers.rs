//! The socket's deadlines: one ordered queue, so that equal inputs fire equal timers in equal order.

use alloc::vec::Vec;
use core::time::Duration;

use super::TimeoutReason;
use super::line::Line;
use crate::Instant;

/// No timer is shorter. A timer armed while others fire is then always in the future, so that
/// firing ends whatever the settings are.
const SHORTEST: Duration = Duration::from_millis(1);

const END_OF_TIME: Instant = Instant::from_epoch(Duration::MAX);

/// Room for so many timers is never given back.
const KEPT: usize = 64;

/// An armed timer. Whoever armed it holds the key, and disarms it when the reason for it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimerKey {
    /// No two timers have the same, so the key of one that has fired is nobody else's.
    order: u64,
    place: usize,
}

/// The place of those that aren't in the heap.
const AMONG_CALLS: usize = usize::MAX;

/// All armed timers of a socket.
///
/// There are as many as pushes and joins under way, and those have nearly all the same time to be
/// answered: their deadlines come in order, and go in about the same. The others are few.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// The deadlines of calls that are no earlier than those before them.
    calls: Line<(Instant, TimeoutReason)>,
    /// The others: a heap whose timers know where they are.
    others: Heap,
    next_order: u64,
}

#[derive(Debug)]
struct Heap {
    /// Each comes before the two that stand at twice its index and after.
    heap: Vec<Armed>,
    /// Where in the heap the timer of a key is.
    places: Vec<usize>,
    free_places: Vec<usize>,
}

#[derive(Debug)]
struct Armed {
    at: Instant,
    /// Timers of the same moment fire in the order in which they were armed.
    order: u64,
    place: usize,
    why: TimeoutReason,
}

impl Armed {
    fn key(&self) -> TimerKey {
        TimerKey { order: self.order, place: self.place }
    }

    fn is_before(&self, other: &Armed) -> bool {
        (self.at, self.order) < (other.at, other.order)
    }
}

impl Timers {
    pub(super) fn arm(&mut self, now: Instant, after: Duration, why: TimeoutReason) -> TimerKey {
        let order = self.next_order;
        self.next_order = self.next_order.wrapping_add(1);
        let at = now.saturating_add(after.max(SHORTEST));
        // What lies beyond all time never comes. Armed, it would be due at the end of time
        // whenever it is armed, and firing would never end.
        if at >= END_OF_TIME {
            return TimerKey { order, place: AMONG_CALLS };
        }
        let is_call = matches!(why, TimeoutReason::Push(_) | TimeoutReason::Join(_));
        if is_call && self.calls.last_in_order().is_none_or(|(last, _)| *last <= at) {
            self.calls.insert(order, (at, why));
            return TimerKey { order, place: AMONG_CALLS };
        }
        TimerKey { order, place: self.others.insert(at, order, why) }
    }

    pub(super) fn disarm(&mut self, key: TimerKey) {
        if key.place == AMONG_CALLS {
            self.calls.remove(key.order);
        } else {
            self.others.remove(key.place, key.order);
        }
    }

    /// Takes the earliest timer that is due, with the moment at which it was.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Instant, TimeoutReason)> {
        let (key, at, why) = self.first().filter(|(_, at, _)| *at <= now)?;
        self.disarm(key);
        Some((at, why))
    }

    pub(super) fn next(&self) -> Option<(Instant, TimeoutReason)> {
        self.first().map(|(_, at, why)| (at, why))
    }

    fn first(&self) -> Option<(TimerKey, Instant, TimeoutReason)> {
        let call = self.calls.first_in_order();
        let call =
            call.map(|(order, (at, why))| (TimerKey { order, place: AMONG_CALLS }, *at, *why));
        let other = self.others.heap.first();
        let other = other.map(|timer| (timer.key(), timer.at, timer.why));
        match (call, other) {
            (Some(call), Some(other)) => {
                let call_is_first = (call.1, call.0.order) < (other.1, other.0.order);
                Some(if call_is_first { call } else { other })
            }
            (call, other) => call.or(other),
        }
    }
}

impl Default for Heap {
    fn default() -> Self {
        // The heartbeat's, and that after which a connection counts as stable.
        let room = 2;
        Heap {
            heap: Vec::with_capacity(room),
            places: Vec::with_capacity(room),
            free_places: Vec::with_capacity(room),
        }
    }
}

impl Heap {
    /// Adds a timer. Returns its place.
    fn insert(&mut self, at: Instant, order: u64, why: TimeoutReason) -> usize {
        let index = self.heap.len();
        let place = self.free_places.pop().unwrap_or_else(|| {
            self.places.push(index);
            self.places.len().saturating_sub(1)
        });
        self.heap.push(Armed { at, order, place, why });
        self.move_up(index);
        place
    }

    /// Removes a timer, if it is still there.
    fn remove(&mut self, place: usize, order: u64) {
        if let Some(&index) = self.places.get(place)
            && self.heap.get(index).is_some_and(|timer| timer.order == order)
        {
            self.remove_at(index);
        }
    }

    fn remove_at(&mut self, index: usize) {
        self.free_places.push(self.heap.swap_remove(index).place);
        if index < self.heap.len() {
            let index = self.move_up(index);
            self.move_down(index);
        }
        self.give_back();
    }

    /// Gives back what a burst has needed, when little of it is used.
    fn give_back(&mut self) {
        let capacity = self.heap.capacity();
        if self.heap.len() < capacity / 4 {
            self.heap.shrink_to(KEPT.max(capacity / 2));
        }
        if self.heap.is_empty() {
            self.places.clear();
            self.places.shrink_to(KEPT);
            self.free_places.clear();
            self.free_places.shrink_to(KEPT);
        }
    }

    /// Moves a timer before those that it comes before. Returns where it is then.
    fn move_up(&mut self, mut index: usize) -> usize {
        while let Some(parent) = index.checked_sub(1).map(|index| index / 2)
            && self.is_before(index, parent)
        {
            self.swap(index, parent);
            index = parent;
        }
        self.note_place(index);
        index
    }

    /// Moves a timer behind those that come before it.
    fn move_down(&mut self, mut index: usize) {
        loop {
            let left = index.saturating_mul(2).saturating_add(1);
            let right = left.saturating_add(1);
            let first = if self.is_before(right, left) { right } else { left };
            if !self.is_before(first, index) {
                break;
            }
            self.swap(index, first);
            index = first;
        }
        self.note_place(index);
    }

    /// Whether there is a timer at `index` that comes before the one at `other`.
    fn is_before(&self, index: usize, other: usize) -> bool {
        match (self.heap.get(index), self.heap.get(other)) {
            (Some(timer), Some(other)) => timer.is_before(other),
            _ => false,
        }
    }

    /// Exchanges the timer that is being moved, which is at `from`, and another.
    fn swap(&mut self, from: usize, to: usize) {
        self.heap.swap(from, to);
        self.note_place(from);
    }

    fn note_place(&mut self, index: usize) {
        if let Some(timer) = self.heap.get(index)
            && let Some(place) = self.places.get_mut(timer.place)
        {
            *place = index;
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::PushId;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn fires_in_order_of_time_then_of_arming() {
        let mut timers = Timers::default();
        let now = Instant::EPOCH;
        timers.arm(now, SECOND * 2, TimeoutReason::Stable);
        timers.arm(now, SECOND, TimeoutReason::Heartbeat);
        timers.arm(now, SECOND, TimeoutReason::Connect);
        assert_eq!(timers.next(), Some((now + SECOND, TimeoutReason::Heartbeat)));
        assert_eq!(timers.pop_due(now), None);
        let later = now + SECOND * 2;
        assert_eq!(timers.pop_due(later), Some((now + SECOND, TimeoutReason::Heartbeat)));
        assert_eq!(timers.pop_due(later), Some((now + SECOND, TimeoutReason::Connect)));
        assert_eq!(timers.pop_due(later), Some((later, TimeoutReason::Stable)));
        assert_eq!(timers.pop_due(later), None);
    }

    #[test]
    fn a_disarmed_timer_never_fires() {
        let mut timers = Timers::default();
        let key = timers.arm(Instant::EPOCH, SECOND, TimeoutReason::Close);
        timers.disarm(key);
        assert_eq!(timers.pop_due(Instant::EPOCH + SECOND * 9), None);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn a_timer_beyond_all_time_never_fires() {
        let mut timers = Timers::default();
        timers.arm(Instant::EPOCH + SECOND, Duration::MAX, TimeoutReason::Close);
        assert_eq!(timers.next(), None);
        assert_eq!(timers.pop_due(END_OF_TIME), None);
    }

    #[test]
    fn a_timer_armed_while_firing_is_in_the_future() {
        let mut timers = Timers::default();
        timers.arm(Instant::EPOCH, Duration::ZERO, TimeoutReason::Reconnect);
        assert_eq!(timers.pop_due(Instant::EPOCH), None);
        let shortest = Instant::EPOCH + SHORTEST;
        assert_eq!(timers.pop_due(shortest), Some((shortest, TimeoutReason::Reconnect)));
    }

    #[test]
    #[expect(clippy::integer_division, reason = "small numbers")]
    fn half_of_the_room_is_given_back_when_less_than_a_quarter_is_used() {
        let mut timers = Timers::default();
        let mut keys: Vec<_> =
            (0..1_000).map(|_| timers.arm(Instant::EPOCH, SECOND, TimeoutReason::Stable)).collect();
        let room = timers.others.heap.capacity();
        for key in keys.drain(room / 4..) {
            timers.disarm(key);
        }
        assert_eq!(timers.others.heap.capacity(), room);
        timers.disarm(keys.pop().unwrap());
        assert_eq!(timers.others.heap.capacity(), room / 2);
        keys.into_iter().for_each(|key| timers.disarm(key));
        let Heap { heap, places, free_places } = &timers.others;
        for left in [heap.capacity(), places.capacity(), free_places.capacity()] {
            assert!(left <= 2 * KEPT, "room for {left}");
        }
    }

    /// What happens to a set of timers.
    #[derive(Clone, Debug)]
    enum Step {
        /// In so many milliseconds.
        Arm(u64),
        /// The one armed so many before the last, whether it has fired or not.
        Disarm(usize),
        /// So many milliseconds pass, and what is due is taken.
        Pass(u64),
        /// Only one that is due is taken.
        PopOne,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..50_u64).prop_map(Step::Arm),
            1 => Just(Step::Arm(u64::MAX)),
            2 => (0..12_usize).prop_map(Step::Disarm),
            2 => (0..40_u64).prop_map(Step::Pass),
            1 => Just(Step::PopOne),
        ]
    }

    proptest! {
        /// The model is a list that is searched.
        #[test]
        #[expect(clippy::arithmetic_side_effects, reason = "small numbers")]
        fn does_what_a_list_does(steps in prop::collection::vec(step(), 0..60)) {
            let mut timers = Timers::default();
            let mut keys = Vec::new();
            let mut model: Vec<(Instant, usize)> = Vec::new();
            let mut now = Instant::EPOCH;
            // Sorting is stable: equal moments stay in the order of arming.
            let reason = |number: usize| TimeoutReason::Push(PushId(number as u64));
            for step in steps {
                match step {
                    Step::Arm(after) => {
                        let after = if after == u64::MAX { Duration::MAX } else { Duration::from_millis(after) };
                        keys.push(timers.arm(now, after, reason(keys.len())));
                        let at = now + after.max(Duration::from_millis(1));
                        if after < Duration::MAX {
                            model.push((at, keys.len() - 1));
                            model.sort_by_key(|(at, _)| *at);
                        }
                    }
                    Step::Disarm(back) => {
                        if let Some(number) = keys.len().checked_sub(back + 1) {
                            timers.disarm(keys[number]);
                            model.retain(|(_, other)| *other != number);
                        }
                    }
                    Step::PopOne | Step::Pass(_) => {
                        let most = if let Step::Pass(time) = step {
                            now = now + Duration::from_millis(time);
                            usize::MAX
                        } else {
                            1
                        };
                        let due = model.iter().take_while(|(at, _)| *at <= now).count().min(most);
                        for (at, number) in model.drain(..due) {
                            prop_assert_eq!(timers.pop_due(now), Some((at, reason(number))));
                        }
                        if most > 1 {
                            prop_assert_eq!(timers.pop_due(now), None);
                        }
                    }
                }
                let next = model.first().map(|(at, number)| (*at, reason(*number)));
                prop_assert_eq!(timers.next(), next);
            }
        }
    }
}
