//! Tokio as a runtime for the client, with its virtual time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use phx_client::{BoxFuture, Instant, Runtime};

/// Tokio with paused time, which jumps to the next timer when all tasks wait.
#[derive(Debug)]
pub struct TestRuntime {
    epoch: tokio::time::Instant,
    running: Arc<AtomicUsize>,
    ended: Arc<tokio::sync::Notify>,
    tasks: Mutex<Vec<tokio::task::AbortHandle>>,
    /// Each timer that is there has a clone.
    timers: Arc<()>,
}

impl TestRuntime {
    pub fn new() -> Arc<Self> {
        Arc::new(TestRuntime {
            epoch: tokio::time::Instant::now(),
            running: Arc::default(),
            ended: Arc::default(),
            tasks: Mutex::default(),
            timers: Arc::default(),
        })
    }

    /// Waits until every task has ended.
    pub async fn all_ended(&self) {
        loop {
            let ended = self.ended.notified();
            if self.running.load(Ordering::SeqCst) == 0 {
                return;
            }
            ended.await;
        }
    }

    /// The number of timers that haven't fired.
    pub fn timers(&self) -> usize {
        Arc::strong_count(&self.timers) - 1
    }

    /// Drops all tasks, as a runtime that is shut down does.
    pub fn stop(&self) {
        self.tasks.lock().unwrap().drain(..).for_each(|task| task.abort());
    }
}

impl Runtime for TestRuntime {
    fn now(&self) -> Instant {
        Instant::from_epoch(self.epoch.elapsed())
    }

    fn timer(&self, deadline: Instant) -> BoxFuture<()> {
        let (sleep, counted) =
            (tokio::time::sleep_until(moment(self.epoch, deadline)), Arc::clone(&self.timers));
        Box::pin(async move {
            sleep.await;
            drop(counted);
        })
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.running.fetch_add(1, Ordering::SeqCst);
        let (running, ended) = (Arc::clone(&self.running), Arc::clone(&self.ended));
        let task = tokio::spawn(async move {
            task.await;
            running.fetch_sub(1, Ordering::SeqCst);
            ended.notify_one();
        });
        self.tasks.lock().unwrap().push(task.abort_handle());
    }
}

/// Converts a deadline; those beyond a century are a century away.
fn moment(epoch: tokio::time::Instant, deadline: Instant) -> tokio::time::Instant {
    epoch + deadline.since_epoch().min(std::time::Duration::from_secs(100 * 365 * 86_400))
}
