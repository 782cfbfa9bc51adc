//! State shared by handles, streams and the driver: one lock around the core and the waiting futures.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Wake;
use std::time::Duration;

use phx_proto::{
    ByteString, CallError, ChannelCloseCause, ChannelId, CloseCode, ConnectionState, Endpoint,
    Instant, Outcome, Payload, PayloadDropped, PingId, RequestId, ResponseHeaders, TransportKind,
};

use crate::builder::ClientConfig;
use crate::channel::ChannelError;
use crate::messages::item::{Incoming, TopicMessage};
use crate::runtime::{Clock, Runtime};

mod answers;
mod channels;
mod content;
mod deferred;
mod driver_waker;
mod ends;
mod hooks;
mod mailbox;
mod pending;
pub(crate) mod spans;
mod stop;
mod streams;
mod waiters;
mod watch;

use answers::Budget;
pub(crate) use channels::{ChannelEntries, ChannelEntry, ParamsFunction};
pub(crate) use content::{Content, Other};
pub(crate) use deferred::Deferred;
use driver_waker::DriverWaker;
use ends::Ends;
pub(crate) use hooks::{
    ChannelHooks, HookId, HookList, OnChannelClose, OnClose, OnError, OnEvent, OnMessage, OnOpen,
    OnPayload, SocketHooks,
};
pub(crate) use mailbox::{Entry, Mailbox, Mailboxes};
pub(crate) use pending::{Handle, Pending};
use spans::Spans;
use stop::Life;
pub(crate) use streams::Streams;
pub(crate) use waiters::Waiters;
pub(crate) use watch::{WatchKey, Watchers};

/// State of one socket: a part behind a lock that is never held while foreign code runs, and a part that never
/// changes.
///
/// Foreign code is hooks, loggers, wakers and the destructors of users' values: all of it may call back into the
/// socket. The exceptions are serializers and the functions of schedules and policies, which the core itself calls;
/// their docs say so.
pub(crate) struct Shared {
    state: Mutex<State>,
    pub(crate) driver: DriverWaker,
    pub(crate) runtime: Clock,
    pub(crate) endpoint: Endpoint,
    pub(crate) settings: ClientConfig,
    #[cfg(feature = "deflate")]
    pub(crate) wire: crate::wire::WireCounters,
}

impl Shared {
    pub(crate) fn new(
        core: phx_proto::Socket,
        runtime: Arc<dyn Runtime>,
        endpoint: Endpoint,
        settings: ClientConfig,
        hooks: SocketHooks,
    ) -> Self {
        let max_answer_bytes = core.config().max_answer_bytes;
        let state = State {
            core,
            pushes: Waiters::default(),
            unread: Budget::new(max_answer_bytes),
            pings: Waiters::default(),
            channels: ChannelEntries::default(),
            kept: Budget::new(max_answer_bytes),
            mailboxes: Mailboxes::default(),
            topics: Streams::default(),
            connection: Watchers::default(),
            response_headers: ResponseHeaders::default(),
            transport: TransportKind::WebSocket,
            tried_transport: settings.transport,
            prefers_web_socket: false,
            ends: Ends::default(),
            hooks,
            last_hook: 0,
            abandoned: false,
            life: Life::Running,
            driver_called: false,
            spans: Spans::default(),
        };
        Shared {
            state: Mutex::new(state),
            driver: DriverWaker::new(),
            runtime: Clock::new(runtime),
            endpoint,
            settings,
            #[cfg(feature = "deflate")]
            wire: crate::wire::WireCounters::default(),
        }
    }

    /// The state. A panic while the lock was held can't have left it half-changed in a way that
    /// matters more than stopping every other task, so poisoning is ignored.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state on a user's behalf, wakes the driver, and then runs the deferred wakes and drops.
    pub(crate) fn call<R>(
        &self,
        change: impl FnOnce(&mut State, Instant, &mut Deferred) -> R,
    ) -> R {
        let now = self.runtime.now();
        let mut deferred = Deferred::default();
        let mut state = self.lock();
        let result = change(&mut state, now, &mut deferred);
        state.wake_connection_watchers(&mut deferred);
        let called_before = std::mem::replace(&mut state.driver_called, true);
        drop(state);
        if !called_before {
            self.driver.wake();
        }
        deferred.run();
        result
    }
}

