//! Dispatches each event: under the lock to streams and futures, and then without it to hooks and logs.

use std::time::Duration;

use phx_proto::{
    ByteString, ChannelCloseCause, ChannelErrorCause, ChannelId, CloseCause, DecodeError, Escaped,
    Event, Instant, Message, Payload, TransportId, TransportKind,
};

use super::Dispatch;
use super::kinds::{failed_channel, failed_connection, failed_request};
use crate::channel::ChannelError;
use crate::log::LogKind;
use crate::messages::item::TopicMessage;
use crate::shared::{
    Content, Deferred, HookList, OnChannelClose, OnClose, OnError, OnEvent, OnMessage, OnPayload,
    Shared, State, spans,
};
use crate::socket::{Closed, ConnectError, SocketError};
use crate::subscription::isolated;

impl Dispatch {
    /// Dispatches the core's events, until one is for hooks or logs.
    #[inline(never)]
    pub(super) fn events(&mut self, state: &mut State, now: Instant) {
        while self.outside.is_none()
            && let Some(event) = state.core.poll_event()
        {
            self.dispatch(state, now, event);
        }
        if self.outside.is_none() {
            self.resolve(state);
        }
    }

    /// The same where there is mostly none: that is found without a call.
    #[inline(always)]
    pub(super) fn rare_events(&mut self, state: &mut State, now: Instant) {
        if self.outside.is_some() {
            return;
        }
        if let Some(event) = state.core.poll_event() {
            self.dispatch_rare(state, now, event);
        } else {
            self.resolve(state);
        }
    }

    #[inline(never)]
    fn dispatch_rare(&mut self, state: &mut State, now: Instant, event: Event) {
        self.dispatch(state, now, event);
        self.events(state, now);
    }

    #[inline(always)]
    fn dispatch(&mut self, state: &mut State, now: Instant, event: Event) {
        match event {
            // Most are messages, which take the short path.
            Event::Message { channel, event, payload, .. } => {
                self.message(state, now, channel, event, payload);
            }
            event => self.event(state, now, event),
        }
    }

    /// Resolves the futures of the outcomes that hooks have seen. Mostly there are none.
    #[inline]
    pub(super) fn resolve(&mut self, state: &mut State) {
        if !(self.outcomes.is_empty() && self.pongs.is_empty()) {
            self.resolve_all(state);
        }
    }

    #[inline(never)]
    fn resolve_all(&mut self, state: &mut State) {
        for (push, outcome) in self.outcomes.drain(..) {
            state.resolve(push, outcome, &mut self.deferred);
        }
        for (ping, round_trip) in self.pongs.drain(..) {
            state.resolve_ping(ping, round_trip, &mut self.deferred);
        }
    }

    /// Delivers a message to the streams that want it, unless hooks may change it first, and to hooks and logs.
    fn message(
        &mut self,
        state: &mut State,
        now: Instant,
        channel: ChannelId,
        event: ByteString,
        payload: Payload,
    ) {
        let Some(entry) = state.channels.get(channel) else {
            return self.deferred.drop_box(Box::new((event, payload)));
        };
        let hooks = entry.hooks.as_deref().filter(|hooks| hooks.want(&event));
        if hooks.is_some() || self.is_verbose {
            let changes = hooks.map(|hooks| hooks.payload.clone()).unwrap_or_default();
            let handlers = hooks.and_then(|hooks| hooks.event.get(&event)).cloned();
            let (event, payload) = (event.clone(), payload.clone());
            let (topic, handlers) = (state.topic(channel), handlers.unwrap_or_default());
            let is_delivered = changes.is_empty();
            self.outside =
                Some(Outside::Message { channel, topic, event, payload, changes, handlers });
            if !is_delivered {
                return;
            }
        }
        let message = Content::Message { event, payload };
        entry.streams.deliver(now, message, &mut state.mailboxes, &mut self.deferred);
    }

