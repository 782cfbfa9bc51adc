//! The driver's one timer.

use std::pin::Pin;
use std::task::Context;

use phx_proto::Instant;

use crate::runtime::{Runtime, Timer};

/// A timer that wakes the driver. What is due then, the driver finds by the clock.
#[derive(Default)]
pub(super) struct Alarm {
    timer: Option<Pin<Box<dyn Timer>>>,
    /// What the timer is set to; `None` if it isn't needed, or has gone off.
    set_to: Option<Instant>,
}

impl Alarm {
    pub(super) fn set(
        &mut self,
        runtime: &dyn Runtime,
        deadline: Option<Instant>,
        cx: &mut Context<'_>,
    ) {
        let Some(deadline) = deadline else {
            self.set_to = None;
            return;
        };
        let timer = match &mut self.timer {
            Some(timer) => {
                if self.set_to != Some(deadline) {
                    timer.as_mut().reset(deadline);
                }
                timer
            }
            None => self.timer.insert(runtime.timer(deadline)),
        };
        self.set_to = Some(deadline);
        if timer.as_mut().poll(cx).is_ready() {
            self.set_to = None;
            cx.waker().wake_by_ref();
        }
    }
}