/// Wakes the driver.
impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.driver.wake();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.driver.wake();
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// State protected by the lock.
pub(crate) struct State {
    pub(crate) core: phx_proto::Socket,
    pub(crate) pushes: Waiters<RequestId, Outcome>,
    /// The answers that the futures of pushes, joins and leaves haven't taken.
    unread: Budget,
    pub(crate) pings: Waiters<PingId, Option<Duration>>,
    pub(crate) channels: ChannelEntries,
    /// The answers that the channels keep.
    kept: Budget,
    pub(crate) mailboxes: Mailboxes,
    pub(crate) topics: Streams,
    /// Watchers of the connection, and futures that wait for hooks to have run.
    pub(crate) connection: Watchers<ConnectionState>,
    /// Of the latest connection that opened.
    pub(crate) response_headers: ResponseHeaders,
    /// Of the latest connection that opened.
    pub(crate) transport: TransportKind,
    /// The transport that the latest attempt began with.
    pub(crate) tried_transport: TransportKind,
    /// The user has asked for a WebSocket; the driver hasn't seen it.
    pub(crate) prefers_web_socket: bool,
    pub(crate) ends: Ends,
    pub(crate) hooks: SocketHooks,
    last_hook: u64,
    /// The last handle is gone: the driver closes the connection and ends.
    pub(crate) abandoned: bool,
    life: Life,
    /// The driver was woken because of a call, and hasn't begun to look at it.
    pub(crate) driver_called: bool,
    pub(crate) spans: Spans,
}

impl State {
    /// Wakes the watchers of the connection, if it changed.
    #[inline]
    pub(crate) fn wake_connection_watchers(&mut self, deferred: &mut Deferred) {
        let (core, is_gone) = (&self.core, self.is_driver_gone());
        let now = || if is_gone { ConnectionState::Closed } else { core.connection_state() };
        self.connection.take_outdated(now, deferred);
    }

    /// The hooks of all openings and ends so far have run: futures that wait for one may resolve.
    #[inline]
    pub(crate) fn report_ends(&mut self, deferred: &mut Deferred) {
        if self.ends.report() {
            self.connection.take_all(deferred);
        }
    }

    /// Wakes the watchers of a channel, if it changed.
    pub(crate) fn wake_channel_watchers(&mut self, channel: ChannelId, deferred: &mut Deferred) {
        let state = self.channel_state(channel);
        if let Some(entry) = self.channels.get_mut(channel) {
            let failures = entry.failures;
            entry.watchers.take_outdated(|| (state, failures), deferred);
        }
    }

    /// An attempt to join has begun: the failures before it are no cause of what comes.
    pub(crate) fn note_joining(&mut self, channel: ChannelId, deferred: &mut Deferred) {
        if let Some(entry) = self.channels.get_mut(channel) {
            entry.is_errored = false;
        }
        self.wake_channel_watchers(channel, deferred);
    }

    /// The kind of the transport that is open.
    pub(crate) fn open_transport(&self) -> Option<TransportKind> {
        (self.connection_state() == ConnectionState::Open).then_some(self.transport)
    }

    /// Some hooks of a channel as they are now.
    pub(crate) fn channel_hooks<F: ?Sized>(
        &self,
        channel: ChannelId,
        list: impl FnOnce(&ChannelHooks) -> &HookList<F>,
    ) -> HookList<F> {
        let hooks = self.channels.get(channel).and_then(|entry| entry.hooks.as_ref());
        hooks.map(|hooks| list(hooks).clone()).unwrap_or_default()
    }

    pub(crate) fn topic(&self, channel: ChannelId) -> ByteString {
        self.core.topic(channel).cloned().unwrap_or_default()
    }

    /// Disconnects, and returns the number before the end of that, see [`Ends`].
    pub(crate) fn disconnect(
        &mut self,
        now: Instant,
        code: CloseCode,
        reason: &str,
    ) -> Result<u64, CallError> {
        let was_closed = self.connection_state() == ConnectionState::Closed;
        self.core.disconnect(now, code, reason)?;
        if !was_closed && self.connection_state() == ConnectionState::Closed {
            self.ends.note_due();
        }
        Ok(if was_closed { self.ends.before_closed() } else { self.ends.now() })
    }

