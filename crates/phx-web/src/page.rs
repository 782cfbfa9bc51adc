//! The events of a page's or worker's life, as a stream for each socket.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures::Stream;
use phx_client::Lifecycle;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{Event, EventTarget};

use crate::life::{Facts, Happening, Life};
use crate::local::Local;
use crate::scope::Scope;

/// Changes of a page's life.
pub(crate) struct Changes(Local<Watch>);

/// What a socket's stream and the browser's functions share.
struct Watch {
    state: Rc<RefCell<State>>,
    listeners: Vec<Listener>,
}

struct State {
    life: Life,
    /// The last change, which counts alone.
    change: Option<Lifecycle>,
    waker: Option<Waker>,
}

/// A function that the browser calls until this is dropped.
struct Listener {
    target: EventTarget,
    event: &'static str,
    function: Closure<dyn Fn(Event)>,
}

impl Changes {
    pub(crate) fn new(scope: &Scope) -> Self {
        let (life, change) = Life::new(facts(scope));
        let state = Rc::new(RefCell::new(State { life, change, waker: None }));
        let on =
            |target: &EventTarget, event, what| Listener::new(target, event, what, scope, &state);
        let target = scope.target();
        let mut listeners = Vec::from([
            on(target, "online", Happening::Network),
            on(target, "offline", Happening::Network),
        ]);
        if let Some(document) = scope.document() {
            listeners.extend([
                on(target, "pagehide", Happening::Leaving),
                on(target, "pageshow", Happening::Back),
                on(&document, "visibilitychange", Happening::Visibility),
                on(&document, "freeze", Happening::Leaving),
                on(&document, "resume", Happening::Back),
            ]);
        }
        Changes(Local::new(Watch { state, listeners: listeners.into_iter().flatten().collect() }))
    }
}

impl Stream for Changes {
    type Item = Lifecycle;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Lifecycle>> {
        // On another thread the page's events can't be heard.
        let Some(watch) = self.0.get() else { return Poll::Ready(None) };
        debug_assert!(!watch.listeners.is_empty(), "every scope has events");
        let mut state = watch.state.borrow_mut();
        if let Some(change) = state.change.take() {
            return Poll::Ready(Some(change));
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => state.waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Listener {
    fn new(
        target: &EventTarget,
        event: &'static str,
        what: Happening,
        scope: &Scope,
        state: &Rc<RefCell<State>>,
    ) -> Option<Self> {
        let (scope, state) = (scope.clone(), Rc::clone(state));
        let function = Closure::<dyn Fn(Event)>::new(move |event: Event| {
            // A script can make any event, but not one that the browser vouches for.
            if event.is_trusted() {
                happened(&state, what, facts(&scope));
            }
        });
        target
            .add_event_listener_with_callback(event, function.as_ref().unchecked_ref())
            .ok()
            .map(|()| Listener { target: target.clone(), event, function })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let function = self.function.as_ref().unchecked_ref();
        // It can't fail: it was added.
        let _ = self.target.remove_event_listener_with_callback(self.event, function);
    }
}

fn happened(state: &RefCell<State>, what: Happening, facts: Facts) {
    let waker = {
        let mut state = state.borrow_mut();
        let Some(change) = state.life.happened(what, facts) else { return };
        state.change = Some(change);
        state.waker.take()
    };
    // After the borrow: a waker may run anything.
    if let Some(waker) = waker {
        waker.wake();
    }
}

fn facts(scope: &Scope) -> Facts {
    Facts { is_hidden: scope.is_hidden(), is_online: scope.is_online() }
}
