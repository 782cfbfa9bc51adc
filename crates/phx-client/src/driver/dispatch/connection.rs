//! News of the connection.

use std::sync::Arc;
use std::time::Duration;

use phx_proto::{CloseCause, DecodeError, TransportId};

use super::{Dispatch, release};
use crate::hook::isolated;
use crate::log::LogKind;
use crate::socket::{Closed, SocketError};

impl Dispatch {
    pub(super) fn opened(&mut self, transport: TransportId) {
        let hooks = self.shared.lock().hooks.open.clone();
        tracing::info!(target: "phx_client::connection", id = transport.as_u64(), "opened");
        self.shared.settings.log.record(LogKind::Transport, None, || "opened".into());
        for hook in hooks.iter() {
            isolated("on_open", hook);
        }
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        state.report_opened(&mut self.wakers);
        release(state, &mut self.wakers);
    }

    pub(super) fn closed(
        &mut self,
        end: u64,
        cause: CloseCause,
        was_open: bool,
        retry_in: Option<Duration>,
    ) {
        let (on_error, on_close) = {
            let state = self.shared.lock();
            (state.hooks.error.clone(), state.hooks.close.clone())
        };
        tracing::info!(target: "phx_client::connection", %cause, was_open, ?retry_in, "closed");
        self.shared.settings.log.record(LogKind::Transport, None, || match retry_in {
            Some(delay) => format!("closed: {cause}; next attempt in {delay:?}"),
            None => format!("closed: {cause}"),
        });
        let fault = match &cause {
            // An end that either side wanted.
            CloseCause::Frame { .. } | CloseCause::Disconnected | CloseCause::Replaced => None,
            fault => Some(SocketError::Connection(fault.clone())),
        };
        for hook in on_error.iter() {
            if let Some(fault) = &fault {
                isolated("on_error", || hook(fault));
            }
        }
        let closed = Closed { cause, was_open, retry_in };
        for hook in on_close.iter() {
            isolated("on_close", || hook(&closed));
        }
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        state.report_closed(end, &closed.cause, closed.retry_in.is_some(), &mut self.wakers);
        release(state, &mut self.wakers);
    }

    pub(super) fn malformed(&self, error: DecodeError) {
        tracing::warn!(target: "phx_client::connection", reason = %error.reason, "malformed frame");
        self.error(&SocketError::Malformed(error));
    }

    pub(in crate::driver) fn token_ignored(&self) {
        tracing::warn!(target: "phx_client::connection", "the server ignored the auth token");
        self.error(&SocketError::TokenIgnored);
    }

    pub(super) fn events_lost(&self, count: u64) {
        tracing::error!(target: "phx_client::connection", count, "events lost");
        self.error(&SocketError::EventsLost(count));
    }

    fn error(&self, error: &SocketError) {
        let hooks = self.shared.lock().hooks.error.clone();
        self.shared.settings.log.record(LogKind::Error, None, || error.to_string());
        for hook in hooks.iter() {
            isolated("on_error", || hook(error));
        }
    }
}