    /// Leaves an event to hooks and logs, if there are any.
    pub(super) fn outside(&mut self, has_hooks: bool, run: impl FnOnce(&Shared) + Send + 'static) {
        let run = Box::new(run);
        if has_hooks || self.is_logged {
            self.outside = Some(Outside::Other(run));
        } else {
            // It may hold a payload.
            self.deferred.drop_box(run);
        }
    }

    /// Updates the state that streams and futures read, all of it before they are woken.
    #[inline(never)]
    fn event(&mut self, state: &mut State, now: Instant, event: Event) {
        self.meter.event(now, &event);
        let deferred = &mut self.deferred;
        match event {
            Event::RequestDone { push, channel, outcome, .. } => {
                state.deliver_reply(now, channel, push, &outcome, deferred);
                state.spans.done(push, failed_request(&outcome), deferred);
                append(&mut self.outcomes, (push, outcome));
            }
            Event::Pong { ping, round_trip, .. } => self.pongs.push((ping, round_trip)),
            Event::HeartbeatAnswered { .. } => self.shrink(state),
            Event::Opened { transport, .. } => {
                state.ends.note_opened();
                state.topics.resume(deferred);
                let (hooks, kind) = (state.hooks.open.clone(), state.transport);
                self.outside(!hooks.is_empty(), move |shared| {
                    tracing::info!(target: "phx_client::connection", id = transport.as_u64(), transport = %kind, "opened");
                    let log = &shared.settings.log;
                    log.record(LogKind::Transport, None, || match kind {
                        TransportKind::WebSocket => "opened".into(),
                        other => format!("opened: {other}"),
                    });
                    hooks.each("on_open", |hook| hook());
                });
            }
            Event::Closed { transport, cause, was_open, retry_in, .. } => {
                state.spans.closed(transport, failed_connection(&cause), deferred);
                if was_open {
                    state.topics.interrupt();
                }
                state.ends.note_closed(cause.clone(), retry_in.is_some());
                self.shrink(state);
                let (on_error, on_close) = (state.hooks.error.clone(), state.hooks.close.clone());
                let closed = Closed { cause, was_open, retry_in };
                self.outside(!(on_error.is_empty() && on_close.is_empty()), move |shared| {
                    report_closed(shared, &closed, &on_error, &on_close);
                });
            }
            Event::RetryCancelled => state.ends.note_closed(CloseCause::Disconnected, false),
            Event::Joined { channel, response, rejoined, .. } => {
                state.note_joined(channel, &response, rejoined, now, deferred);
                let hooks = state.channel_hooks(channel, |hooks| &hooks.join);
                let topic = state.topic(channel);
                self.outside(!hooks.is_empty(), move |shared| {
                    let topic = Escaped::new(&topic);
                    let what = if rejoined { "rejoined" } else { "joined" };
                    tracing::info!(target: "phx_client::channel", %topic, "{what}");
                    let log = &shared.settings.log;
                    log.record(LogKind::Channel, None, || format!("{topic} {what}"));
                    // Never dropped: the core has capacity for one answer, and its queue was empty before this one
                    // came.
                    let response = response.unwrap_or_default();
                    hooks.each("on_join", |hook| hook(&response, rejoined));
                });
            }
            Event::JoinFailed { channel, cause, retry_in, .. } => {
                self.not_joined(state, channel, (cause, true), retry_in);
            }
            Event::ChannelErrored { channel, cause, retry_in, .. } => {
                self.not_joined(state, channel, (cause, false), retry_in);
            }
            Event::ChannelClosed { channel, cause, .. } => {
                state.note_channel_closed(channel, &cause, deferred);
                let hooks = state.channel_hooks(channel, |hooks| &hooks.close);
                // A replaced channel is never joined again. So functions that hold it don't keep it for ever.
                let mut entry = state.channels.get_mut(channel);
                if let Some(span) = entry.as_mut().and_then(|entry| entry.span.take()) {
                    spans::end(*span, failed_channel(&cause), deferred);
                }
                let entry = entry.filter(|entry| entry.is_over());
                let garbage = entry.map(|entry| (entry.hooks.take(), entry.params.take()));
                let topic = state.topic(channel);
                self.outside(!hooks.is_empty() || garbage.is_some(), move |shared| {
                    report_channel_closed(shared, &topic, &cause, &hooks);
                    drop(garbage);
                });
            }
            Event::UnjoinedMessage { topic, event, payload, .. } => {
                let message = TopicMessage { topic, event, payload };
                if self.is_verbose {
                    let TopicMessage { topic, event, payload } = message.clone();
                    self.outside(true, move |shared| {
                        shared.settings.log.received(&topic, &event, &payload);
                    });
                }
                state.deliver_unjoined(now, message, &mut self.deferred);
            }
            Event::Malformed { topic, error, .. } => {
                if let Some(topic) = topic {
                    state.mark_topic_gap(&topic, deferred);
                }
                self.error(state, SocketError::Malformed(error));
            }
            Event::MessagesLost { .. } => {
                state.mark_gaps(deferred);
                self.error(state, SocketError::MessagesLost);
            }
            Event::EventsLost { count, .. } => self.error(state, SocketError::EventsLost(count)),
            // Unknown to this release.
            event => deferred.drop_box(Box::new(event)),
        }
    }

