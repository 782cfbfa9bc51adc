//! What the core tells, brought to everybody whom it concerns.

use std::sync::{Arc, MutexGuard};
use std::task::Waker;

use phx_proto::{Action, Event, Frame, Instant, SendReason, TransportId};

use super::heartbeats::Heartbeats;
use crate::hook::isolated;
use crate::shared::{HookList, OnMessage, Shared, State};

mod channel;
mod connection;

/// News told to hooks at a time. A hook can make news by what it calls, and so have no end of it.
const MAX_TOLD: u32 = 64;

/// Brings the core's events to streams, futures and hooks.
///
/// Streams and futures are served under the lock; hooks, loggers and wakers run outside of it.
pub(super) struct Dispatch {
    shared: Arc<Shared>,
    /// To be woken when the lock is released; kept for its memory.
    wakers: Vec<Waker>,
    heartbeats: Heartbeats,
    /// Until when nothing is to be read, because a stream is full.
    held_until: Option<Instant>,
    /// Whether anyone wants to be told of every single message.
    verbose: bool,
    /// Whether the core has news left.
    behind: bool,
    on_message: HookList<OnMessage>,
}

impl Dispatch {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Dispatch {
            shared,
            wakers: Vec::new(),
            heartbeats: Heartbeats::default(),
            held_until: None,
            verbose: false,
            behind: false,
            on_message: HookList::default(),
        }
    }

    /// Looks at what can change between two rounds of receiving.
    pub(super) fn prepare(&mut self, now: Instant) {
        self.verbose = self.shared.settings.log.wants()
            || tracing::enabled!(target: "phx_client::channel", tracing::Level::TRACE);
        let mut state = self.shared.lock();
        // The list may hold the last reference to a hook: it is dropped after the lock.
        let old = std::mem::replace(&mut self.on_message, state.hooks.message.clone());
        self.held_until = held_until(&self.shared, &mut state, &self.heartbeats, now);
        drop(state);
        drop(old);
    }

    /// Until when nothing is to be read; `None` if reading is free.
    pub(super) fn held_until(&self) -> Option<Instant> {
        self.held_until
    }

    /// Whether there are news that haven't been told yet. Nothing is to be read then.
    pub(super) fn is_behind(&self) -> bool {
        self.behind
    }

    pub(super) fn heartbeat_sent(&mut self, now: Instant) {
        self.heartbeats.sent(now);
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

    /// Those who are still to be woken.
    pub(super) fn take_wakers(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.wakers)
    }

    /// Hands a frame to the core.
    pub(super) fn frame(&mut self, now: Instant, transport: TransportId, frame: Frame) {
        if !self.on_message.is_empty() {
            self.show(&frame);
        }
        self.feed(now, |core| core.handle_frame(now, transport, frame));
    }

    /// Tells the core a fact, and everybody what comes of it.
    pub(super) fn feed(&mut self, now: Instant, fact: impl FnOnce(&mut phx_proto::Socket)) {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        fact(&mut state.core);
        let mut told = 0;
        self.behind = false;
        while let Some(event) = state.core.poll_event() {
            if let Some(event) = self.tell_inside(&mut state, now, event) {
                release(state, &mut self.wakers);
                self.tell_outside(now, event);
                state = shared.lock();
                told += 1;
                if told >= MAX_TOLD {
                    self.behind = true;
                    break;
                }
            }
        }
        self.held_until = held_until(&shared, &mut state, &self.heartbeats, now);
        // A hook that was removed meanwhile is not to see another frame.
        let old = (!state.hooks.message.is_same(&self.on_message))
            .then(|| std::mem::replace(&mut self.on_message, state.hooks.message.clone()));
        release(state, &mut self.wakers);
        drop(old);
    }

    /// Serves streams and futures, so that everything of what happened can be seen by the time they
    /// are woken. An event that concerns hooks or logs is handed back.
    fn tell_inside(&mut self, state: &mut State, now: Instant, event: Event) -> Option<Event> {
        let wakers = &mut self.wakers;
        match &event {
            Event::Message { channel, event: name, payload, .. } => {
                let entry = state.channels.get(*channel);
                if self.verbose || entry.is_some_and(|entry| entry.hooks.want(name)) {
                    return Some(event);
                }
                state.deliver(now, *channel, name, payload, wakers);
                return None;
            }
            Event::HeartbeatAnswered { .. } => {
                self.heartbeats.answered();
                return None;
            }
            Event::Opened { .. } => {
                self.heartbeats.clear();
                state.note_opened(wakers);
            }
            Event::Closed { cause, retry_in, .. } => {
                self.heartbeats.clear();
                state.note_closed(cause, retry_in.is_some(), wakers);
            }
            Event::Joined { channel, response, rejoined, .. } => {
                state.note_joined(*channel, response, *rejoined, wakers);
            }
            Event::JoinFailed { channel, .. } | Event::ChannelErrored { channel, .. } => {
                state.refresh_channel(*channel, wakers);
            }
            Event::ChannelClosed { channel, cause, .. } => {
                state.note_channel_closed(*channel, cause, wakers);
            }
            _ => {}
        }
        // These have values that are handed on.
        match event {
            Event::PushDone { push, outcome, .. } => {
                wakers.extend(state.pushes.resolve(&push, outcome));
                None
            }
            Event::Pong { ping, round_trip, .. } => {
                self.heartbeats.answered();
                wakers.extend(state.pings.resolve(&ping, round_trip));
                None
            }
            event => Some(event),
        }
    }

    /// Tells hooks and logs, with the lock released.
    fn tell_outside(&mut self, now: Instant, event: Event) {
        match event {
            Event::Opened { transport, .. } => self.opened(transport),
            Event::Closed { cause, was_open, retry_in, .. } => {
                self.closed(cause, was_open, retry_in);
            }
            Event::Malformed { error, .. } => self.malformed(error),
            Event::EventsLost { count, .. } => self.events_lost(count),
            Event::Joined { channel, response, rejoined, .. } => {
                self.joined(channel, &response, rejoined);
            }
            Event::JoinFailed { channel, cause, retry_in, .. } => {
                self.join_failed(channel, &cause, retry_in);
            }
            Event::ChannelErrored { channel, cause, retry_in, .. } => {
                self.channel_errored(channel, &cause, retry_in);
            }
            Event::ChannelClosed { channel, cause, .. } => self.channel_closed(channel, &cause),
            Event::Message { channel, event, payload, .. } => {
                self.message(now, channel, &event, payload);
            }
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

/// Releases the lock, and wakes whom it was about.
fn release(mut state: MutexGuard<'_, State>, wakers: &mut Vec<Waker>) {
    state.refresh_connection(wakers);
    drop(state);
    wakers.drain(..).for_each(Waker::wake);
}

/// Until when streams hold back reading. The answer to a heartbeat must be found in time, so no
/// stream holds anyone back while one has been due for long.
fn held_until(
    shared: &Shared,
    state: &mut State,
    heartbeats: &Heartbeats,
    now: Instant,
) -> Option<Instant> {
    if state.holding.is_empty() {
        return None;
    }
    let stall_after = shared.settings.stall_after;
    let patience = stall_after.min(state.core.config().heartbeat_timeout / 2);
    let must_read = heartbeats.oldest().map(|sent| sent + patience);
    let force = must_read.is_some_and(|at| now >= at);
    let held_until = state.held_until(now, stall_after, force)?;
    Some(must_read.map_or(held_until, |at| at.min(held_until)))
}
