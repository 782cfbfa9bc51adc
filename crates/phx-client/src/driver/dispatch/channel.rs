//! News of channels.

use std::time::Duration;

use phx_proto::{
    ByteString, ChannelCloseCause, ChannelError, ChannelId, Instant, JoinFailure, Payload,
};

use super::Dispatch;
use crate::hook::isolated;
use crate::log::LogKind;
use crate::shared::HookList;

impl Dispatch {
    pub(super) fn joined(&mut self, channel: ChannelId, response: &Payload, rejoined: bool) {
        let mut state = self.shared.lock();
        if rejoined {
            state.mark_gap(channel, &mut self.wakers);
        }
        state.refresh_channel(channel, &mut self.wakers);
        let Some(entry) = state.channels.get_mut(channel) else {
            return;
        };
        entry.response = Some(response.clone());
        let hooks = entry.hooks.join.clone();
        drop(state);
        self.wake();
        let what = if rejoined { "rejoined" } else { "joined" };
        let topic = self.topic(channel);
        tracing::info!(target: "phx_client::channel", %topic, "{what}");
        self.shared.settings.log.record(LogKind::Channel, None, || format!("{topic} {what}"));
        for hook in hooks.iter() {
            isolated("on_join", || hook(response, rejoined));
        }
    }

    pub(super) fn join_failed(
        &mut self,
        channel: ChannelId,
        cause: &JoinFailure,
        retry_in: Option<Duration>,
    ) {
        self.refresh(channel);
        let topic = self.topic(channel);
        tracing::warn!(target: "phx_client::channel", %topic, ?cause, ?retry_in, "join failed");
        self.shared
            .settings
            .log
            .record(LogKind::Channel, None, || format!("{topic} join failed: {cause:?}"));
    }

    pub(super) fn channel_errored(
        &mut self,
        channel: ChannelId,
        cause: &ChannelError,
        retry_in: Option<Duration>,
    ) {
        self.refresh(channel);
        let topic = self.topic(channel);
        tracing::warn!(target: "phx_client::channel", %topic, ?cause, ?retry_in, "errored");
        self.shared
            .settings
            .log
            .record(LogKind::Channel, None, || format!("{topic} errored: {cause:?}"));
        let hooks = {
            let state = self.shared.lock();
            state.channels.get(channel).map(|entry| entry.hooks.error.clone())
        };
        for hook in hooks.iter().flat_map(HookList::iter) {
            isolated("on_error", || hook(cause));
        }
    }

    pub(super) fn channel_closed(&mut self, channel: ChannelId, cause: &ChannelCloseCause) {
        let mut state = self.shared.lock();
        let hooks = state.channels.get_mut(channel).map(|entry| {
            entry.closed = Some(cause.clone());
            entry.hooks.close.clone()
        });
        state.end_streams(channel, &mut self.wakers);
        state.refresh_channel(channel, &mut self.wakers);
        drop(state);
        self.wake();
        let topic = self.topic(channel);
        tracing::info!(target: "phx_client::channel", %topic, ?cause, "closed");
        self.shared
            .settings
            .log
            .record(LogKind::Channel, None, || format!("{topic} closed: {cause:?}"));
        for hook in hooks.iter().flat_map(HookList::iter) {
            isolated("on_close", || hook(cause));
        }
    }

    /// A message that hooks or a log want to see.
    pub(super) fn message(
        &mut self,
        now: Instant,
        channel: ChannelId,
        event: &ByteString,
        mut payload: Payload,
    ) {
        let (change, handlers) = {
            let state = self.shared.lock();
            let Some(entry) = state.channels.get(channel) else {
                return;
            };
            let handlers = entry.hooks.event.get(event).cloned();
            (entry.hooks.payload.clone(), handlers)
        };
        let topic = self.topic(channel);
        tracing::trace!(target: "phx_client::channel", %topic, %event, len = payload.len(), "message");
        self.shared
            .settings
            .log
            .record(LogKind::Receive, Some(&payload), || format!("{topic} {event}"));
        for hook in change.iter() {
            // A hook that panics has changed nothing.
            if let Some(changed) = isolated("on_message", || hook(event, payload.clone())) {
                payload = changed;
            }
        }
        let mut state = self.shared.lock();
        state.deliver(now, channel, event, &payload, &mut self.wakers);
        drop(state);
        self.wake();
        for handler in handlers.iter().flat_map(HookList::iter) {
            isolated("on_event", || handler(&payload));
        }
    }

    fn refresh(&mut self, channel: ChannelId) {
        let mut state = self.shared.lock();
        state.refresh_channel(channel, &mut self.wakers);
        drop(state);
        self.wake();
    }

    fn topic(&self, channel: ChannelId) -> ByteString {
        self.shared.lock().core.topic(channel).cloned().unwrap_or_default()
    }
}
