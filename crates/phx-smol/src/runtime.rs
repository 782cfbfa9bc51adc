//! smol's clock, timers and tasks.

use std::future::Future;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};
use std::time;

use phx_client::{BoxFuture, CountsSleep, Instant, NoRuntime, Runtime, Timer};

/// smol as the client needs it: a clock, timers and tasks.
///
/// Time is the standard library's; the time that the machine sleeps is [added](CountsSleep). Its epoch
/// is the moment at which the first value was made.
#[derive(Clone, Debug)]
pub struct AdapterRuntime(CountsSleep<Smol>);

/// One for all sockets of the program, so that their timers go off [together](CountsSleep).
static EPOCH: LazyLock<time::Instant> = LazyLock::new(time::Instant::now);

/// What smol itself gives.
#[derive(Clone, Debug)]
struct Smol;

impl AdapterRuntime {
    /// The runtime: smol has one for the whole program.
    ///
    /// # Errors
    ///
    /// None. Other adapters have some, and the same API.
    pub fn current() -> Result<Self, NoRuntime> {
        Ok(AdapterRuntime(CountsSleep::new(Smol)))
    }
}

impl Runtime for AdapterRuntime {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn timer(&self, deadline: Instant) -> Pin<Box<dyn Timer>> {
        self.0.timer(deadline)
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.0.spawn(task);
    }
}

impl Runtime for Smol {
    fn now(&self) -> Instant {
        Instant::from_epoch(EPOCH.elapsed())
    }

    fn timer(&self, deadline: Instant) -> Pin<Box<dyn Timer>> {
        let mut timer = AdapterTimer(smol::Timer::never());
        timer.move_to(deadline);
        Box::pin(timer)
    }

    fn spawn(&self, task: BoxFuture<()>) {
        smol::spawn(task).detach();
    }
}

struct AdapterTimer(smol::Timer);

impl AdapterTimer {
    fn move_to(&mut self, deadline: Instant) {
        // A deadline that the clock can't express is one that never comes.
        match EPOCH.checked_add(deadline.since_epoch()) {
            Some(at) => self.0.set_at(at),
            None => self.0 = smol::Timer::never(),
        }
    }
}

impl Future for AdapterTimer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}

impl Timer for AdapterTimer {
    fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        self.move_to(deadline);
    }
}
