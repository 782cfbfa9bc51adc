//! The driver's one timer.

use std::pin::Pin;
use std::sync::Arc;

use phx_proto::Instant;

use super::nudge::Nudge;
use crate::runtime::Timer;
use crate::shared::Shared;

/// A timer that wakes the driver. What is due then, the driver finds by the clock.
pub(super) struct Alarm {
    shared: Arc<Shared>,
    timer: Option<Pin<Box<dyn Timer>>>,
    nudge: Nudge,
    /// What the timer is set to; `None` if it has gone off.
    set_to: Option<Instant>,
}

impl Alarm {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Alarm { timer: None, nudge: Nudge::new(Arc::clone(&shared)), set_to: None, shared }
    }

    /// Has the driver woken at `deadline`, or before.
    ///
    /// A deadline that moves back, as with every reply to a push, leaves the timer alone: to be woken
    /// once for nothing costs less than to move it each time.
    pub(super) fn set(&mut self, now: Instant, deadline: Option<Instant>) {
        let Some(deadline) = deadline else {
            return;
        };
        let runtime = &*self.shared.runtime;
        let timer = match &mut self.timer {
            Some(timer) => {
                if self.set_to.is_none_or(|set_to| deadline < set_to) {
                    timer.as_mut().reset(deadline);
                    self.set_to = Some(deadline);
                    self.nudge.call();
                }
                timer
            }
            None => {
                self.set_to = Some(deadline);
                self.timer.insert(runtime.timer(deadline))
            }
        };
        // A timer that should have called stood still with the machine, and doesn't know it yet.
        let overdue = self.set_to.is_some_and(|set_to| set_to <= now);
        if (self.nudge.take() || overdue)
            && timer.as_mut().poll(&mut self.nudge.context()).is_ready()
        {
            self.set_to = None;
            self.shared.wake_driver();
        }
    }
}
