//! The global object of the calling thread: a page's window, or a worker's scope.

use std::time::Duration;

use js_sys::Function;
use phx_client::Instant;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{EventTarget, Performance, VisibilityState, Window, WorkerGlobalScope};

thread_local! {
    static SCOPE: Option<Scope> = Scope::find();
}

/// The global object of this thread, and what is fetched from it once.
#[derive(Clone)]
pub(crate) struct Scope {
    global: Global,
    performance: Performance,
    /// Milliseconds from the Unix epoch to the zero of this thread's clock, so that all threads have one epoch.
    origin: f64,
}

#[derive(Clone)]
enum Global {
    Page(Window),
    Worker(WorkerGlobalScope),
}

impl Scope {
    /// Returns the scope of this thread; `None` if it is neither a page nor a worker.
    pub(crate) fn current() -> Option<Scope> {
        SCOPE.try_with(Clone::clone).ok().flatten()
    }

    fn find() -> Option<Self> {
        let global = match js_sys::global().dyn_into::<Window>() {
            Ok(window) => Global::Page(window),
            Err(other) => Global::Worker(other.dyn_into().ok()?),
        };
        let performance = match &global {
            Global::Page(window) => window.performance(),
            Global::Worker(worker) => worker.performance(),
        }?;
        Some(Scope { origin: performance.time_origin(), performance, global })
    }

    /// The browser's monotonic clock.
    pub(crate) fn now() -> Instant {
        let millis = SCOPE.try_with(|scope| {
            scope.as_ref().map_or(0.0, |scope| scope.origin + scope.performance.now())
        });
        let nanos = millis.unwrap_or_default().max(0.0) * 1_000_000.0;
        // A conversion of a float saturates.
        Instant::from_epoch(Duration::from_nanos(nanos as u64))
    }

    /// Calls `function` with `key` after this time, in whole milliseconds.
    pub(crate) fn set_timeout(&self, function: &Function, millis: i32, key: f64) -> Option<i32> {
        let key = JsValue::from_f64(key);
        match &self.global {
            Global::Page(window) => {
                window.set_timeout_with_callback_and_timeout_and_arguments_1(function, millis, &key)
            }
            Global::Worker(worker) => {
                worker.set_timeout_with_callback_and_timeout_and_arguments_1(function, millis, &key)
            }
        }
        .ok()
    }

    pub(crate) fn clear_timeout(&self, id: i32) {
        match &self.global {
            Global::Page(window) => window.clear_timeout_with_handle(id),
            Global::Worker(worker) => worker.clear_timeout_with_handle(id),
        }
    }

    /// Returns true if the page or the worker's script was loaded over TLS.
    pub(crate) fn is_over_tls(&self) -> bool {
        // A worker that was made from a blob has the origin of its page.
        let origin = match &self.global {
            Global::Page(window) => window.origin(),
            Global::Worker(worker) => worker.origin(),
        };
        origin.starts_with("https:")
    }

    /// Returns false if the browser is sure that it has no network.
    pub(crate) fn is_online(&self) -> bool {
        match &self.global {
            Global::Page(window) => window.navigator().on_line(),
            Global::Worker(worker) => worker.navigator().on_line(),
        }
    }

    /// Returns true for a page that is hidden. A worker never is.
    pub(crate) fn is_hidden(&self) -> bool {
        self.document()
            .is_some_and(|document| document.visibility_state() == VisibilityState::Hidden)
    }

    /// Target of the events of the page or worker itself.
    pub(crate) fn target(&self) -> &EventTarget {
        match &self.global {
            Global::Page(window) => window,
            Global::Worker(worker) => worker,
        }
    }

    /// The page's document; a worker has none.
    pub(crate) fn document(&self) -> Option<web_sys::Document> {
        match &self.global {
            Global::Page(window) => window.document(),
            Global::Worker(_) => None,
        }
    }
}
