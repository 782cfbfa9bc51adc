//! Timers on the browser's `setTimeout`.
//!
//! A timer that went off sends itself a message, and completes when that has come: what the browser has queued before
//! is handled first, and a timer that is set then isn't in a chain of timers, which browsers slow down to one a minute
//! in pages that have been hidden for long. phoenix.js has its timers outside of such chains as well, since it sets
//! them when replies come.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use phx_client::Instant;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::MessageChannel;

use crate::scope::Scope;
use crate::wait::{self, Step};

thread_local! {
    static CLOCKWORK: Option<Clockwork> = Clockwork::new();
    /// About one for each socket.
    static BELLS: RefCell<Vec<Bell>> = const { RefCell::new(Vec::new()) };
}

/// One counter for all threads, so that a timer that has moved isn't taken for another one.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A timer that is set on this thread.
struct Bell {
    key: u64,
    deadline: Instant,
    /// The browser's timer.
    id: i32,
    had_grace: bool,
    has_rung: bool,
    waker: Waker,
}

/// Future of a moment. Moved to another thread, it sets a timer there.
pub(crate) struct Timer {
    deadline: Instant,
    key: Option<u64>,
}

impl Timer {
    pub(crate) fn new(deadline: Instant) -> Self {
        Timer { deadline, key: None }
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(key) = self.key {
            let has_rung = with_bell(key, |bell| {
                bell.waker.clone_from(cx.waker());
                bell.has_rung
            });
            match has_rung {
                Some(true) => return Poll::Ready(()),
                Some(false) => return Poll::Pending,
                // Another thread's timer, which goes off there for nobody.
                None => self.key = None,
            }
        }
        let now = Scope::now();
        if now >= self.deadline {
            return Poll::Ready(());
        }
        self.key = start(self.deadline, wait::until(self.deadline, now), cx.waker());
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let Some(key) = self.key else { return };
        let bell = BELLS.try_with(|bells| {
            let mut bells = bells.borrow_mut();
            let place = bells.iter().position(|bell| bell.key == key)?;
            Some(bells.swap_remove(place))
        });
        if let Some(bell) = bell.ok().flatten()
            && !bell.has_rung
            && let Some(scope) = Scope::current()
        {
            scope.clear_timeout(bell.id);
        }
    }
}

/// Sets a timer, and returns its key.
fn start(deadline: Instant, millis: i32, waker: &Waker) -> Option<u64> {
    let key = NEXT.fetch_add(1, Ordering::Relaxed);
    let id = set(key, millis)?;
    let bell = Bell { key, deadline, id, had_grace: false, has_rung: false, waker: waker.clone() };
    BELLS.with_borrow_mut(|bells| bells.push(bell));
    Some(key)
}

fn set(key: u64, millis: i32) -> Option<i32> {
    CLOCKWORK.with(|clockwork| {
        let went_off = clockwork.as_ref()?.went_off.as_ref().unchecked_ref();
        Scope::current()?.set_timeout(went_off, millis, key as f64)
    })
}

fn with_bell<R>(key: u64, f: impl FnOnce(&mut Bell) -> R) -> Option<R> {
    let found = BELLS.try_with(|bells| {
        let mut bells = bells.borrow_mut();
        bells.iter_mut().find(|bell| bell.key == key).map(f)
    });
    found.ok().flatten()
}

/// Goes on with a timer whose message has come.
fn ring(key: u64) {
    let now = Scope::now();
    let waker = with_bell(key, |bell| match wait::step(bell.deadline, now, bell.had_grace) {
        Step::Complete => {
            bell.has_rung = true;
            Some(bell.waker.clone())
        }
        Step::Again => {
            bell.id = set(key, wait::until(bell.deadline, now)).unwrap_or_default();
            None
        }
        Step::Grace(millis) => {
            bell.had_grace = true;
            bell.id = set(key, millis).unwrap_or_default();
            None
        }
    });
    // After the borrow: a waker may run anything.
    if let Some(waker) = waker.flatten() {
        waker.wake();
    }
}

/// The functions and the channel that all timers of a thread share.
struct Clockwork {
    /// Called by the browser's timers with the key of ours.
    went_off: Closure<dyn Fn(JsValue)>,
    /// Called with the same, a message later.
    _heard: Closure<dyn Fn(web_sys::MessageEvent)>,
}

impl Clockwork {
    fn new() -> Option<Self> {
        let channel = MessageChannel::new().ok()?;
        let heard =
            Closure::<dyn Fn(web_sys::MessageEvent)>::new(|message: web_sys::MessageEvent| {
                if let Some(key) = key(&message.data()) {
                    ring(key);
                }
            });
        channel.port1().set_onmessage(Some(heard.as_ref().unchecked_ref()));
        let port = channel.port2();
        let went_off = Closure::<dyn Fn(JsValue)>::new(move |data: JsValue| {
            // It can't fail: a number can be sent.
            let sent = port.post_message(&data);
            if sent.is_err()
                && let Some(key) = key(&data)
            {
                ring(key);
            }
        });
        Some(Clockwork { went_off, _heard: heard })
    }
}

fn key(data: &JsValue) -> Option<u64> {
    data.as_f64().map(|key| key as u64)
}