    /// Disconnects with close code 1000.
    pub(crate) fn disconnect_normally(&mut self, now: Instant) -> u64 {
        let disconnected = self.disconnect(now, CloseCode::NORMAL, "");
        debug_assert!(disconnected.is_ok(), "a close frame can hold 1000 and no reason");
        disconnected.unwrap_or_default()
    }

    /// Keeps the outcome for the request's future, if there is one.
    pub(crate) fn resolve(&mut self, push: RequestId, outcome: Outcome, deferred: &mut Deferred) {
        let unread = &mut self.unread;
        let mut without = None;
        let keep = |outcome: Outcome| {
            unread.keep(outcome, Outcome::answer_len, |outcome| {
                let kept = outcome.clone().without_response();
                without = Some(outcome);
                kept
            })
        };
        match self.pushes.resolve(&push, outcome, keep) {
            Ok(waker) => deferred.wake(waker),
            Err(outcome) => deferred.drop_outcome(outcome),
        }
        if let Some(outcome) = without {
            deferred.drop_outcome(outcome);
        }
    }

    /// Keeps the round trip for the ping's future, if there is one.
    pub(crate) fn resolve_ping(
        &mut self,
        ping: PingId,
        round_trip: Option<Duration>,
        deferred: &mut Deferred,
    ) {
        if let Ok(waker) = self.pings.resolve(&ping, round_trip, |round_trip| round_trip) {
            deferred.wake(waker);
        }
    }

    /// Keeps a join's response, and marks in the streams where messages may be missing before it.
    pub(crate) fn note_joined(
        &mut self,
        channel: ChannelId,
        response: &Result<Payload, PayloadDropped>,
        rejoined: bool,
        now: Instant,
        deferred: &mut Deferred,
    ) {
        if let Some(entry) = self.channels.get_mut(channel) {
            // The previous response frees its share of the budget.
            self.kept.give_back(entry.response_len().saturating_add(entry.failure_len()));
            let kept = &mut self.kept;
            let response = match response {
                Ok(response) => kept.keep(Ok(detached(response)), channels::response_len, dropped),
                Err(dropped) => Err(*dropped),
            };
            let before = (entry.failure.take(), entry.response.replace(response));
            if !matches!(before, (None, None)) {
                deferred.drop_box(Box::new(before));
            }
        }
        if rejoined {
            self.mark_gap(channel, deferred);
        }
        if self.channels.get(channel).is_some_and(|entry| entry.streams.want_incoming()) {
            let joined = Incoming::Joined { response: response.clone(), rejoined };
            self.deliver(now, channel, Content::incoming(joined), deferred);
        }
        self.wake_channel_watchers(channel, deferred);
    }

    /// Keeps the reason why the channel isn't joined, and wakes its watchers.
    pub(crate) fn note_failure(
        &mut self,
        channel: ChannelId,
        failure: ChannelError,
        deferred: &mut Deferred,
    ) {
        if let Some(entry) = self.channels.get_mut(channel) {
            // The previous failure frees its share of the budget.
            self.kept.give_back(entry.failure_len());
            let (len, without) = (ChannelError::answer_len, ChannelError::without_payload);
            let failure = Box::new(self.kept.keep(failure, len, without));
            if let Some(before) = entry.failure.replace(failure) {
                deferred.drop_box(before);
            }
            entry.failures = entry.failures.wrapping_add(1);
            entry.is_errored = true;
        }
        self.wake_channel_watchers(channel, deferred);
    }

    /// Begins a new life of a closed channel that was joined again. If its end hasn't been reported yet, its
    /// streams end here: new ones belong to the new life.
    pub(crate) fn begin_life(&mut self, channel: ChannelId, deferred: &mut Deferred) {
        let Some(entry) = self.channels.get_mut(channel) else {
            return;
        };
        self.kept.give_back(entry.failure_len().saturating_add(entry.cause_len()));
        if let Some(failure) = entry.failure.take() {
            deferred.drop_box(failure);
        }
        if let Some(cause) = entry.closed.take() {
            deferred.drop_box(cause);
        } else {
            entry.overtaken_ends = entry.overtaken_ends.saturating_add(1);
            self.end_streams(channel, deferred);
        }
    }

