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
    /// `None` once it has fired.
    timer: Option<Timer>,
}

/// A timer of the runtime. Its times are in the runtime's own time.
struct Timer {
    fires: Instant,
    /// The earliest deadline for which that was found to be early enough.
    covers: Instant,
    future: BoxFuture<()>,
}

impl Alarm {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Alarm { wake_flag: WakeFlag::new(Arc::clone(&shared)), timer: None, shared }
    }

    /// Wakes the driver at `deadline`, or before.
    ///
    /// A deadline that moves back, as with every reply to a push, leaves the timer alone: one needless wake
    /// costs less than a new timer each time. One from before the machine was suspended
    /// would be late, which shows here: in the runtime's own time the deadline has moved forward.
    pub(super) fn set(&mut self, now: Instant, deadline: Option<Instant>) {
        let mut cx = self.wake_flag.context();
        if self.wake_flag.take()
            && let Some(timer) = &mut self.timer
            && timer.future.as_mut().poll(&mut cx).is_ready()
        {
            self.timer = None;
        }
        let Some(deadline) = deadline else {
            return;
        };
        let clock = &self.shared.runtime;
        let covers = clock.awake(deadline);
        // Mostly the timer stays as it is. A later deadline needs no earlier look.
        if self.timer.as_ref().is_some_and(|timer| timer.covers <= covers) {
            return;
        }
        let fires = clock.next_look(now, deadline);
        if let Some(timer) = &mut self.timer
            && timer.fires <= fires
        {
            timer.covers = covers;
            return;
        }
        let mut future = clock.timer(fires);
        if future.as_mut().poll(&mut cx).is_pending() {
            self.timer = Some(Timer { fires, covers, future });
        } else {
            self.timer = None;
            self.shared.driver.wake();
        }
    }
}
