//! What the core tells, brought to everybody whom it concerns.

use std::sync::{Arc, MutexGuard};
use std::task::Waker;
use std::time::Duration;

use phx_proto::{
    Action, ByteString, ChannelId, CloseCause, ConnectionState, Event, Frame, Instant, Outcome,
    Payload, PingId, PushId, SendReason, TransportId,
};

use super::received::ReceivedFrames;
use crate::channel::ChannelFailure;
use crate::hook::isolated;
use crate::messages::item::TopicMessage;
use crate::shared::{HookList, OnMessage, Shared, State};

mod channel;
mod connection;
mod stop;

/// News told to hooks at a time. A hook can make news by what it calls, and so have no end of it.
const MAX_TOLD: u32 = 64;

/// Room for so many wakers is always kept.
const KEPT_WAKERS: usize = 64;

/// Room for so many outcomes is always kept.
const KEPT_OUTCOMES: usize = 8;

/// Brings the core's events to streams, futures and hooks.
///
/// Streams and futures are served under the lock; hooks, loggers and wakers run outside of it.
pub(super) struct Dispatch {
    shared: Arc<Shared>,
    /// To be woken when the lock is released; kept for its memory.
    wakers: Vec<Waker>,
    /// Outcomes whose futures resolve once the hooks of the same input have run: `leave` after the
    /// channel's `on_close`. Empty while nothing is dispatched; kept for its memory.
    outcomes: Vec<(PushId, Outcome)>,
    /// The same for pings: those of a lost connection after its `on_close`.
    pongs: Vec<(PingId, Option<Duration>)>,
    /// Until when nothing is to be read, because a stream is full.
    held_until: Option<Instant>,
    /// Whether anyone wants to be told of every single message.
    verbose: bool,
    /// Whether the core has news left.
    behind: bool,
    on_message: HookList<OnMessage>,
}

/// What concerns hooks or logs, which are told with the lock released.
enum Untold {
    /// A message, which streams get after the hooks that may change it.
    Message {
        channel: ChannelId,
        event: ByteString,
        payload: Payload,
    },
    /// The end of a connection or attempt: futures that wait for it resolve after the hooks.
    Closed {
        end: u64,
        cause: CloseCause,
        was_open: bool,
        retry_in: Option<Duration>,
    },
    /// A message on a topic without a channel, for the log.
    Unjoined(TopicMessage),
    Other(Event),
}

/// What is left at the end of a round.
pub(super) struct Rest {
    /// There is more to tell right now.
    pub(super) more: bool,
    /// The last handle is gone, and the connection is closed.
    pub(super) over: bool,
    /// When the core wants to be told of the time.
    pub(super) deadline: Option<Instant>,
}