    /// Keeps the cause, and ends the streams.
    pub(crate) fn note_channel_closed(
        &mut self,
        channel: ChannelId,
        cause: &ChannelCloseCause,
        deferred: &mut Deferred,
    ) {
        if let Some(entry) = self.channels.get_mut(channel) {
            if let Some(left) = entry.overtaken_ends.checked_sub(1) {
                entry.overtaken_ends = left;
                return;
            }
            self.kept.give_back(entry.failure_len().saturating_add(entry.cause_len()));
            let (len, without) =
                (ChannelCloseCause::answer_len, ChannelCloseCause::without_payload);
            let closed = Box::new(self.kept.keep(cause.clone(), len, without));
            let before = (entry.failure.take(), entry.closed.replace(closed));
            if !matches!(before, (None, None)) {
                deferred.drop_box(Box::new(before));
            }
            entry.watchers.take_all(deferred);
        }
        self.end_streams(channel, deferred);
    }

    /// Removes the entry of a channel without handles.
    pub(crate) fn remove_channel(&mut self, channel: ChannelId) -> Option<ChannelEntry> {
        let entry = self.channels.remove(channel)?;
        self.kept.give_back(entry.answer_len());
        Some(entry)
    }

    pub(crate) fn next_hook(&mut self) -> HookId {
        self.last_hook = self.last_hook.saturating_add(1);
        HookId(self.last_hook)
    }

    /// Delivers something to the streams of its channel that want it.
    pub(crate) fn deliver(
        &mut self,
        now: Instant,
        channel: ChannelId,
        content: Content,
        deferred: &mut Deferred,
    ) {
        match self.channels.get(channel) {
            Some(entry) => entry.streams.deliver(now, content, &mut self.mailboxes, deferred),
            None => deferred.drop_content(content),
        }
    }

    /// Delivers the reply to a push to the streams that want it.
    pub(crate) fn deliver_reply(
        &mut self,
        now: Instant,
        channel: ChannelId,
        push: RequestId,
        outcome: &Outcome,
        deferred: &mut Deferred,
    ) {
        let entry = self.channels.get(channel).filter(|entry| entry.streams.want_incoming());
        if entry.is_none_or(|entry| entry.join_call == Some(push)) {
            return;
        }
        let (status, response) = match outcome {
            Outcome::Reply { status, response, .. } => (status, Ok(response.clone())),
            Outcome::ReplyDropped { status, len, .. } => (status, Err(PayloadDropped::new(*len))),
            _ => return,
        };
        let reply = Incoming::Reply { push, status: status.clone(), response };
        self.deliver(now, channel, Content::incoming(reply), deferred);
    }

    /// Delivers a message on a topic without a channel to the streams that want it.
    pub(crate) fn deliver_unjoined(
        &mut self,
        now: Instant,
        message: TopicMessage,
        deferred: &mut Deferred,
    ) {
        self.topics.deliver(now, Content::topic(message), &mut self.mailboxes, deferred);
    }

    /// Marks that messages of this topic may be missing.
    pub(crate) fn mark_topic_gap(&mut self, topic: &str, deferred: &mut Deferred) {
        if let Some(channel) = self.core.channel_of(topic) {
            self.mark_gap(channel, deferred);
            return;
        }
        self.topics.of(topic).for_each(|mailbox| mailbox.mark_gap(deferred));
    }

    /// Marks in all streams that messages may be missing.
    pub(crate) fn mark_gaps(&mut self, deferred: &mut Deferred) {
        let channels = self.channels.iter().flat_map(|entry| entry.streams.all());
        channels.chain(self.topics.all()).for_each(|mailbox| mailbox.mark_gap(deferred));
    }

    /// Marks in a channel's streams that messages may be missing.
    fn mark_gap(&mut self, channel: ChannelId, deferred: &mut Deferred) {
        if let Some(entry) = self.channels.get(channel) {
            entry.streams.all().for_each(|mailbox| mailbox.mark_gap(deferred));
        }
    }

    /// Ends a channel's streams after the entries that they hold.
    pub(crate) fn end_streams(&mut self, channel: ChannelId, deferred: &mut Deferred) {
        if let Some(entry) = self.channels.get(channel) {
            entry.streams.all().for_each(|mailbox| mailbox.end(deferred));
        }
    }
}

/// The response without its payload.
fn dropped(response: Result<Payload, PayloadDropped>) -> Result<Payload, PayloadDropped> {
    response.and_then(|payload| Err(PayloadDropped::new(payload.len())))
}

/// Detaches a payload that is kept for long: a small one is copied, since it is a slice of a read buffer and would
/// keep the whole buffer.
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
