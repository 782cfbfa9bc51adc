//! What handles, streams and the driver share: one lock around the core, and who waits for what.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use futures::task::AtomicWaker;
use phx_proto::{
    ByteString, ChannelCloseCause, ChannelId, CloseCause, CloseCode, ConnectionState,
    DisconnectError, Endpoint, Instant, Outcome, Payload, PayloadDropped, PingId, PushId,
};

use crate::builder::Settings;
use crate::channel::ChannelFailure;
use crate::messages::item::{Incoming, TopicMessage};
use crate::runtime::Runtime;

mod answers;
mod channels;
mod ends;
mod hooks;
mod mailbox;
mod stop;
mod streams;
mod waiting;
mod watch;

use answers::{Budget, Outcomes};
pub(crate) use channels::{ChannelEntries, ChannelEntry, ParamsFunction};
use ends::Ends;
pub(crate) use ends::{DisconnectWait, Interest};
pub(crate) use hooks::{
    ChannelHooks, Garbage, HookId, HookList, OnChannelClose, OnMessage, SocketHooks,
};
pub(crate) use mailbox::{Content, Entry, Mailbox, Mailboxes, Other, Taken};
pub(crate) use stop::LastReport;
use stop::Life;
use streams::TopicStreams;
pub(crate) use waiting::Waiting;
pub(crate) use watch::{Watch, WatchKey};

/// One socket: its state behind a lock that is never held while foreign code runs, and what never
/// changes beside it.
///
/// Foreign code is hooks, loggers, what waking a task or dropping a waker does, and the destructors
/// of what users gave: all of it may call back into the socket. The exceptions are what the core
/// itself calls, serializers and the functions of schedules and policies, and their docs say so.
pub(crate) struct Shared {
    state: Mutex<State>,
    driver: AtomicWaker,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) endpoint: Endpoint,
    pub(crate) settings: Settings,
}

impl Shared {
    pub(crate) fn new(
        core: phx_proto::Socket,
        runtime: Arc<dyn Runtime>,
        endpoint: Endpoint,
        settings: Settings,
        hooks: SocketHooks,
    ) -> Self {
        let max_answer_bytes = core.config().max_answer_bytes;
        let state = State {
            core,
            pushes: Outcomes::new(max_answer_bytes),
            pings: Waiting::default(),
            // Most sockets have few.
            channels: ChannelEntries::new(),
            kept: Budget::new(max_answer_bytes),
            mailboxes: Mailboxes::default(),
            topics: TopicStreams::default(),
            connection: Watch::new(ConnectionState::Closed),
            ends: Ends::default(),
            hooks,
            last_hook: 0,
            abandoned: false,
            life: Life::Running,
            driver_called: false,
        };
        Shared { state: Mutex::new(state), driver: AtomicWaker::new(), runtime, endpoint, settings }
    }

    /// The state. A panic while the lock was held can't have left it half-changed in a way that
    /// matters more than stopping everybody else, so poisoning is ignored.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state on a user's behalf, wakes the driver to act on it, and everybody whom
    /// `change` names.
    pub(crate) fn call<R>(
        &self,
        change: impl FnOnce(&mut State, Instant, &mut Vec<Waker>) -> R,
    ) -> R {
        let now = self.runtime.now();
        let mut wakers = Vec::new();
        let mut state = self.lock();
        let result = change(&mut state, now, &mut wakers);
        state.refresh_connection(&mut wakers);
        let called_before = std::mem::replace(&mut state.driver_called, true);
        drop(state);
        if !called_before {
            self.driver.wake();
        }
        wakers.into_iter().for_each(Waker::wake);
        result
    }

    pub(crate) fn wake_driver(&self) {
        self.driver.wake();
    }

