//! The driver's one timer.

use std::sync::Arc;

use phx_proto::Instant;

use super::wake_flag::WakeFlag;
use crate::runtime::BoxFuture;
use crate::shared::Shared;

/// A timer that wakes the driver, which compares the clock with its deadlines itself.
pub(super) struct Alarm {
    shared: Arc<Shared>,
    wake_flag: WakeFlag,
    /// The timer, and when it fires in the runtime's own time; `None` once it has fired.
    timer: Option<(Instant, BoxFuture<()>)>,
}

impl Alarm {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Alarm { wake_flag: WakeFlag::new(Arc::clone(&shared)), timer: None, shared }
    }

    /// Wakes the driver at `deadline`, or before.
    ///
    /// A deadline that moves back, as with every reply to a push, leaves the timer alone: one needless wake
    /// costs less than a new timer each time. One from before the machine was suspended
    /// would be late, which shows here, since it is set in the runtime's own time.
    pub(super) fn set(&mut self, now: Instant, deadline: Option<Instant>) {
        let mut cx = self.wake_flag.context();
        if self.wake_flag.take()
            && let Some((_, timer)) = &mut self.timer
            && timer.as_mut().poll(&mut cx).is_ready()
        {
            self.timer = None;
        }
        let Some(deadline) = deadline else {
            return;
        };
        let clock = &self.shared.runtime;
        let set_to = self.timer.as_ref().map(|(set_to, _)| *set_to);
        // Mostly the timer stays as it is, which is found without a division.
        if set_to.is_some_and(|set_to| set_to <= clock.earliest_look(now, deadline)) {
            return;
        }
        let look = clock.next_look(now, deadline);
        if set_to.is_some_and(|set_to| set_to <= look) {
            return;
        }
        let mut timer = clock.timer(look);
        if timer.as_mut().poll(&mut cx).is_pending() {
            self.timer = Some((look, timer));
        } else {
            self.timer = None;
            self.shared.driver.wake();
        }
    }
}
