//! The one task of a socket: it carries frames, time and events between the core and the world.
//!
//! A hand-written future, so that the rules can be seen in one place:
//!
//! - connecting is one arm of the wait, and is never awaited inline;
//! - a frame is asked of the core only when the transport can take one, so that pushes stay where
//!   they can be timed out, cancelled or kept for the next connection;
//! - many frames go into one flush;
//! - one wake does a bounded amount of work, and then lets others run;
//! - the driver compares the clock with the deadline itself: a timer only wakes it;
//! - the transport is polled for frames when it has woken, and not at every wake;
//! - an input carries the id of its transport; transports that are being closed are driven
//!   to their end beside the current one.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use phx_proto::{Action, CloseCause, Instant, Lifecycle, ParamsRequestId, Payload};

use crate::connector::Connector;
use crate::runtime::{BoxFuture, BoxStream};
use crate::shared::{Shared, spans};
use crate::subscription::isolated;

mod alarm;
mod attempt;
mod closing;
mod dispatch;
mod fallback;
mod link;
mod params;
mod wake_flag;

use alarm::Alarm;
use attempt::Opened;
use closing::{Closing, MAX_CLOSING};
use dispatch::{Dispatch, Input, MAX_ACTIONS, OpenTransport, Rest};
use fallback::{Fallback, Plan};
use link::Link;
use wake_flag::WakeFlag;

/// Rounds per wake, at most.
const MAX_ROUNDS: u32 = 4;

/// Changes around the program that are looked at per wake, at most.
const CHANGES_PER_WAKE: usize = 8;

/// After this no other round of a wake begins.
const MAX_POLL: Duration = Duration::from_micros(250);

/// How far the work of a wake went.
enum Worked {
    /// The socket is closed for good.
    ToTheEnd,
    /// Nothing is left to do until the driver is woken.
    All,
    /// There may be more to do, which waits until other tasks have run.
    Part,
}

type MakingParams = FuturesUnordered<BoxFuture<(ParamsRequestId, Option<Payload>)>>;

