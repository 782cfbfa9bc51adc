//! News of channels.

use phx_proto::{ByteString, ChannelCloseCause, ChannelId, Escaped, Instant, Payload};

use super::{Dispatch, release};
use crate::channel::ChannelFailure;
use crate::hook::isolated;
use crate::log::LogKind;
use crate::shared::{ChannelHooks, Content, HookList, OnChannelClose};

impl Dispatch {
    pub(super) fn joined(&self, channel: ChannelId, response: &Payload, rejoined: bool) {
        let topic = self.topic(channel);
        let what = if rejoined { "rejoined" } else { "joined" };
        tracing::info!(target: "phx_client::channel", topic = %Escaped::new(&topic), "{what}");
        self.log(|| format!("{} {what}", Escaped::new(&topic)));
        for hook in self.hooks(channel, |hooks| &hooks.join).iter() {
            isolated("on_join", || hook(response, rejoined));
        }
    }

    /// The channel isn't joined, and will be tried again.
    pub(super) fn failed(&self, channel: ChannelId, failure: &ChannelFailure) {
        let topic = self.topic(channel);
        tracing::warn!(target: "phx_client::channel", topic = %Escaped::new(&topic), %failure, "not joined");
        self.log(|| format!("{} not joined: {failure}", Escaped::new(&topic)));
        for hook in self.hooks(channel, |hooks| &hooks.error).iter() {
            isolated("on_error", || hook(failure));
        }
    }

    pub(super) fn channel_closed(&self, channel: ChannelId, cause: &ChannelCloseCause) {
        let topic = self.topic(channel);
        self.channel_has_closed(&topic, cause, &self.hooks(channel, |hooks| &hooks.close));
        // A replaced channel is never joined again. So functions that hold it don't keep it for ever.
        let garbage = {
            let mut state = self.shared.lock();
            let entry = state.channels.get_mut(channel).filter(|entry| entry.is_over());
            entry.map(|entry| (entry.hooks.take(), entry.params.take()))
        };
        drop(garbage);
    }

    pub(super) fn channel_has_closed(
        &self,
        topic: &ByteString,
        cause: &ChannelCloseCause,
        hooks: &HookList<OnChannelClose>,
    ) {
        tracing::info!(target: "phx_client::channel", topic = %Escaped::new(topic), ?cause, "closed");
        self.log(|| format!("{} closed: {cause:?}", Escaped::new(topic)));
        for hook in hooks.iter() {
            isolated("on_close", || hook(cause));
        }
    }

    /// A message that hooks or a log want to see.
    pub(super) fn message(
        &mut self,
        now: Instant,
        channel: ChannelId,
        event: ByteString,
        mut payload: Payload,
    ) {
        let (change, handlers) = {
            let state = self.shared.lock();
            let Some(entry) = state.channels.get(channel) else {
                return;
            };
            let hooks = entry.hooks.as_ref();
            let handlers = hooks.and_then(|hooks| hooks.event.get(&event)).cloned();
            (hooks.map(|hooks| hooks.payload.clone()).unwrap_or_default(), handlers)
        };
        let topic = self.topic(channel);
        self.shared.settings.log.received(&topic, &event, &payload);
        for hook in change.iter() {
            // A hook that panics has changed nothing.
            if let Some(changed) = isolated("on_message", || hook(&event, payload.clone())) {
                payload = changed;
            }
        }
        let mut guard = self.shared.lock();
        let state = &mut *guard;
        if let Some(entry) = state.channels.get(channel) {
            let streams = entry.streams.of(&event);
            // The handlers need it too.
            let content = Content::Message { event, payload: payload.clone() };
            state.mailboxes.deliver(streams, now, content, &mut self.wakers);
        }
        release(guard, &mut self.wakers);
        for handler in handlers.iter().flat_map(HookList::iter) {
            isolated("on_event", || handler(&payload));
        }
    }

    /// The hooks of a channel as they are now; none if it was removed.
    fn hooks<F: ?Sized>(
        &self,
        channel: ChannelId,
        list: impl FnOnce(&ChannelHooks) -> &HookList<F>,
    ) -> HookList<F> {
        let state = self.shared.lock();
        let hooks = state.channels.get(channel).and_then(|entry| entry.hooks.as_ref());
        hooks.map(|hooks| list(hooks).clone()).unwrap_or_default()
    }

    fn log(&self, message: impl FnOnce() -> String) {
        self.shared.settings.log.record(LogKind::Channel, None, message);
    }

    fn topic(&self, channel: ChannelId) -> ByteString {
        self.shared.lock().core.topic(channel).cloned().unwrap_or_default()
    }
}
