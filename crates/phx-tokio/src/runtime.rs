//! tokio's clock, timers and tasks.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use phx_client::{BoxFuture, CountsSleep, Instant, NoRuntime, Runtime, Timer};
use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tokio::time::{self, Sleep};

/// tokio as the client needs it: a clock, timers and tasks.
///
/// Time is tokio's, so that `tokio::time::pause` and `advance` govern the client too; the time that the
/// machine sleeps is [added](CountsSleep). Its epoch is the moment at which the value was made.
#[derive(Clone, Debug)]
pub struct AdapterRuntime(CountsSleep<Tokio>);

/// What tokio itself gives.
#[derive(Clone, Debug)]
struct Tokio {
    handle: Handle,
    epoch: time::Instant,
}

impl AdapterRuntime {
    /// The runtime that the calling code runs on, or has entered.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn current() -> Result<Self, NoRuntime> {
        let handle = Handle::try_current().map_err(|_| NoRuntime::new())?;
        Ok(AdapterRuntime(CountsSleep::new(Tokio { handle, epoch: time::Instant::now() })))
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

impl Runtime for Tokio {
    fn now(&self) -> Instant {
        Instant::from_epoch(time::Instant::now().saturating_duration_since(self.epoch))
    }

    fn timer(&self, deadline: Instant) -> Pin<Box<dyn Timer>> {
        let _entered = self.handle.enter();
        Box::pin(TokioTimer {
            sleep: time::sleep_until(moment(self.epoch, deadline)),
            epoch: self.epoch,
        })
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.handle.spawn(task);
    }
}

pin_project! {
    struct TokioTimer {
        #[pin]
        sleep: Sleep,
        epoch: time::Instant,
    }
}

/// A deadline that tokio's clock can't express is as good as one that never comes.
fn moment(epoch: time::Instant, deadline: Instant) -> time::Instant {
    const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);
    let far = || time::Instant::now() + FAR;
    epoch.checked_add(deadline.since_epoch()).unwrap_or_else(far)
}

impl Future for TokioTimer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().sleep.poll(cx)
    }
}

impl Timer for TokioTimer {
    fn reset(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.project();
        this.sleep.reset(moment(*this.epoch, deadline));
    }
}
