//! The one task of a socket: it carries frames, time and news between the core and the world.
//!
//! A hand-written future, so that the rules can be seen in one place:
//!
//! - connecting is one arm of the wait, and is never awaited inline;
//! - a frame is asked of the core only when the transport can take one, so that pushes stay where
//!   they can be timed out, cancelled or kept for the next connection;
//! - many frames go into one flush;
//! - one wake does a bounded amount of work, and then lets others run;
//! - the driver compares the clock with the deadline itself: a timer only wakes it;
//! - the transport is asked for frames when it has called, and not at every wake;
//! - a fact carries the id of the transport it is about; transports that are being closed are driven
//!   to their end beside the current one.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use phx_proto::{Action, CloseCause, Instant, ParamsRequestId, Payload, TransportId};

use crate::connector::Connector;
use crate::runtime::BoxFuture;
use crate::shared::Shared;

mod alarm;
mod attempt;
mod closing;
mod dispatch;
mod link;
mod nudge;
mod params;
mod received;

use alarm::Alarm;
use closing::{Closing, MAX_CLOSING};
use dispatch::Dispatch;
use link::Link;
use nudge::Nudge;
use received::ReceivedFrames;

/// Frames sent in a round, at the most.
const MAX_SENT: u32 = 64;

/// Rounds of a wake, at the most.
const MAX_ROUNDS: u32 = 4;

/// After this no other round of a wake begins. tokio's executor of one thread looks at its timers only
/// after 61 wakes, so that what each takes is what others wait for 61 times.
const MAX_POLL: Duration = Duration::from_micros(250);

type MakingParams = FuturesUnordered<BoxFuture<(ParamsRequestId, Option<Payload>)>>;

