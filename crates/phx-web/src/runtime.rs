//! Clock, timers and tasks of a page or worker.

use phx_client::{BoxFuture, BoxStream, Instant, Lifecycle, NoRuntimeError, Runtime};

use crate::page::Changes;
use crate::scope::Scope;
use crate::timer::Timer;

/// The browser as the client's runtime: clock, timers and tasks of a page or a worker.
///
/// Time is `performance.now()`, with one epoch for all threads of the page. Tasks run on the thread that spawns them.
#[derive(Clone, Debug)]
pub struct AdapterRuntime {
    _private: (),
}

impl AdapterRuntime {
    /// Returns the runtime of the calling thread.
    ///
    /// # Errors
    ///
    /// [`NoRuntimeError`] where there is neither a `Window` nor a `WorkerGlobalScope`, as in Node.
    pub fn current() -> Result<Self, NoRuntimeError> {
        Scope::current().map(|_| AdapterRuntime { _private: () }).ok_or_else(NoRuntimeError::new)
    }
}

impl Runtime for AdapterRuntime {
    fn now(&self) -> Instant {
        Scope::now()
    }

    fn timer(&self, deadline: Instant) -> BoxFuture<()> {
        Box::pin(Timer::new(deadline))
    }

    fn spawn(&self, task: BoxFuture<()>) {
        js_sys::futures::spawn_local(task);
    }

    fn seed(&self) -> u64 {
        // All 53 bits of it: the standard library's source of randomness isn't random here.
        (js_sys::Math::random() * (1_u64 << 53) as f64) as u64
    }

    fn lifecycle(&self) -> Option<BoxStream<Lifecycle>> {
        let changes: BoxStream<_> = Box::pin(Changes::new(&Scope::current()?));
        Some(changes)
    }
}

/// Runs a future on this thread, in the background: for the start of a program in a page, which can't block.
///
/// # Examples
///
/// ```no_run,standalone_crate
/// phx_web::spawn_local(async {
///     let socket = phx_web::socket("wss://example.com/socket").connect().await;
///     // ..
/// });
/// ```
pub fn spawn_local(future: impl Future<Output = ()> + 'static) {
    js_sys::futures::spawn_local(future);
}
