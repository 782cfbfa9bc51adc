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
//! - a fact carries the id of the transport it is about; transports that are being closed are driven
//!   to their end beside the current one.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures::stream::{FuturesUnordered, StreamExt};
use phx_proto::{
    Action, CloseCause, ConnectionState, Instant, ParamsRequestId, Payload, SendReason,
};

use crate::connector::Connector;
use crate::runtime::BoxFuture;
use crate::shared::Shared;

mod alarm;
mod attempt;
mod closing;
mod dispatch;
mod heartbeats;
mod link;
mod params;

use alarm::Alarm;
use closing::{Closing, MAX_CLOSING};
use dispatch::Dispatch;
use link::{Link, Received};

/// Frames received, frames sent and rounds of a wake, at the most.
const BUDGET: u32 = 64;

/// The future that the runtime runs.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    connector: Arc<dyn Connector>,
    dispatch: Dispatch,
    link: Link,
    closing: Vec<Closing>,
    params: FuturesUnordered<BoxFuture<(ParamsRequestId, Option<Payload>)>>,
    alarm: Alarm,
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>, connector: Arc<dyn Connector>) -> Self {
        Driver {
            dispatch: Dispatch::new(Arc::clone(&shared)),
            link: Link::Idle,
            closing: Vec::new(),
            params: FuturesUnordered::new(),
            alarm: Alarm::default(),
            shared,
            connector,
        }
    }

    /// Acts on everything that is due. True if there is more to do right now.
    fn round(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        let mut progress = self.pass_time(now);
        progress |= self.connect(now, cx);
        progress |= self.answer_params(now, cx);
        progress |= self.receive(now, cx);
        // Also what the users' calls have left to be told.
        self.dispatch.feed(now, |_| {});
        progress |= self.act(now, cx);
        progress |= self.flush(now, cx);
        progress |= self.close(now, cx);
        progress | self.dispatch.is_behind()
    }

    fn pass_time(&mut self, now: Instant) -> bool {
        let due = self.shared.lock().core.poll_timeout().is_some_and(|deadline| now >= deadline);
        if due {
            self.dispatch.feed(now, |core| core.handle_timeout(now));
        }
        due
    }

    fn connect(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        let Link::Connecting { id, attempt } = &mut self.link else {
            return false;
        };
        let id = *id;
        match attempt.as_mut().poll(cx) {
            Poll::Pending => return false,
            Poll::Ready(Ok(transport)) => {
                self.link = Link::Open { id, transport, unflushed: false };
                self.dispatch.feed(now, |core| core.handle_opened(now, id));
            }
            Poll::Ready(Err(cause)) => {
                self.link = Link::Idle;
                self.dispatch.feed(now, |core| core.handle_closed(now, id, cause));
            }
        }
        true
    }

    fn answer_params(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        let mut answered = false;
        while let Poll::Ready(Some((request, params))) = self.params.poll_next_unpin(cx) {
            self.dispatch.feed(now, |core| core.handle_params(now, request, params));
            answered = true;
        }
        answered
    }

    /// Reads frames while there are any, nobody holds back, and the budget lasts.
    fn receive(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        self.dispatch.prepare(now);
        for count in 0..BUDGET {
            if self.dispatch.held_until().is_some() || self.dispatch.is_behind() {
                return count > 0;
            }
            match self.link.poll_receive(cx) {
                Received::Nothing => return count > 0,
                Received::Frame(id, frame) => self.dispatch.frame(now, id, frame),
                Received::End(id, cause) => {
                    self.dispatch.feed(now, |core| core.handle_closed(now, id, cause));
                    return true;
                }
            }
        }
        true
    }

    /// Does what the core asks for. Frames are asked for only when the transport can take one.
    fn act(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        for count in 0..BUDGET {
            let ready = match self.link.poll_ready(cx) {
                Ok(ready) => ready,
                Err((id, cause)) => {
                    self.dispatch.feed(now, |core| core.handle_closed(now, id, cause));
                    return true;
                }
            };
            match self.dispatch.next_action(ready) {
                Some(action) => self.perform(now, action),
                None => return count > 0,
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
            Action::Send { frame, why, .. } => {
                if why == SendReason::Heartbeat {
                    self.dispatch.heartbeat_sent(now);
                }
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
                Link::Idle => {}
            },
            // A function that never answers must not pile up with each attempt.
            Action::RequestParams { request, .. } if self.params.len() >= self.max_params() => {
                self.dispatch.feed(now, |core| core.handle_params(now, request, None));
            }
            Action::RequestParams { channel, request, .. } => {
                self.params.push(params::start(&self.shared, now, channel, request));
            }
            // Everything that the core of this release asks for is above.
            _ => {}
        }
    }

    /// Params that may be in the making at the same time: as many as there may be channels.
    fn max_params(&self) -> usize {
        self.shared.lock().core.config().max_channels
    }

    fn flush(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        let Err((id, cause)) = self.link.poll_flush(cx) else {
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

    /// The last handle is gone and the connection closed.
    fn is_over(&self) -> bool {
        let state = self.shared.lock();
        state.abandoned
            && state.core.connection_state() == ConnectionState::Closed
            && matches!(self.link, Link::Idle)
            && self.closing.is_empty()
    }

    fn next_deadline(&self) -> Option<Instant> {
        let core = self.shared.lock().core.poll_timeout();
        let closing = self.closing.iter().map(Closing::deadline).min();
        [core, closing, self.dispatch.held_until()].into_iter().flatten().min()
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.shared.register_driver(cx.waker());
        let now = this.shared.runtime.now();
        let mut rounds = 0;
        while this.round(now, cx) {
            rounds += 1;
            // A round may have received and sent a budget of frames each.
            if rounds >= 4 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        if this.is_over() {
            return Poll::Ready(());
        }
        let deadline = this.next_deadline();
        this.alarm.set(&*this.shared.runtime, deadline, cx);
        Poll::Pending
    }
}

/// However the driver ends, nobody waits for it in vain.
impl Drop for Driver {
    fn drop(&mut self) {
        // Those first whom a panic kept from being woken.
        let mut wakers = self.dispatch.take_wakers();
        self.shared.lock().stop(&mut wakers);
        wakers.into_iter().for_each(Waker::wake);
    }
}
