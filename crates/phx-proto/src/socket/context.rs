//! Shared parts of a socket's machines: clock, settings, and the queues of deadlines, requests and events.

use core::time::Duration;

use fastrand::Rng;

use super::TimeoutReason;
use super::event_queue::EventQueue;
use super::requests::{Requests, What};
use super::timers::{TimerKey, Timers};
use super::topics::Topics;
use super::turns::{Pacing, Turns};
use crate::{ChannelId, Config, Counters, Event, Instant, Outcome, RequestId};

/// The shared parts that the connection and the channels are handed at each call.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) config: Config,
    pub(super) rng: Rng,
    /// Latest `now` seen; never moves backwards.
    pub(super) now: Instant,
    pub(super) timers: Timers,
    pub(super) requests: Requests,
    pub(super) topics: Topics,
    pub(super) turns: Turns,
    pub(super) events: EventQueue,
    pub(super) counters: Counters,
    /// Refs on the wire and ids of calls: one counter, never reset, so that a late reply never
    /// matches something new.
    last_number: u64,
    #[cfg(feature = "observer")]
    pub(super) observer: Option<alloc::boxed::Box<dyn crate::Observer>>,
}

impl Context {
    pub(super) fn new(config: Config, seed: u64) -> Self {
        Context {
            // From the caller: equal seeds and inputs must give equal outputs.
            rng: Rng::with_seed(seed),
            now: Instant::EPOCH,
            timers: Timers::default(),
            requests: Requests::default(),
            topics: Topics::default(),
            turns: Turns::default(),
            events: EventQueue::new(&config),
            counters: Counters::default(),
            last_number: 0,
            #[cfg(feature = "observer")]
            observer: None,
            // Last: the event queue above reads its limits before it moves.
            config,
        }
    }

    pub(super) fn next_number(&mut self) -> u64 {
        // At a billion calls a second it lasts for 584 years.
        self.last_number = self.last_number.saturating_add(1);
        self.last_number
    }

    pub(super) fn arm(&mut self, after: Duration, why: TimeoutReason) -> TimerKey {
        self.timers.arm(self.now, after, why)
    }

    pub(super) fn disarm(&mut self, key: Option<TimerKey>) {
        if let Some(key) = key {
            self.timers.disarm(key);
        }
    }

    /// Begins a request under the next number, with this long until its deadline; `ready` is whether it can be sent.
    pub(super) fn begin(
        &mut self,
        channel: Option<ChannelId>,
        timeout: Duration,
        what: What,
        ready: bool,
        why: impl FnOnce(u64) -> TimeoutReason,
    ) -> u64 {
        let number = self.next_number();
        let deadline = self.arm(timeout, why(number));
        self.requests.add(number, channel, Some(deadline), what, ready);
        number
    }

    /// Begins a call, which will have exactly one outcome.
    pub(super) fn call(
        &mut self,
        channel: ChannelId,
        timeout: Duration,
        what: What,
        ready: bool,
    ) -> u64 {
        self.events.promise_outcome();
        let why = |number| TimeoutReason::Push(RequestId(number));
        self.begin(Some(channel), timeout, what, ready, why)
    }

    /// Ends a call of a channel, and reports its outcome.
    #[inline]
    pub(super) fn finish(&mut self, channel: ChannelId, call: u64, outcome: Outcome) {
        // At most one outcome: a call that isn't under way has had it.
        if self.end(call) {
            self.emit_in_place(Event::RequestDone { push: RequestId(call), channel, outcome });
        }
    }

    /// Ends a request, if it is under way.
    #[inline]
    pub(super) fn end(&mut self, number: u64) -> bool {
        self.requests.end(number, &mut self.timers)
    }

    /// The turns to join, and what they need of this.
    pub(super) fn turns(&mut self) -> (&mut Turns, Pacing<'_>) {
        // Two borrows, since the turns arm timers of the same context.
        let pacing = Pacing::new(self.now, self.config.max_joins_in_flight, &mut self.timers);
        (&mut self.turns, pacing)
    }

    // Rare events share one copy of the code that counts them.
    #[inline(never)]
    pub(super) fn emit(&mut self, event: Event) {
        self.emit_in_place(event);
    }

    /// The same where events are frequent: the compiler knows there which one it is, and how it is counted.
    #[cfg_attr(not(for_size), inline(always))]
    pub(super) fn emit_in_place(&mut self, event: Event) {
        if !self.events.push(event) {
            self.counters.events_lost = self.counters.events_lost.saturating_add(1);
        }
    }
}

#[cfg(all(test, feature = "observer"))]
mod tests {
    use super::*;

    /// What an idle connection pays for the feature: the fields without it, put together as closely as the compiler does.
    #[test]
    fn without_an_observer_its_feature_costs_16_bytes() {
        let context = Context::new(Config::default(), 1);
        // Each field, so that a further one is counted.
        let Context {
            config,
            rng,
            now,
            timers,
            requests,
            topics,
            turns,
            events,
            counters,
            last_number,
            observer,
        } = &context;
        let others = [
            size_of_val(config),
            size_of_val(rng),
            size_of_val(now),
            size_of_val(timers),
            size_of_val(requests),
            size_of_val(topics),
            size_of_val(turns),
            size_of_val(events),
            size_of_val(counters),
            size_of_val(last_number),
        ];
        let without = others.iter().sum::<usize>().next_multiple_of(align_of::<Context>());
        assert!(observer.is_none());
        assert!(size_of::<Context>() <= without + 16, "{} {without}", size_of::<Context>());
    }
}