/// The future that the runtime runs.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    connector: Arc<dyn Connector>,
    dispatch: Dispatch,
    link: Link,
    /// What the current transport is polled with.
    nudge: Nudge,
    received: ReceivedFrames,
    closing: Vec<Closing>,
    /// Params in the making; most sockets never make any.
    params: Option<MakingParams>,
    /// Whether that was reported.
    token_ignored: bool,
    alarm: Alarm,
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>, connector: Arc<dyn Connector>) -> Self {
        Driver {
            dispatch: Dispatch::new(Arc::clone(&shared)),
            link: Link::Idle,
            nudge: Nudge::new(Arc::clone(&shared)),
            received: ReceivedFrames::new(),
            closing: Vec::new(),
            params: None,
            token_ignored: false,
            alarm: Alarm::new(Arc::clone(&shared)),
            shared,
            connector,
        }
    }

    /// Acts on everything that is due. True if there may be more to do right now.
    fn round(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        let is_due = self.dispatch.begin_round(now);
        let mut more = self.connect(now, cx);
        more |= self.answer_params(now, cx);
        more |= self.receive(now);
        if is_due {
            self.dispatch.timeout(now, self.unread());
        }
        more |= self.act(now);
        more |= self.flush(now);
        more |= self.close(now, cx);
        more
    }

    fn connect(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        let Link::Connecting { id, attempt } = &mut self.link else {
            return false;
        };
        let id = *id;
        match attempt.as_mut().poll(cx) {
            Poll::Pending => return false,
            Poll::Ready(Ok(transport)) => {
                let token_ignored = transport.ignored_subprotocols();
                self.link = Link::Open { id, transport, unflushed: false };
                self.nudge.call();
                self.dispatch.feed(now, |core| core.handle_opened(now, id));
                // Another connection to the same server has the same answer.
                if token_ignored && !std::mem::replace(&mut self.token_ignored, true) {
                    self.dispatch.token_ignored();
                }
            }
            Poll::Ready(Err(cause)) => {
                self.link = Link::Idle;
                self.dispatch.feed(now, |core| core.handle_closed(now, id, cause));
            }
        }
        true
    }

    fn answer_params(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        let Some(making) = &mut self.params else {
            return false;
        };
        let mut answered = false;
        while let Poll::Ready(Some((request, params))) = making.poll_next_unpin(cx) {
            self.dispatch.feed(now, |core| core.handle_params(now, request, params));
            answered = true;
        }
        if making.is_empty() {
            self.params = None;
        }
        answered
    }

    /// Reads frames and hands them to the core, unless a stream holds back.
    fn receive(&mut self, now: Instant) -> bool {
        // After what was left over, the transport is to be asked if it has called.
        let mut more = !self.received.is_empty();
        if self.received.is_empty() && self.dispatch.wants_frames() && self.nudge.take() {
            more = self.received.fill(&mut self.link, &mut self.nudge.context());
            if more {
                // It calls only when it had nothing to give.
                self.nudge.call();
            }
        }
        if !self.received.is_empty() {
            self.dispatch.frames(now, &mut self.received);
        }
        more && self.dispatch.wants_frames()
    }

    /// The transport that has frames for the core which it hasn't been given.
    fn unread(&self) -> Option<TransportId> {
        if self.dispatch.wants_frames() { self.received.waiting() } else { self.link.open_id() }
    }

    /// Does what the core asks for. Frames are asked for only when the transport can take one.
    fn act(&mut self, now: Instant) -> bool {
        let mut more = false;
        for _ in 0..MAX_SENT {
            let ready = match self.link.poll_ready(&mut self.nudge.context()) {
                Ok(ready) => ready,
                Err((id, cause)) => {
                    self.dispatch.feed(now, |core| core.handle_closed(now, id, cause));
                    return true;
                }
            };
            match self.dispatch.next_action(ready) {
                Some(action) => {
                    // All but frames begin something that is to be polled.
                    more |= !matches!(action, Action::Send { .. });
                    self.perform(now, action);
                }
                None => return more,
            }
        }
        true
    }

    fn perform(&mut self, now: Instant, action: Action) {
        match action {
            Action::Connect { transport: id, attempt, .. } => {
                tracing::debug!(target: "phx_client::connection", id = id.as_u64(), attempt, "connecting");
                let attempt = attempt::start(&self.shared, &self.connector, now);
                self.link = Link::Connecting { id, attempt };
            }
            Action::Send { frame, .. } => {
                if let Err((id, cause)) = self.link.send(frame) {
                    self.dispatch.feed(now, |core| core.handle_closed(now, id, cause));
                }
            }
            Action::Close { transport: id, code, reason, .. } => match self.link.take(id) {
                Link::Open { transport, .. } => {
                    if self.closing.len() >= MAX_CLOSING {
                        let cause = CloseCause::lost("too many transports are closing");
                        let oldest = self.closing.remove(0).id();
                        self.dispatch.feed(now, |core| core.handle_closed(now, oldest, cause));
                    }
                    let timeout = self.shared.lock().core.config().close_timeout;
                    self.closing.push(Closing::new(id, transport, code, reason, now + timeout));
                }
                Link::Connecting { .. } => {
                    let cause = CloseCause::lost("the attempt was abandoned");
                    self.dispatch.feed(now, |core| core.handle_closed(now, id, cause));
                }
                Link::Idle => {
                    // It has ended by itself, and the core is to be told now, whatever holds back.
                    if let Some(cause) = self.received.take_end(id) {
                        self.dispatch.feed(now, |core| core.handle_closed(now, id, cause));
                    }
                }
            },
            // A function that never answers must not pile up with each attempt.
            Action::RequestParams { request, .. }
                if self.params_in_the_making() >= self.max_params() =>
            {
                self.dispatch.feed(now, |core| core.handle_params(now, request, None));
            }
            Action::RequestParams { channel, request, .. } => {
                let made = params::start(&self.shared, now, channel, request);
                self.params.get_or_insert_default().push(made);
            }
            // Everything that the core of this release asks for is above.
            _ => {}
        }
    }

    fn params_in_the_making(&self) -> usize {
        self.params.as_ref().map_or(0, MakingParams::len)
    }

    /// Params that may be in the making at the same time: as many as there may be channels.
    fn max_params(&self) -> usize {
        self.shared.lock().core.config().max_channels
    }

    fn flush(&mut self, now: Instant) -> bool {
        let Err((id, cause)) = self.link.poll_flush(&mut self.nudge.context()) else {
            return false;
        };
        self.dispatch.feed(now, |core| core.handle_closed(now, id, cause));
        true
    }

    fn close(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        let mut ended = false;
        let dispatch = &mut self.dispatch;
        self.closing.retain_mut(|closing| match closing.poll(now, cx) {
            Poll::Pending => true,
            Poll::Ready(cause) => {
                let id = closing.id();
                dispatch.feed(now, |core| core.handle_closed(now, id, cause));
                ended = true;
                false
            }
        });
        ended
    }

    fn next_deadline(&self, core: Option<Instant>) -> Option<Instant> {
        let closing = self.closing.iter().map(Closing::deadline).min();
        [core, closing, self.dispatch.held_until()].into_iter().flatten().min()
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.shared.register_driver(cx.waker());
        let began = this.shared.runtime.now();
        let mut now = began;
        this.dispatch.begin();
        let mut rounds = 0;
        let rest = loop {
            let more = this.round(now, cx);
            rounds += 1;
            let rest = this.dispatch.rest(now);
            if !more && !rest.more {
                break rest;
            }
            // A round may have received and sent many frames, and run hooks for each.
            now = this.shared.runtime.now();
            if rounds >= MAX_ROUNDS || now >= began + MAX_POLL {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        };
        if rest.over && matches!(this.link, Link::Idle) && this.closing.is_empty() {
            return Poll::Ready(());
        }
        let deadline = this.next_deadline(rest.deadline);
        this.alarm.set(now, deadline);
        Poll::Pending
    }
}

/// However the driver ends, nobody waits for it in vain.
impl Drop for Driver {
    fn drop(&mut self) {
        self.dispatch.stop();
    }
}
