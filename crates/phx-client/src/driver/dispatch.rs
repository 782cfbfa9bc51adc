//! Routes inputs to the core, and the core's events to streams, futures, hooks and logs.
//!
//! Streams and futures are served in one critical section, and woken after it. It is left early for the hooks and logs
//! of one event, which run without the lock and before the next event is looked at: so hooks run in the order of the
//! events, and before what they are about can be seen by futures.

use std::collections::VecDeque;
use std::time::Duration;

use phx_proto::{
    Action, CloseCause, ConnectionState, Frame, Instant, Lifecycle, Outcome, ParamsRequestId,
    Payload, PingId, RequestId, ResponseHeaders, SendReason, TransportId, TransportKind,
    TransportProperties,
};

use super::link::Link;
use crate::connector::Received;
use crate::shared::{Deferred, Shared, State};
use crate::socket::SocketError;

mod events;
mod kinds;
#[cfg(feature = "metrics")]
mod meter;
#[cfg(not(feature = "metrics"))]
mod no_meter;
mod stop;

use events::{Outside, Shown, append};
#[cfg(feature = "metrics")]
use meter::Meter;
#[cfg(not(feature = "metrics"))]
use no_meter::Meter;

/// Events dispatched to hooks and logs per turn, at most: a hook may produce more by what it calls.
const MAX_OUTSIDE: u32 = 64;

/// Frames sent per round, and actions polled at a time, at most.
pub(super) const MAX_ACTIONS: usize = 64;

/// Capacity of the buffers that is always kept: what a heartbeat needs.
const KEPT: usize = 1;

/// An input for the core that isn't a frame.
pub(super) enum Input {
    Opened(TransportId, OpenTransport),
    /// The server ignored the auth token.
    TokenIgnored,
    Closed(TransportId, CloseCause),
    Lifecycle(Lifecycle),
    Params(ParamsRequestId, Option<Payload>),
}

/// What is known of a transport that has opened.
pub(super) struct OpenTransport {
    pub(super) kind: TransportKind,
    pub(super) headers: ResponseHeaders,
    pub(super) properties: TransportProperties,
    /// True if the peer must show that frames arrive.
    pub(super) is_unproven: bool,
}

/// Passes inputs to the core, and dispatches its events and actions. The buffers are reused.
#[derive(Default)]
pub(super) struct Dispatch {
    /// Inputs that the core hasn't been given yet.
    pub(super) inputs: VecDeque<Input>,
    /// Actions of the core that haven't been performed yet.
    pub(super) actions: Vec<Action>,
    /// Wakers and values to drop once the lock is released and the hooks have run.
    deferred: Deferred,
    /// Outcomes whose futures resolve once the hooks of the same input have run: `leave` after the
    /// channel's `on_close`.
    outcomes: Vec<(RequestId, Outcome)>,
    /// The same for pings: those of a lost connection after its `on_close`.
    pongs: Vec<(PingId, Option<Duration>)>,
    /// An event for hooks and logs, which see it before anything else happens.
    outside: Option<Outside>,
    /// A frame that the hooks of all messages have seen, and the core hasn't been given yet.
    shown: Option<Box<Shown>>,
    /// Until when nothing is read, because a stream is full.
    held_until: Option<Instant>,
    /// Since when nothing is read.
    held_since: Option<Instant>,
    /// Longest time for which nothing may be read from the transport; `None` if heartbeats limit it.
    max_read_pause: Option<Duration>,
    /// True if a logger or a tracing subscriber wants events.
    is_logged: bool,
    /// True if it wants every single message.
    is_verbose: bool,
    /// True if errors and logs leave out the `reason` of payloads.
    hides_reasons: bool,
    /// Counters and histograms for the recorder of metrics.
    meter: Meter,
}

/// Work left after a turn.
pub(super) struct Rest {
    /// The core has events left.
    pub(super) is_behind: bool,
    /// The core may have actions left, which the transport couldn't take yet.
    pub(super) has_actions: bool,
    /// The core has frames that the transport can't take.
    pub(super) is_blocked: bool,
    /// The last handle is gone, and the connection is closed.
    pub(super) is_over: bool,
    /// The core's next deadline.
    pub(super) deadline: Option<Instant>,
}

impl Dispatch {
    /// Prepares for a wake of the driver: reads what can't change during it.
    pub(super) fn begin(&mut self, shared: &Shared) {
        use tracing::{Level, enabled};
        let has_logger = shared.settings.log.wants();
        self.is_logged = has_logger
            || enabled!(target: "phx_client::channel", Level::ERROR)
            || enabled!(target: "phx_client::connection", Level::ERROR);
        self.hides_reasons = shared.settings.hide_reasons;
        self.is_verbose = has_logger || enabled!(target: "phx_client::channel", Level::TRACE);
    }

    /// Until when nothing is read; `None` if reading isn't held back.
    pub(super) fn held_until(&self) -> Option<Instant> {
        self.held_until
    }