/// The future that the runtime runs.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    /// Wakes this future.
    waker: Waker,
    connector: Arc<dyn Connector>,
    dispatch: Dispatch,
    link: Link,
    /// Wakes for the current transport.
    wake_flag: WakeFlag,
    closing: Vec<Closing>,
    /// Time limit for a transport that closes. The core limits only the time in which the socket closes: the close
    /// may wait for frames, and the core has forgotten a transport that was replaced.
    close_timeout: Duration,
    /// Pending params; most sockets never make any.
    params: Option<MakingParams>,
    /// The number of params that may be pending at the same time: as many as there may be channels.
    max_params: usize,
    /// True once the driver has reported that the server ignores the auth token.
    token_ignored: bool,
    fallback: Option<Box<Fallback>>,
    /// Changes around the program, from a runtime that reports them.
    lifecycle: Option<BoxStream<Lifecycle>>,
    alarm: Alarm,
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>, connector: Arc<dyn Connector>) -> Self {
        let (close_timeout, max_params) = {
            let state = shared.lock();
            (state.core.config().close_timeout, state.core.config().max_channels)
        };
        Driver {
            dispatch: Dispatch::default(),
            link: Link::Idle,
            wake_flag: WakeFlag::new(Arc::clone(&shared)),
            closing: Vec::new(),
            close_timeout,
            params: None,
            max_params,
            token_ignored: false,
            fallback: shared.settings.fallback.as_ref().map(|it| Box::new(Fallback::new(it))),
            lifecycle: shared.runtime.runtime().lifecycle(),
            alarm: Alarm::new(Arc::clone(&shared)),
            waker: Waker::from(Arc::clone(&shared)),
            shared,
            connector,
        }
    }

    /// Does the work of one wake.
    fn work(&mut self) -> Worked {
        let began = self.shared.runtime.now();
        let mut now = began;
        self.dispatch.begin(&self.shared);
        self.observe();
        for _ in 0..MAX_ROUNDS {
            let (rest, more) = self.round(now);
            if !more {
                if rest.is_over && matches!(self.link, Link::Idle) && self.closing.is_empty() {
                    return Worked::ToTheEnd;
                }
                let deadline = self.next_deadline(rest.deadline);
                self.alarm.set(now, deadline);
                return Worked::All;
            }
            // A round may have received and sent many frames, and run hooks for each.
            now = self.shared.runtime.now();
            if now >= began + MAX_POLL {
                break;
            }
        }
        Worked::Part
    }

    /// Passes inputs and the time to the core, and performs its actions. True if there may be more to do right now.
    fn round(&mut self, now: Instant) -> (Rest, bool) {
        self.connect(now);
        self.make_params();
        self.close(now);
        let read_on = self.receive();
        let room = self.link.poll_room(&mut self.wake_flag.context());
        if let Some(fallback) = &mut self.fallback
            && self.link.has_heard()
        {
            fallback.heard();
        }
        let mut rest = self.dispatch.turn(&self.shared, now, &mut self.link, room);
        self.fall_back(now, read_on);
        let more = self.act(now, &mut rest);
        if rest.is_blocked {
            self.link.prepare_send(&mut self.wake_flag.context());
        }
        let may_read = self.dispatch.held_until().is_none();
        let more = more
            || rest.is_behind
            || !self.dispatch.inputs.is_empty()
            || (may_read && (read_on || self.link.has_frames()))
            || self.link.is_over();
        (rest, more)
    }

    fn connect(&mut self, now: Instant) {
        let Link::Connecting { id, attempt } = &mut self.link else {
            return;
        };
        let id = *id;
        match attempt.as_mut().poll(&mut Context::from_waker(&self.waker)) {
            Poll::Pending => {}
            Poll::Ready(Ok(Opened { kind, transport })) => {
                let is_unproven =
                    self.fallback.as_mut().is_some_and(|fallback| fallback.opened(now, kind));
                let opened = OpenTransport {
                    kind,
                    headers: transport.response_headers(),
                    properties: transport.properties(),
                    is_unproven,
                };
                self.dispatch.inputs.push_back(Input::Opened(id, opened));
                // Another connection to the same server has the same answer.
                if transport.ignored_subprotocols()
                    && !std::mem::replace(&mut self.token_ignored, true)
                {
                    self.dispatch.inputs.push_back(Input::TokenIgnored);
                }
                self.link = Link::open(id, transport);
                self.wake_flag.set();
            }
            Poll::Ready(Err(cause)) => {
                self.dispatch.inputs.push_back(Input::Closed(id, cause));
                self.link = Link::Idle;
            }
        }
    }

    /// The transports of the next attempt.
    fn plan(&mut self) -> Plan {
        let Some(fallback) = &mut self.fallback else {
            return Plan::only(self.shared.settings.transport);
        };
        if std::mem::take(&mut self.shared.lock().prefers_web_socket) {
            fallback.prefer_web_socket();
        }
        fallback.begin()
    }

    /// Replaces a transport that has failed, or whose time is over, by one of another kind. `read_on` is whether
    /// frames may have come that weren't read.
    fn fall_back(&mut self, now: Instant, read_on: bool) {
        let Some(fallback) = &mut self.fallback else { return };
        if (!read_on && fallback.handle_timeout(now)) || (self.link.is_idle() && fallback.ended()) {
            attempt::report_switch(&self.shared, fallback.next());
            // Not if the policy has stopped the socket: then the core wants no connection.
            self.shared.call(|state, now, _| state.core.switch_transport(now));
        }
        if let Some(remembered) = fallback.take_memory()
            && let Some(settings) = &self.shared.settings.fallback
            && let Some(hook) = &settings.on_remember
        {
            isolated("on_remember", || hook(remembered));
        }
    }

    /// Takes what has changed around the program.
    fn observe(&mut self) {
        let Some(lifecycle) = &mut self.lifecycle else { return };
        let mut cx = Context::from_waker(&self.waker);
        for _ in 0..CHANGES_PER_WAKE {
            match lifecycle.poll_next_unpin(&mut cx) {
                Poll::Pending => return,
                Poll::Ready(Some(change)) => {
                    self.dispatch.inputs.push_back(Input::Lifecycle(change));
                }
                Poll::Ready(None) => {
                    self.lifecycle = None;
                    return;
                }
            }
        }
        cx.waker().wake_by_ref();
    }

    fn make_params(&mut self) {
        let Some(making) = &mut self.params else {
            return;
        };
        let mut cx = Context::from_waker(&self.waker);
        while let Poll::Ready(Some((request, params))) = making.poll_next_unpin(&mut cx) {
            self.dispatch.inputs.push_back(Input::Params(request, params));
        }
        if making.is_empty() {
            self.params = None;
        }
    }

    /// Reads frames, unless a stream holds back. True if the transport must be polled again.
    fn receive(&mut self) -> bool {
        // Frames left over come first, and the turn checks whether streams still hold back.
        if self.link.has_frames() || self.dispatch.held_until().is_some() {
            return true;
        }
        if !self.wake_flag.take() {
            return false;
        }
        let read_on = self.link.read(&mut self.wake_flag.context());
        if read_on {
            // A transport wakes only after it was pending.
            self.wake_flag.set();
        }
        read_on
    }

    /// Performs the core's actions, and flushes. True if one of them began something that must be polled.
    fn act(&mut self, now: Instant, rest: &mut Rest) -> bool {
        if self.dispatch.actions.is_empty() && !rest.has_actions {
            self.link.flush(&mut self.wake_flag.context());
            return false;
        }
        let mut more = false;
        let mut sent = 0;
        let mut actions = std::mem::take(&mut self.dispatch.actions);
        loop {
            for action in actions.drain(..) {
                match action {
                    Action::Send { frame, may_compress, .. } => {
                        sent += 1;
                        self.link.send(frame, may_compress);
                    }
                    action => {
                        more = true;
                        self.perform(now, action);
                    }
                }
            }
            std::mem::swap(&mut actions, &mut self.dispatch.actions);
            if !rest.has_actions || sent >= MAX_ACTIONS {
                break;
            }
            let room = self.link.poll_room(&mut self.wake_flag.context());
            if room.is_none() {
                rest.has_actions = false;
                break;
            }
            self.dispatch.more_actions(&self.shared, now, room, rest);
            std::mem::swap(&mut actions, &mut self.dispatch.actions);
        }
        self.link.flush(&mut self.wake_flag.context());
        more || rest.has_actions
    }

    fn perform(&mut self, now: Instant, action: Action) {
        let inputs = &mut self.dispatch.inputs;
        match action {
            Action::Connect { transport: id, attempt, .. } => {
                tracing::debug!(target: "phx_client::connection", id = id.as_u64(), attempt, "connecting");
                let plan = self.plan();
                let span = spans::connection(id, attempt);
                let before = {
                    let mut state = self.shared.lock();
                    state.tried_transport = plan.first;
                    state.spans.connecting(id, span)
                };
                drop(before);
                let attempt = attempt::start(&self.shared, &self.connector, now, plan);
                self.link = Link::Connecting { id, attempt };
            }
            Action::Close { transport: id, code, reason, .. } => match self.link.take(id) {
                Link::Open { transport, .. } => {
                    if let Some(fallback) = &mut self.fallback {
                        fallback.closed();
                    }
                    if self.closing.len() >= MAX_CLOSING {
                        let cause = CloseCause::io("too many transports are closing");
                        inputs.push_back(Input::Closed(self.closing.remove(0).id(), cause));
                    }
                    let deadline = now + self.close_timeout;
                    self.closing.push(Closing::new(id, transport, code, reason, deadline));
                }
                Link::Connecting { .. } => {
                    let cause = CloseCause::connect_failed("the attempt was abandoned");
                    inputs.push_back(Input::Closed(id, cause));
                }
                // The core gets the end at once, even while streams hold back reading.
                Link::Ended { cause, .. } => inputs.push_back(Input::Closed(id, cause)),
                Link::Idle => {}
            },
            Action::RequestParams { channel, request, .. } => {
                let making = self.params.get_or_insert_default();
                // A function that never answers must not pile up with each attempt.
                if making.len() >= self.max_params {
                    inputs.push_back(Input::Params(request, None));
                } else {
                    making.push(params::start(&self.shared, now, channel, request));
                }
            }
            // Everything that the core of this release asks for is here, or is sent.
            _ => {}
        }
    }

    fn close(&mut self, now: Instant) {
        let mut cx = Context::from_waker(&self.waker);
        let inputs = &mut self.dispatch.inputs;
        self.closing.retain_mut(|closing| match closing.poll(now, &mut cx) {
            Poll::Pending => true,
            Poll::Ready(cause) => {
                inputs.push_back(Input::Closed(closing.id(), cause));
                false
            }
        });
    }

    fn next_deadline(&self, core: Option<Instant>) -> Option<Instant> {
        let closing = self.closing.iter().map(Closing::deadline).min();
        let held_until = self.dispatch.held_until();
        // While nothing is read it can't be due: see `fall_back`.
        let fallback = self.fallback.as_ref().filter(|_| held_until.is_none());
        let fallback = fallback.and_then(|fallback| fallback.deadline());
        [core, closing, held_until, fallback].into_iter().flatten().min()
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.shared.driver.begin_poll(cx.waker());
        let worked = this.work();
        this.dispatch.report_metrics();
        let is_woken = this.shared.driver.end_poll();
        match worked {
            Worked::ToTheEnd => return Poll::Ready(()),
            Worked::All if !is_woken => {}
            Worked::All | Worked::Part => this.shared.runtime.runtime().yield_now(cx),
        }
        Poll::Pending
    }
}

/// Ends all futures and streams that wait for the driver, in whatever way it ends.
impl Drop for Driver {
    fn drop(&mut self) {
        self.dispatch.stop(&self.shared);
    }
}
