//! State of a request's future: pending, refused at once, or over.

use std::hash::Hash;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use phx_proto::{Instant, Outcome, PingId, RequestId};

use super::{Deferred, Shared, State, Waiters};

/// A handle that a future keeps.
pub(crate) trait Handle {
    fn shared(&self) -> &Arc<Shared>;
}

/// Id of a request that has one answer.
pub(crate) trait Asked: Copy + Eq + Hash {
    type Answer;

    /// The futures that wait for such answers.
    fn waiting(state: &mut State) -> &mut Waiters<Self, Self::Answer>;

    /// Releases the budget of an answer that is no longer kept.
    fn give_back(state: &mut State, answer: &Self::Answer);
}

/// The part of a future that doesn't depend on what it was made for.
pub(crate) struct Pending<H: Handle, K: Asked, E> {
    pub(crate) handle: H,
    state: Progress<K, E>,
}

enum Progress<K, E> {
    Refused(E),
    Made(K),
    Over,
}

impl<H: Handle, K: Asked, E> Pending<H, K, E> {
    /// Asks for something, unless the driver is gone.
    pub(crate) fn ask(
        handle: H,
        stopped: E,
        ask: impl FnOnce(&mut State, Instant, &mut Deferred) -> Result<K, E>,
    ) -> Self {
        let made = handle.shared().call(|state, now, deferred| {
            if state.is_driver_gone() {
                return Err(stopped);
            }
            let key = ask(state, now, deferred)?;
            K::waiting(state).register(key);
            Ok(key)
        });
        Pending::new(handle, made)
    }

    pub(crate) fn new(handle: H, made: Result<K, E>) -> Self {
        Pending { handle, state: made.map_or_else(Progress::Refused, Progress::Made) }
    }

    /// Takes the refusal; `None` after the first call.
    pub(crate) fn take_refusal(&mut self) -> Option<E> {
        match std::mem::replace(&mut self.state, Progress::Over) {
            Progress::Refused(refused) => Some(refused),
            state => {
                self.state = state;
                None
            }
        }
    }

    pub(crate) fn id(&self) -> Option<K> {
        match self.state {
            Progress::Made(key) => Some(key),
            Progress::Refused(_) | Progress::Over => None,
        }
    }

    /// The answer, or `None` if there will be none because the driver has ended.
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<Option<K::Answer>, E>> {
        let Progress::Made(key) = self.state else {
            // Polled again after completion: a future may do anything then but panic.
            return self.take_refusal().map_or(Poll::Pending, |refused| Poll::Ready(Err(refused)));
        };
        let mut state = self.handle.shared().lock();
        let (polled, old) = K::waiting(&mut state).poll(&key, cx);
        if let Poll::Ready(answer) = &polled {
            K::give_back(&mut state, answer);
        }
        let is_stopped = state.is_stop_reported();
        drop(state);
        drop(old);
        let answer = match polled {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending if is_stopped => None,
            Poll::Pending => return Poll::Pending,
        };
        self.state = Progress::Over;
        Poll::Ready(Ok(answer))
    }
}

impl<H: Handle, K: Asked, E> Drop for Pending<H, K, E> {
    fn drop(&mut self) {
        if let Progress::Made(key) = self.state {
            let mut state = self.handle.shared().lock();
            let (old, answer) = K::waiting(&mut state).forget(&key);
            if let Some(answer) = &answer {
                K::give_back(&mut state, answer);
            }
            drop(state);
            drop((old, answer));
        }
    }
}

/// Pushes, joins and leaves.
impl Asked for RequestId {
    type Answer = Outcome;

    fn waiting(state: &mut State) -> &mut Waiters<Self, Outcome> {
        &mut state.pushes
    }

    fn give_back(state: &mut State, outcome: &Outcome) {
        state.unread.give_back(outcome.answer_len());
    }
}

impl Asked for PingId {
    type Answer = Option<Duration>;

    fn waiting(state: &mut State) -> &mut Waiters<Self, Self::Answer> {
        &mut state.pings
    }

    fn give_back(_: &mut State, _: &Self::Answer) {}
}