    /// Passes inputs to the core, dispatches its events, and polls its actions. `room` is the result of
    /// [`Link::poll_room`].
    pub(super) fn turn(
        &mut self,
        shared: &Shared,
        now: Instant,
        link: &mut Link,
        room: Option<usize>,
    ) -> Rest {
        let mut may_hook = MAX_OUTSIDE;
        let mut is_timed = false;
        loop {
            let mut guard = shared.lock();
            let state = &mut *guard;
            // This section may miss calls made after this line, so they must wake the driver again.
            state.driver_called = false;
            // No hook is under way between two sections.
            state.report_ends(&mut self.deferred);
            if may_hook > 0 {
                self.feed(shared, state, now, link, &mut is_timed);
            } else {
                // Hooks may produce events without end: inputs reach the core, and outcomes their futures, all the same.
                self.resolve(state);
                while self.inputs.front().is_some_and(|input| !matches!(input, Input::TokenIgnored))
                    && let Some(input) = self.inputs.pop_front()
                {
                    self.hand_over(state, now, input);
                }
                if !is_timed {
                    self.handle_timeout(state, now, link, true);
                }
            }
            let Some(outside) = self.outside.take() else {
                let rest = self.finish(shared, state, now, room, may_hook == 0);
                drop(guard);
                self.deferred.run();
                return rest;
            };
            // Their wakers come after the hooks, but a hook may wait for another thread that looks.
            state.wake_connection_watchers(&mut self.deferred);
            drop(guard);
            self.shown = outside.run(shared, &mut self.deferred).or_else(|| self.shown.take());
            self.deferred.run();
            may_hook -= 1;
        }
    }

    /// Polls more actions, once those before have been performed.
    pub(super) fn more_actions(
        &mut self,
        shared: &Shared,
        now: Instant,
        room: Option<usize>,
        rest: &mut Rest,
    ) {
        let mut state = shared.lock();
        rest.has_actions = self.poll_actions(&mut state, now, room);
        self.events(&mut state, now);
        rest.is_behind |= self.outside.is_some();
        rest.deadline = state.core.poll_timeout();
        self.meter.count(state.core.counters());
        drop(state);
        self.deferred.run();
    }

    /// Reports metrics. Without the lock: their recorder is foreign code.
    #[inline(always)]
    pub(super) fn report_metrics(&mut self) {
        self.meter.report();
    }

    /// Passes inputs to the core, and then the time: a frame may be the sign of life that a timeout is about.
    /// Returns early when an event is for hooks or logs.
    fn feed(
        &mut self,
        shared: &Shared,
        state: &mut State,
        now: Instant,
        link: &mut Link,
        is_timed: &mut bool,
    ) {
        // First the events of users' calls.
        self.rare_events(state, now);
        while self.outside.is_none()
            && let Some(input) = self.inputs.pop_front()
        {
            self.hand_over(state, now, input);
            self.events(state, now);
        }
        while self.outside.is_none()
            && !(state.mailboxes.hold_back() && self.is_held(shared, state, now))
        {
            if let Some(shown) = self.shown.take() {
                let Shown { transport, len, decoded } = *shown;
                state.core.handle_decoded(now, transport, len, decoded);
            } else {
                let Some((transport, received)) = link.next_received() else { break };
                match received {
                    Received::Frame(frame) if state.hooks.message.is_empty() => {
                        state.core.handle_frame(now, transport, frame);
                    }
                    Received::Frame(frame) => {
                        let Some(frame) = self.show(state, transport, frame) else { break };
                        state.core.handle_frame(now, transport, frame);
                    }
                    Received::Gap => state.core.handle_gap(now, transport),
                }
            }
            self.events(state, now);
        }
        if self.outside.is_none()
            && self.shown.is_none()
            && let Some((transport, cause)) = link.take_end()
        {
            state.core.handle_closed(now, transport, cause);
            self.events(state, now);
        }
        if self.outside.is_none()
            && !std::mem::replace(is_timed, true)
            && self.handle_timeout(state, now, link, false)
        {
            self.events(state, now);
        }
    }

    fn hand_over(&mut self, state: &mut State, now: Instant, input: Input) {
        match input {
            Input::Opened(id, opened) => {
                state.core.handle_opened_with(now, id, opened.properties);
                // Otherwise the transport was replaced before it opened.
                if state.core.connection_state() == ConnectionState::Open {
                    state.response_headers = opened.headers;
                    state.transport = opened.kind;
                    self.max_read_pause = opened.properties.max_read_pause;
                    if opened.is_unproven {
                        // No future waits for the answer, and the first ping of a connection is never refused.
                        let _ = state.core.ping(now);
                    }
                }
            }
            Input::Closed(id, cause) => state.core.handle_closed(now, id, cause),
            Input::Lifecycle(lifecycle) => state.core.handle_lifecycle(now, lifecycle),
            Input::Params(request, params) => state.core.handle_params(now, request, params),
            Input::TokenIgnored => self.error(state, SocketError::TokenIgnored),
        }
    }

