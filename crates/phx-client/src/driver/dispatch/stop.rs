//! The end of the driver, however it comes: done, aborted, shut down with its runtime, or by a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use phx_proto::{ChannelCloseCause, CloseCause};

use super::Dispatch;
use super::events::{report_channel_closed, report_closed, report_error};
use crate::shared::{HookList, Shared};
use crate::socket::{Closed, SocketError};

impl Dispatch {
    /// Reports the driver's end: to the hooks first, then to streams and futures.
    ///
    /// It runs when the driver is dropped, perhaps while a panic unwinds: a second panic that leaves here would
    /// abort the program.
    pub(in crate::driver) fn stop(&mut self, shared: &Shared) {
        let _ = catch_unwind(AssertUnwindSafe(|| self.report_stop(shared)));
        let _ = catch_unwind(AssertUnwindSafe(|| self.finish_stop(shared)));
    }

    fn report_stop(&mut self, shared: &Shared) {
        // An event that came before is reported before the end.
        if let Some(outside) = self.outside.take() {
            outside.run(shared, &mut self.deferred);
        }
        let mut state = shared.lock();
        let (channels, ends) = state.begin_stop(&mut self.deferred);
        let ended = |channel| {
            let hooks = state.channel_hooks(channel, |hooks| &hooks.close);
            (state.topic(channel), hooks)
        };
        let channels: Vec<_> = channels.into_iter().map(ended).collect();
        // Without handles the end was wanted, and is no error.
        let on_error = (!state.abandoned).then(|| state.hooks.error.clone());
        let (on_close, was_open) = (state.hooks.close.clone(), state.ends.is_open());
        drop(state);
        for (topic, hooks) in &channels {
            report_channel_closed(shared, topic, &ChannelCloseCause::Stopped, hooks);
        }
        if let Some(on_error) = on_error {
            report_error(shared, &SocketError::Connection(CloseCause::Stopped), &on_error);
        }
        if ends {
            let closed = Closed { cause: CloseCause::Stopped, was_open, retry_in: None };
            report_closed(shared, &closed, &HookList::default(), &on_close);
        }
    }

    fn finish_stop(&mut self, shared: &Shared) {
        let mut state = shared.lock();
        // Outcomes that came before stay valid.
        self.resolve(&mut state);
        self.meter.count(state.core.counters());
        let garbage = state.finish_stop(&mut self.deferred);
        drop(state);
        self.meter.report();
        self.deferred.wake(shared.forget_driver());
        self.deferred.run();
        drop(garbage);
    }
}