    fn not_joined(
        &mut self,
        state: &mut State,
        channel: ChannelId,
        (cause, is_join): (ChannelErrorCause, bool),
        retry_in: Option<Duration>,
    ) {
        let hides_reason = self.hides_reasons;
        let failure = ChannelError { cause, is_join, retry_in, hides_reason };
        state.note_failure(channel, failure.clone(), &mut self.deferred);
        let hooks = state.channel_hooks(channel, |hooks| &hooks.error);
        let topic = state.topic(channel);
        self.outside(!hooks.is_empty(), move |shared| {
            let topic = Escaped::new(&topic);
            tracing::warn!(target: "phx_client::channel", %topic, %failure, "not joined");
            let log = &shared.settings.log;
            log.record(LogKind::Channel, None, || format!("{topic} not joined: {failure}"));
            hooks.each("on_error", |hook| hook(&failure));
        });
    }

    /// Reports an error that ends nothing. It may hold a large frame, which is never dropped under the lock.
    pub(super) fn error(&mut self, state: &State, error: SocketError) {
        let hooks = state.hooks.error.clone();
        self.outside(true, move |shared| report_error(shared, &error, &hooks));
    }
}

/// The part of an event that hooks and logs see. It runs without the lock.
pub(super) enum Outside {
    /// A message, already delivered to the streams unless hooks change it.
    Message {
        channel: ChannelId,
        topic: ByteString,
        event: ByteString,
        payload: Payload,
        changes: HookList<OnPayload>,
        handlers: HookList<OnEvent>,
    },
    /// A frame for the hooks of all messages.
    Shown(Box<Shown>, HookList<OnMessage>),
    Other(Box<dyn FnOnce(&Shared) + Send>),
}

/// A frame of `len` bytes that was decoded for hooks before the core is given it.
pub(super) struct Shown {
    pub(super) transport: TransportId,
    pub(super) len: usize,
    pub(super) decoded: Result<Message, DecodeError>,
}