    /// Dispatches a frame to the hooks of all messages, before the core is given it. Returns the frame if it is too
    /// large to be decoded.
    #[cold]
    fn show(&mut self, state: &State, transport: TransportId, frame: Frame) -> Option<Frame> {
        let (config, len) = (state.core.config(), frame.len());
        if len > config.max_frame_size {
            return Some(frame);
        }
        let shown = Box::new(Shown { transport, len, decoded: config.serializer.decode(frame) });
        self.outside = Some(Outside::Shown(shown, state.hooks.message.clone()));
        None
    }

    /// Passes the time to the core if a deadline has passed, and returns whether one had. Frames that we chose not to
    /// read are no sign of a dead peer.
    fn handle_timeout(
        &mut self,
        state: &mut State,
        now: Instant,
        link: &Link,
        is_behind: bool,
    ) -> bool {
        if state.core.poll_timeout().is_none_or(|deadline| now < deadline) {
            return false;
        }
        if let Some(transport) = link.source()
            && (is_behind || self.held_until.is_some() || link.has_frames())
        {
            state.core.handle_unread(now, transport);
        }
        state.core.handle_timeout(now);
        true
    }

    /// Returns true if streams hold back reading; updates `held_until`. The reply to a heartbeat must be read in
    /// time, so streams hold back nothing once one has been due for three quarters of the heartbeat limit. A transport
    /// without heartbeats has a limit for each pause.
    fn is_held(&mut self, shared: &Shared, state: &mut State, now: Instant) -> bool {
        self.held_until = None;
        if state.mailboxes.hold_back() {
            let config = state.core.config();
            let limit = config.heartbeat_limit.max(config.heartbeat_timeout);
            let patience = limit.saturating_sub(limit / 4);
            let unanswered =
                state.core.unanswered_since().map(|since| since.saturating_add(patience));
            let paused =
                self.max_read_pause.map(|max| self.held_since.unwrap_or(now).saturating_add(max));
            let must_read = [unanswered, paused].into_iter().flatten().min();
            let force = must_read.is_some_and(|at| now >= at);
            let held_until = state.mailboxes.held_until(now, shared.settings.stall_after, force);
            self.held_until =
                held_until.map(|until| must_read.map_or(until, |must_read| must_read.min(until)));
        }
        self.held_since = self.held_until.map(|_| self.held_since.unwrap_or(now));
        self.held_until.is_some()
    }

    /// Ends a turn, when no event for hooks or logs is left.
    fn finish(
        &mut self,
        shared: &Shared,
        state: &mut State,
        now: Instant,
        room: Option<usize>,
        is_behind: bool,
    ) -> Rest {
        self.is_held(shared, state, now);
        let has_actions = self.poll_actions(state, now, room);
        // A push that can't be encoded has its outcome now.
        self.rare_events(state, now);
        if self.outside.is_none() {
            state.report_ends(&mut self.deferred);
        }
        state.wake_connection_watchers(&mut self.deferred);
        self.meter.count(state.core.counters());
        Rest {
            is_behind: is_behind || self.outside.is_some(),
            has_actions,
            is_blocked: room.is_none() && state.core.has_unsent_frames(),
            is_over: state.abandoned && state.core.connection_state() == ConnectionState::Closed,
            deadline: state.core.poll_timeout(),
        }
    }

    /// Polls actions, and no more frames than the transport can take. True if there may be more.
    fn poll_actions(&mut self, state: &mut State, now: Instant, mut room: Option<usize>) -> bool {
        let has_room = room.is_some();
        while self.actions.len() < MAX_ACTIONS {
            let action =
                if room.is_some() { state.core.poll_action() } else { state.core.poll_control() };
            let Some(action) = action else {
                return has_room && room.is_none();
            };
            let joining = match &action {
                Action::Send { frame, why, .. } => {
                    room = room.and_then(|room| room.checked_sub(frame.len())).filter(|&it| it > 0);
                    match why {
                        SendReason::Join(channel) => Some(*channel),
                        _ => None,
                    }
                }
                Action::RequestParams { channel, .. } => Some(*channel),
                _ => None,
            };
            if let Some(channel) = joining {
                state.note_joining(channel, &mut self.deferred);
            }
            self.meter.action(now, &action);
            append(&mut self.actions, action);
        }
        true
    }

    /// Shrinks the buffers after a burst, on the same occasions as the core: rare enough to cost nothing.
    fn shrink(&mut self, state: &mut State) {
        state.pushes.shrink();
        state.spans.shrink();
        self.deferred.shrink();
        self.outcomes.shrink_to(KEPT);
        self.actions.shrink_to(KEPT);
        self.inputs.shrink_to(0);
    }
}