impl Dispatch {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Dispatch {
            shared,
            wakers: Vec::new(),
            outcomes: Vec::new(),
            pongs: Vec::new(),
            held_until: None,
            verbose: false,
            behind: false,
            on_message: HookList::default(),
        }
    }

    /// The driver was woken: looks at what can't change while it works.
    pub(super) fn begin(&mut self) {
        self.verbose = self.shared.settings.log.wants()
            || tracing::enabled!(target: "phx_client::channel", tracing::Level::TRACE);
    }

    /// Dispatches what the users' calls have made. True if the core has something due.
    pub(super) fn begin_round(&mut self, now: Instant) -> bool {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        // Whoever calls from here on may come too late to be seen this time.
        state.driver_called = false;
        let state = self.tell(&shared, state, now);
        let is_due = state.core.poll_timeout().is_some_and(|deadline| now >= deadline);
        release(state, &mut self.wakers);
        is_due
    }

    /// Lets the core do what is due, after what has come was read: what waits in the transport may be the
    /// sign of life that a timeout is about. What is `unread` by our own choice is no sign of a dead peer.
    pub(super) fn timeout(&mut self, now: Instant, unread: Option<TransportId>) {
        self.feed(now, |core| {
            if let Some(transport) = unread {
                core.handle_unread(now, transport);
            }
            core.handle_timeout(now);
        });
    }

    /// Until when nothing is to be read; `None` if reading is free.
    pub(super) fn held_until(&self) -> Option<Instant> {
        self.held_until
    }

    /// Whether frames are to be read: no stream holds back, and there are no news left to be told.
    pub(super) fn wants_frames(&self) -> bool {
        self.held_until.is_none() && !self.behind
    }

    /// The next thing to do; frames only if `ready`.
    pub(super) fn next_action(&mut self, ready: bool) -> Option<Action> {
        let mut state = self.shared.lock();
        let action = if ready { state.core.poll_action() } else { state.core.poll_control() };
        let joining = match &action {
            Some(Action::Send { why: SendReason::Join(channel), .. }) => Some(*channel),
            Some(Action::RequestParams { channel, .. }) => Some(*channel),
            _ => None,
        };
        if let Some(channel) = joining {
            state.refresh_channel(channel, &mut self.wakers);
        }
        release(state, &mut self.wakers);
        action
    }

    /// Hands frames to the core, and tells everybody what comes of them, until they are at an end
    /// or not wanted any more.
    pub(super) fn frames(&mut self, now: Instant, frames: &mut ReceivedFrames) {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        while self.wants_frames()
            && let Some((transport, frame)) = frames.pop()
        {
            if !self.on_message.is_empty() {
                release(state, &mut self.wakers);
                self.show(&frame);
                state = shared.lock();
            }
            state.core.handle_frame(now, transport, frame);
            state = self.tell(&shared, state, now);
        }
        if self.wants_frames()
            && let Some((transport, cause)) = frames.pop_end()
        {
            state.core.handle_closed(now, transport, cause);
            state = self.tell(&shared, state, now);
        }
        release(state, &mut self.wakers);
    }

    /// Tells the core a fact, and everybody what comes of it.
    pub(super) fn feed(&mut self, now: Instant, fact: impl FnOnce(&mut phx_proto::Socket)) {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        fact(&mut state.core);
        let state = self.tell(&shared, state, now);
        release(state, &mut self.wakers);
    }

    /// What is left at the end of a round, having told the news that its actions made.
    pub(super) fn rest(&mut self, now: Instant) -> Rest {
        let shared = Arc::clone(&self.shared);
        let state = shared.lock();
        let state = self.tell(&shared, state, now);
        let rest = Rest {
            more: self.behind,
            over: state.abandoned && state.core.connection_state() == ConnectionState::Closed,
            deadline: state.core.poll_timeout(),
        };
        release(state, &mut self.wakers);
        rest
    }

    /// Tells everybody what the core has to tell. The lock is released meanwhile where it must be.
    fn tell<'a>(
        &mut self,
        shared: &'a Shared,
        mut state: MutexGuard<'a, State>,
        now: Instant,
    ) -> MutexGuard<'a, State> {
        let mut told = 0;
        self.behind = false;
        while let Some(event) = state.core.poll_event() {
            // Most are messages, which take a short way.
            let untold = match event {
                Event::Message { channel, event, payload, .. } => {
                    self.tell_message(&mut state, now, channel, event, payload)
                }
                event => self.tell_inside(&mut state, now, event),
            };
            if let Some(untold) = untold {
                release(state, &mut self.wakers);
                self.tell_outside(now, untold);
                state = shared.lock();
                told += 1;
                if told >= MAX_TOLD {
                    self.behind = true;
                    break;
                }
            }
        }
        // A `Drain` of nothing costs what a look doesn't, for each message.
        if !self.outcomes.is_empty() || !self.pongs.is_empty() {
            self.resolve_outcomes(&mut state);
        }
        if !self.behind && state.ends.note_dispatched() {
            state.connection.take_wakers(&mut self.wakers);
        }
        self.held_until = held_until(shared, &mut state, now);
        // A hook that was removed meanwhile is not to see another frame.
        while !state.hooks.message.is_same(&self.on_message) {
            let now_there = state.hooks.message.clone();
            // The old list may hold the last reference to a hook: it is dropped after the lock.
            release(state, &mut self.wakers);
            self.on_message = now_there;
            state = shared.lock();
        }
        state
    }

    #[inline(never)]
    fn resolve_outcomes(&mut self, state: &mut State) {
        for (push, outcome) in self.outcomes.drain(..) {
            self.wakers.extend(state.pushes.resolve(&push, outcome));
        }
        for (ping, round_trip) in self.pongs.drain(..) {
            self.wakers.extend(state.pings.resolve(&ping, || round_trip));
        }
    }

    /// Brings a message to the streams that want it, unless hooks or logs are to see it first.
    fn tell_message(
        &mut self,
        state: &mut State,
        now: Instant,
        channel: ChannelId,
        event: ByteString,
        payload: Payload,
    ) -> Option<Untold> {
        let untold = if self.verbose {
            Err((event, payload))
        } else {
            state.deliver_unhooked(now, channel, event, payload, &mut self.wakers)
        };
        untold.err().map(|(event, payload)| Untold::Message { channel, event, payload })
    }

    /// Serves streams and futures, so that everything of what happened can be seen by the time they
    /// are woken. What concerns hooks or logs is handed back.
    #[inline(never)]
    fn tell_inside(&mut self, state: &mut State, now: Instant, event: Event) -> Option<Untold> {
        let wakers = &mut self.wakers;
        match event {
            Event::PushDone { push, channel, outcome, .. } => {
                state.deliver_reply(now, channel, push, &outcome, wakers);
                self.outcomes.push((push, outcome));
                return None;
            }
            Event::Pong { ping, round_trip, .. } => {
                self.pongs.push((ping, round_trip));
                return None;
            }
            Event::RetryCancelled => return None,
            Event::HeartbeatAnswered { .. } => {
                give_back_room(state, wakers, &mut self.outcomes);
                return None;
            }
            Event::Opened { .. } => {
                state.ends.see_opened();
                state.topics.resume(wakers);
            }
            Event::Closed { cause, was_open, retry_in, .. } => {
                give_back_room(state, wakers, &mut self.outcomes);
                if was_open {
                    state.topics.interrupt();
                }
                let end = state.ends.see_closed();
                return Some(Untold::Closed { end, cause, was_open, retry_in });
            }
            Event::Joined { channel, ref response, rejoined, .. } => {
                state.note_joined(channel, response, rejoined, now, wakers);
            }
            Event::JoinFailed { channel, ref cause, retry_in, .. } => {
                state.note_failure(channel, ChannelFailure::join_failed(cause, retry_in), wakers);
            }
            Event::ChannelErrored { channel, ref cause, retry_in, .. } => {
                state.note_failure(channel, ChannelFailure::errored(cause, retry_in), wakers);
            }
            Event::UnjoinedMessage { topic, event, payload, .. } => {
                let message = TopicMessage { topic, event, payload };
                let untold = self.verbose.then(|| Untold::Unjoined(message.clone()));
                state.deliver_unjoined(now, message, wakers);
                return untold;
            }
            Event::Malformed { topic: Some(ref topic), .. } => {
                state.mark_topic_gap(topic, wakers);
            }
            Event::ChannelClosed { channel, ref cause, .. } => {
                state.note_channel_closed(channel, cause, wakers);
            }
            _ => {}
        }
        Some(Untold::Other(event))
    }

    /// Tells hooks and logs, with the lock released.
    #[inline(never)]
    fn tell_outside(&mut self, now: Instant, untold: Untold) {
        let event = match untold {
            Untold::Message { channel, event, payload } => {
                self.message(now, channel, event, payload);
                return;
            }
            Untold::Closed { end, cause, was_open, retry_in } => {
                self.closed(end, cause, was_open, retry_in);
                return;
            }
            Untold::Unjoined(TopicMessage { topic, event, payload }) => {
                self.shared.settings.log.received(&topic, &event, &payload);
                return;
            }
            Untold::Other(event) => event,
        };
        match event {
            Event::Opened { transport, .. } => self.opened(transport),
            Event::Malformed { error, .. } => self.malformed(error),
            Event::EventsLost { count, .. } => self.events_lost(count),
            Event::Joined { channel, response, rejoined, .. } => {
                // Never dropped: the core has room for one answer, and its queue was empty before this one came.
                self.joined(channel, &response.unwrap_or_default(), rejoined);
            }
            Event::JoinFailed { channel, cause, retry_in, .. } => {
                self.failed(channel, &ChannelFailure::join_failed(&cause, retry_in));
            }
            Event::ChannelErrored { channel, cause, retry_in, .. } => {
                self.failed(channel, &ChannelFailure::errored(&cause, retry_in));
            }
            Event::ChannelClosed { channel, cause, .. } => self.channel_closed(channel, &cause),
            // Told inside, or unknown to this release.
            _ => {}
        }
    }

    /// Shows a frame to the hooks that want every message.
    fn show(&self, frame: &Frame) {
        let (serializer, max) = {
            let state = self.shared.lock();
            let config = state.core.config();
            (Arc::clone(&config.serializer), config.max_frame_size)
        };
        if frame.len() > max {
            return;
        }
        // What can't be decoded is told by an event of its own.
        let Ok(message) = serializer.decode(frame.clone()) else {
            return;
        };
        for hook in self.on_message.iter() {
            isolated("on_message", || hook(&message));
        }
    }
}