    pub(crate) fn register_driver(&self, waker: &Waker) {
        self.driver.register(waker);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// What the lock protects.
pub(crate) struct State {
    pub(crate) core: phx_proto::Socket,
    pub(crate) pushes: Outcomes,
    pub(crate) pings: Waiting<PingId, Option<Duration>>,
    pub(crate) channels: ChannelEntries,
    /// What the channels keep of answers.
    kept: Budget,
    pub(crate) mailboxes: Mailboxes,
    pub(crate) topics: TopicStreams,
    pub(crate) connection: Watch<ConnectionState>,
    pub(crate) ends: Ends,
    pub(crate) hooks: SocketHooks,
    last_hook: u64,
    /// The last handle is gone: the driver closes the connection and ends.
    pub(crate) abandoned: bool,
    life: Life,
    /// The driver was woken because of a call, and hasn't begun to look at it.
    pub(crate) driver_called: bool,
}

impl State {
    /// Tells who watches the connection, if it changed.
    pub(crate) fn refresh_connection(&mut self, wakers: &mut Vec<Waker>) {
        self.connection.set(self.connection_state(), wakers);
    }

    /// Tells who watches a channel, if it changed.
    pub(crate) fn refresh_channel(&mut self, channel: ChannelId, wakers: &mut Vec<Waker>) {
        let state = self.channel_state(channel);
        if let Some(entry) = self.channels.get_mut(channel) {
            entry.status.set(state, wakers);
        }
    }

    /// Disconnects, and returns what the end of that is.
    pub(crate) fn disconnect(
        &mut self,
        now: Instant,
        code: CloseCode,
        reason: &str,
    ) -> Result<DisconnectWait, DisconnectError> {
        let before = self.connection_state();
        self.core.disconnect(now, code, reason)?;
        Ok(match before {
            ConnectionState::Closed => DisconnectWait::Quiet(self.ends.disconnect_quietly(false)),
            ConnectionState::Waiting => DisconnectWait::Quiet(self.ends.disconnect_quietly(true)),
            _ => DisconnectWait::End(self.ends.next()),
        })
    }

    /// Disconnects with close code 1000.
    pub(crate) fn disconnect_normally(&mut self, now: Instant) -> DisconnectWait {
        let disconnected = self.disconnect(now, CloseCode::NORMAL, "");
        debug_assert!(disconnected.is_ok(), "a close frame can hold 1000 and no reason");
        disconnected.unwrap_or(DisconnectWait::Quiet(0))
    }

    /// Resolves the futures that wait for an open connection, after the hooks have run.
    pub(crate) fn report_opened(&mut self, wakers: &mut Vec<Waker>) {
        self.ends.report_opened();
        self.connection.take_wakers(wakers);
    }

    /// Resolves the futures that wait for this end of a connection or attempt, after the hooks have run.
    pub(crate) fn report_closed(
        &mut self,
        end: u64,
        cause: &CloseCause,
        will_retry: bool,
        wakers: &mut Vec<Waker>,
    ) {
        self.ends.report_closed(end, cause, will_retry);
        self.connection.take_wakers(wakers);
    }

    /// Keeps a join's response, and tells the streams if messages may be missing before it.
    pub(crate) fn note_joined(
        &mut self,
        channel: ChannelId,
        response: &Result<Payload, PayloadDropped>,
        rejoined: bool,
        now: Instant,
        wakers: &mut Vec<Waker>,
    ) {
        if let Some(entry) = self.channels.get_mut(channel) {
            // The ones before make room.
            self.kept.give_back(entry.response_len().saturating_add(entry.failure_len()));
            entry.failure = None;
            let kept = &mut self.kept;
            entry.response = Some(match response {
                Ok(response) => kept.keep(detached(response)),
                Err(dropped) => Err(*dropped),
            });
        }
        if rejoined {
            self.mark_gap(channel, wakers);
        }
        if let Some(entry) = self.channels.get(channel) {
            let streams = entry.streams.incoming();
            if !streams.is_empty() {
                let joined = Incoming::Joined { response: response.clone(), rejoined };
                self.mailboxes.deliver(streams, now, Content::incoming(joined), wakers);
            }
        }
        self.refresh_channel(channel, wakers);
    }

    /// Keeps why the channel isn't joined, and notifies who watches it.
    pub(crate) fn note_failure(
        &mut self,
        channel: ChannelId,
        failure: ChannelFailure,
        wakers: &mut Vec<Waker>,
    ) {
        if let Some(entry) = self.channels.get_mut(channel) {
            // The one before makes room.
            self.kept.give_back(entry.failure_len());
            entry.failure = Some(Box::new(self.kept.keep_failure(failure)));
            entry.failures = entry.failures.wrapping_add(1);
        }
        self.refresh_channel(channel, wakers);
    }

    /// A closed channel was joined again. If its end hasn't been reported yet, its streams end here:
    /// those that are made from now on belong to the new life.
    pub(crate) fn begin_life(&mut self, channel: ChannelId, wakers: &mut Vec<Waker>) {
        let Some(entry) = self.channels.get_mut(channel) else {
            return;
        };
        self.kept.give_back(entry.failure_len().saturating_add(entry.cause_len()));
        entry.failure = None;
        if entry.closed.take().is_none() {
            entry.overtaken_ends = entry.overtaken_ends.saturating_add(1);
            self.end_streams(channel, wakers);
        }
    }

    /// Keeps the cause, and ends the streams.
    pub(crate) fn note_channel_closed(
        &mut self,
        channel: ChannelId,
        cause: &ChannelCloseCause,
        wakers: &mut Vec<Waker>,
    ) {
        if let Some(entry) = self.channels.get_mut(channel) {
            if let Some(left) = entry.overtaken_ends.checked_sub(1) {
                entry.overtaken_ends = left;
                return;
            }
            self.kept.give_back(entry.failure_len());
            entry.failure = None;
            entry.closed = Some(Box::new(self.kept.keep_cause(cause.clone())));
        }
        self.end_streams(channel, wakers);
        self.refresh_channel(channel, wakers);
    }

    /// Takes out what is kept of a channel that has no handles any more.
    pub(crate) fn remove_channel(&mut self, channel: ChannelId) -> Option<ChannelEntry> {
        let entry = self.channels.remove(channel)?;
        self.kept.give_back(entry.answer_len());
        Some(entry)
    }

    pub(crate) fn next_hook(&mut self) -> HookId {
        self.last_hook = self.last_hook.saturating_add(1);
        HookId(self.last_hook)
    }

    /// Delivers a message to the streams that want it. If some hook wants it, too, it is handed back
    /// instead: the lock is to be left before hooks are called.
    pub(crate) fn deliver_unhooked(
        &mut self,
        now: Instant,
        channel: ChannelId,
        event: ByteString,
        payload: Payload,
        wakers: &mut Vec<Waker>,
    ) -> Result<(), (ByteString, Payload)> {
        let Some(entry) = self.channels.get(channel) else {
            return Ok(());
        };
        if entry.hooks.as_ref().is_some_and(|hooks| hooks.want(&event)) {
            return Err((event, payload));
        }
        let streams = entry.streams.of(&event);
        self.mailboxes.deliver(streams, now, Content::Message { event, payload }, wakers);
        Ok(())
    }

    /// Delivers the reply to a push to the streams that want it.
    pub(crate) fn deliver_reply(
        &mut self,
        now: Instant,
        channel: ChannelId,
        push: PushId,
        outcome: &Outcome,
        wakers: &mut Vec<Waker>,
    ) {
        let Some(entry) = self.channels.get(channel) else {
            return;
        };
        let streams = entry.streams.incoming();
        if streams.is_empty() || entry.join_call == Some(push) {
            return;
        }
        let (status, response) = match outcome {
            Outcome::Reply { status, response, .. } => (status, Ok(response.clone())),
            Outcome::ReplyDropped { status, len, .. } => (status, Err(PayloadDropped::new(*len))),
            _ => return,
        };
        let reply = Incoming::Reply { push, status: status.clone(), response };
        self.mailboxes.deliver(streams, now, Content::incoming(reply), wakers);
    }

    /// Delivers a message on a topic without a channel to the streams that want it.
    pub(crate) fn deliver_unjoined(
        &mut self,
        now: Instant,
        message: TopicMessage,
        wakers: &mut Vec<Waker>,
    ) {
        let topic = message.topic.clone();
        let mut streams = self.topics.of(&topic).peekable();
        if streams.peek().is_none() {
            return;
        }
        let content = Content::topic(message);
        for mailbox in streams {
            self.mailboxes.deliver_to(mailbox, now, content.clone(), wakers);
        }
    }

    /// Marks that messages of this topic may be missing.
    pub(crate) fn mark_topic_gap(&mut self, topic: &str, wakers: &mut Vec<Waker>) {
        if let Some(channel) = self.core.channel_of(topic) {
            self.mark_gap(channel, wakers);
            return;
        }
        self.topics.of(topic).for_each(|mailbox| mailbox.mark_gap(wakers));
    }

    /// Tells a channel's streams that messages may have been missed.
    fn mark_gap(&mut self, channel: ChannelId, wakers: &mut Vec<Waker>) {
        let Some(entry) = self.channels.get(channel) else {
            return;
        };
        entry.streams.all().for_each(|mailbox| mailbox.mark_gap(wakers));
    }

    /// Ends a channel's streams, after what they hold.
    pub(crate) fn end_streams(&mut self, channel: ChannelId, wakers: &mut Vec<Waker>) {
        let Some(entry) = self.channels.get(channel) else {
            return;
        };
        entry.streams.all().for_each(|mailbox| mailbox.end(wakers));
    }
}

/// A payload to be kept for long: a small one is copied, since it is a slice of a read buffer and would
/// keep all of that.
fn detached(payload: &Payload) -> Payload {
    const SMALL: usize = 1 << 10;
    let bytes = payload.as_bytes();
    if *payload == Payload::empty() {
        Payload::empty()
    } else if bytes.len() > SMALL {
        payload.clone()
    } else if payload.is_binary() {
        Payload::binary(bytes.to_vec())
    } else {
        Payload::from_unchecked_json(bytes.to_vec().into())
    }
}
