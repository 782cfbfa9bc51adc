//! The driver's one timer.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

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
    /// When it was set last, or left alone.
    seen: Instant,
}

/// If nobody has looked for so long, the machine may have slept, and the timer not know it yet.
const LONG: Duration = Duration::from_secs(1);

impl Alarm {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let nudge = Nudge::new(Arc::clone(&shared));
        Alarm { timer: None, nudge, set_to: None, seen: Instant::EPOCH, shared }
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
        let slept = now.saturating_duration_since(self.seen) >= LONG;
        self.seen = now;
        if (self.nudge.take() || slept) && timer.as_mut().poll(&mut self.nudge.context()).is_ready()
        {
            self.set_to = None;
            self.shared.wake_driver();
        }
    }
}
