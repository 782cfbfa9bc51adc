//! The end of the driver, however it comes: done, aborted, shut down with its runtime, or by a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use phx_proto::{ChannelCloseCause, CloseCause};

use super::Dispatch;
use crate::hook::isolated;
use crate::log::LogKind;
use crate::shared::LastReport;
use crate::socket::SocketError;

impl Dispatch {
    /// Lets everybody know that the driver is gone: first the hooks, then those who wait.
    ///
    /// It runs when the driver is dropped, perhaps while a panic unwinds: a second panic that leaves here would
    /// abort the program.
    pub(in crate::driver) fn stop(&mut self) {
        let _ = catch_unwind(AssertUnwindSafe(|| self.report_stop()));
        let _ = catch_unwind(AssertUnwindSafe(|| self.finish_stop()));
    }

    fn report_stop(&mut self) {
        let report = self.shared.lock().begin_stop();
        let LastReport { channels, connection, on_error, on_close, wakers } = report;
        self.wakers.extend(wakers);
        for (topic, hooks) in &channels {
            self.channel_has_closed(topic, &ChannelCloseCause::Stopped, hooks);
        }
        if let Some(on_error) = on_error {
            let error = SocketError::Connection(CloseCause::Stopped);
            tracing::error!(target: "phx_client::connection", "{error}");
            self.shared.settings.log.record(LogKind::Error, None, || error.to_string());
            for hook in on_error.iter() {
                isolated("on_error", || hook(&error));
            }
        }
        if let Some(closed) = connection {
            let cause = &closed.cause;
            self.shared
                .settings
                .log
                .record(LogKind::Transport, None, || format!("closed: {cause}"));
            for hook in on_close.iter() {
                isolated("on_close", || hook(&closed));
            }
        }
    }

    fn finish_stop(&mut self) {
        let shared = self.shared.clone();
        let mut state = shared.lock();
        // What had come is still the outcome.
        self.resolve_outcomes(&mut state);
        let mut wakers = std::mem::take(&mut self.wakers);
        let garbage = state.finish_stop(&mut wakers);
        drop(state);
        for waker in wakers.into_iter().chain(shared.forget_driver()) {
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
        drop(garbage);
    }
}