/// Makes smaller again what grew for a peak, on the same occasions as the core: too seldom to cost
/// anything.
fn give_back_room(
    state: &mut State,
    wakers: &mut Vec<Waker>,
    outcomes: &mut Vec<(PushId, Outcome)>,
) {
    state.pushes.give_back_room();
    wakers.shrink_to(KEPT_WAKERS);
    outcomes.shrink_to(KEPT_OUTCOMES);
}

/// Releases the lock, and wakes whom it was about.
fn release(mut state: MutexGuard<'_, State>, wakers: &mut Vec<Waker>) {
    state.refresh_connection(wakers);
    drop(state);
    if !wakers.is_empty() {
        wakers.drain(..).for_each(Waker::wake);
    }
}

/// Until when streams hold back reading. The answer to a heartbeat must be found in time, so no
/// stream holds anyone back while one has been due for three quarters of the longest that it may wait.
fn held_until(shared: &Shared, state: &mut State, now: Instant) -> Option<Instant> {
    if !state.mailboxes.hold_back() {
        return None;
    }
    let stall_after = shared.settings.stall_after;
    let config = state.core.config();
    let limit = config.heartbeat_limit.max(config.heartbeat_timeout);
    let patience = limit.saturating_sub(limit / 4);
    let must_read = state.core.unanswered_since().map(|since| since.saturating_add(patience));
    let force = must_read.is_some_and(|at| now >= at);
    let held_until = state.mailboxes.held_until(now, stall_after, force)?;
    Some(must_read.map_or(held_until, |at| at.min(held_until)))
}
