//! The driver's one timer.

use std::pin::Pin;
use std::task::Context;

use phx_proto::Instant;

use crate::runtime::{Runtime, Timer};

/// A timer that wakes the driver. What is due then, the driver finds by the clock.
#[derive(Default)]
pub(super) struct Alarm {
    timer: Option<Pin<Box<dyn Timer>>>,
    /// What the timer is set to; `None` if it has gone off.
    set_to: Option<Instant>,
}

impl Alarm {
    /// Has the driver woken at `deadline`, or before.
    ///
    /// A deadline that moves back, as with every reply to a push, leaves the timer alone: to be woken
    /// once for nothing costs less than to move it each time.
    pub(super) fn set(
        &mut self,
        runtime: &dyn Runtime,
        deadline: Option<Instant>,
        cx: &mut Context<'_>,
    ) {
        let Some(deadline) = deadline else {
            return;
        };
        let timer = match &mut self.timer {
            Some(timer) => {
                if self.set_to.is_none_or(|set_to| deadline < set_to) {
                    timer.as_mut().reset(deadline);
                    self.set_to = Some(deadline);
                }
                timer
            }
            None => {
                self.set_to = Some(deadline);
                self.timer.insert(runtime.timer(deadline))
            }
        };
        if timer.as_mut().poll(cx).is_ready() {
            self.set_to = None;
            cx.waker().wake_by_ref();
        }
    }
}