impl Outside {
    /// Runs hooks and logs. Returns the frame that they have seen, if it was one.
    pub(super) fn run(self, shared: &Shared, deferred: &mut Deferred) -> Option<Box<Shown>> {
        let (channel, topic, event, mut payload, changes, handlers) = match self {
            Outside::Message { channel, topic, event, payload, changes, handlers } => {
                (channel, topic, event, payload, changes, handlers)
            }
            Outside::Shown(shown, hooks) => {
                // A frame that can't be decoded is reported by an event.
                if let Ok(message) = &shown.decoded {
                    hooks.each("on_message", |hook| hook(message));
                }
                return Some(shown);
            }
            Outside::Other(run) => {
                run(shared);
                return None;
            }
        };
        shared.settings.log.received(&topic, &event, &payload);
        for hook in changes.iter() {
            // A hook that panics has changed nothing.
            if let Some(changed) = isolated("on_message", || hook(&event, payload.clone())) {
                payload = changed;
            }
        }
        if !changes.is_empty() {
            let message = Content::Message { event, payload: payload.clone() };
            // The hooks may have taken long.
            let now = shared.runtime.now();
            shared.lock().deliver(now, channel, message, deferred);
        }
        handlers.each("on_event", |hook| hook(&payload));
        None
    }
}

pub(super) fn report_closed(
    shared: &Shared,
    closed: &Closed,
    on_error: &HookList<OnError>,
    on_close: &HookList<OnClose>,
) {
    let Closed { cause, was_open, retry_in } = closed;
    if !was_open && retry_in.is_some() {
        // A caller that waits for the first connection sees why it takes long.
        let url = ConnectError::url(&shared.endpoint, shared.lock().tried_transport);
        tracing::warn!(target: "phx_client::connection", url, %cause, ?retry_in, "an attempt to connect failed");
    } else {
        tracing::info!(target: "phx_client::connection", %cause, was_open, ?retry_in, "closed");
    }
    let closed_by = if *was_open { "closed: " } else { "" };
    shared.settings.log.record(LogKind::Transport, None, || match retry_in {
        Some(delay) => format!("{closed_by}{cause}; next attempt in {delay:?}"),
        None => format!("{closed_by}{cause}"),
    });
    let is_wanted =
        matches!(cause, CloseCause::Frame { .. } | CloseCause::Disconnected | CloseCause::Replaced);
    if !is_wanted && !on_error.is_empty() {
        let error = SocketError::Connection(cause.clone());
        on_error.each("on_error", |hook| hook(&error));
    }
    on_close.each("on_close", |hook| hook(closed));
}

pub(super) fn report_channel_closed(
    shared: &Shared,
    topic: &str,
    cause: &ChannelCloseCause,
    hooks: &HookList<OnChannelClose>,
) {
    let topic = Escaped::new(topic);
    let without = shared.settings.hide_reasons.then(|| cause.clone().without_payload());
    let shown = without.as_ref().unwrap_or(cause);
    tracing::info!(target: "phx_client::channel", %topic, cause = %shown, "closed");
    shared.settings.log.record(LogKind::Channel, None, || format!("{topic} closed: {shown}"));
    hooks.each("on_close", |hook| hook(cause));
}

pub(super) fn report_error(shared: &Shared, error: &SocketError, hooks: &HookList<OnError>) {
    match error {
        SocketError::Malformed(error) => {
            tracing::warn!(target: "phx_client::connection", reason = %error.reason, "malformed frame");
        }
        SocketError::TokenIgnored => {
            tracing::warn!(target: "phx_client::connection", "the server ignored the auth token");
        }
        SocketError::MessagesLost => {
            tracing::warn!(target: "phx_client::connection", "messages lost");
        }
        SocketError::EventsLost(count) => {
            tracing::error!(target: "phx_client::connection", count, "events lost");
        }
        SocketError::Connection(_) => {
            tracing::error!(target: "phx_client::connection", "{error}");
        }
    }
    shared.settings.log.record(LogKind::Error, None, || error.to_string());
    hooks.each("on_error", |hook| hook(error));
}

/// Adds to a buffer of which most sockets need one entry: there are many idle ones.
pub(super) fn append<T>(buffer: &mut Vec<T>, entry: T) {
    if buffer.capacity() == 0 {
        buffer.reserve_exact(1);
    }
    buffer.push(entry);
}
