//! The socket's deadlines, in one order, so that equal inputs fire equal timers in equal order.

use core::time::Duration;

use super::TimeoutReason;
use super::queue::Queue;
use super::seq_map::SeqMap;
use crate::Instant;

/// No timer is shorter. A timer armed while others fire is then always in the future, so that
/// firing ends whatever the settings are.
const SHORTEST: Duration = Duration::from_millis(1);

const END_OF_TIME: Instant = Instant::from_epoch(Duration::MAX);

/// The key of an armed timer. Its owner holds it, and disarms the timer when the reason for it ends. No two
/// timers have the same key, so that of one that has fired names no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TimerKey {
    at: Instant,
    /// Timers of the same moment fire in the order in which they were armed.
    order: u64,
}

/// All armed timers of a socket.
///
/// There are as many as calls under way, and those have nearly all the same time to be answered: their deadlines come
/// in order. Among 10,000 pending, a heap costs far more for each.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// The deadlines of calls that are no earlier than those before them, by the order of arming.
    calls: SeqMap<(Instant, TimeoutReason)>,
    others: Queue<TimerKey, TimeoutReason>,
    next_order: u64,
}

impl Timers {
    pub(super) fn arm(&mut self, now: Instant, after: Duration, why: TimeoutReason) -> TimerKey {
        let key = TimerKey { at: now.saturating_add(after.max(SHORTEST)), order: self.next_order };
        self.next_order = self.next_order.wrapping_add(1);
        // A deadline far ahead, such as a heartbeat's, would keep later ones out.
        let is_call = matches!(why, TimeoutReason::Push(_) | TimeoutReason::Join(_));
        if key.at >= END_OF_TIME {
            // What lies beyond all time never comes. Armed, it would be due at the end of time
            // whenever it is armed, and firing would never end.
        } else if is_call && self.calls.last().is_none_or(|(last, _)| *last <= key.at) {
            // Equal moments are fine: they fire in the order of arming.
            self.calls.push(key.order, (key.at, why));
        } else {
            self.others.insert(key, why);
        }
        key
    }

    pub(super) fn disarm(&mut self, key: TimerKey) {
        // No order is used twice, so one that is in here can't be in the other.
        if self.calls.remove(key.order).is_none() {
            self.others.remove(key);
        }
    }

    /// Takes the earliest timer that is due, with the moment at which it was.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Instant, TimeoutReason)> {
        let (key, why) = self.first().filter(|(key, _)| key.at <= now)?;
        self.disarm(key);
        Some((key.at, why))
    }

    pub(super) fn next(&self) -> Option<(Instant, TimeoutReason)> {
        self.first().map(|(key, why)| (key.at, why))
    }

    /// The moment of [`next`](Self::next), without the reason: asked at every wake.
    #[inline]
    pub(super) fn next_at(&self) -> Option<Instant> {
        let call = self.calls.first().map(|(_, (at, _))| *at);
        let other = self.others.first().map(|(key, _)| key.at);
        match (call, other) {
            (Some(call), Some(other)) => Some(call.min(other)),
            _ => call.or(other),
        }
    }

    fn first(&self) -> Option<(TimerKey, TimeoutReason)> {
        let call = self.calls.first().map(|(order, (at, why))| (TimerKey { at: *at, order }, *why));
        let other = self.others.first().map(|(key, why)| (*key, *why));
        match (call, other) {
            (Some(call), Some(other)) => Some(if call.0 < other.0 { call } else { other }),
            _ => call.or(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::RequestId;

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

    /// A step of the test: an operation on a set of timers.
    #[derive(Clone, Debug)]
    enum Step {
        /// In this many milliseconds.
        Arm(u64),
        /// The one armed this many before the last, whether it has fired or not.
        Disarm(usize),
        /// This many milliseconds pass, and what is due is taken.
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
            let reason = |number: usize| TimeoutReason::Push(RequestId(number as u64));
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
                prop_assert_eq!(timers.next_at(), next.map(|(at, _)| at));
            }
        }
    }
}
