//! Reports of frames that aren't messages: the first at once, further ones once a second with their count.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use phx_tokio::{SocketBuilder, SocketError};

use crate::record::{Kind, Record};
use crate::terminal;

/// Time between two reports.
const PERIOD: Duration = Duration::from_secs(1);

/// Warns on standard error of frames that aren't messages.
pub(crate) fn warn(builder: SocketBuilder) -> SocketBuilder {
    Watch::warning().on(builder)
}

/// Reports records of frames that aren't messages: there may be a flood of them, and they are reported once a
/// second at most.
pub(crate) fn records(
    builder: SocketBuilder,
    report: impl Fn(Record) + Send + Sync + 'static,
) -> SocketBuilder {
    Watch::new(move |malformed| report(malformed.record())).on(builder)
}

/// Counts frames that aren't messages, of one connection or of several together.
#[derive(Clone)]
pub(crate) struct Watch(Arc<Seen>);

impl Watch {
    /// Warns of them on standard error.
    pub(crate) fn warning() -> Self {
        Watch::new(|report| terminal::warning(&report.text()))
    }

    fn new(report: impl Fn(Report) + Send + Sync + 'static) -> Self {
        Watch(Arc::new(Seen { state: Mutex::default(), report: Box::new(report) }))
    }

    /// Watches a connection. Its counts are reported at its end at the latest.
    pub(crate) fn on(&self, builder: SocketBuilder) -> SocketBuilder {
        let (seen, last) = (Arc::clone(&self.0), Arc::clone(&self.0));
        let builder = builder.on_error(move |error| {
            if let SocketError::Malformed(error) = error {
                Arc::clone(&seen).count(error.reason.to_string());
            }
        });
        builder.on_close(move |end| {
            if end.retry_in.is_none() {
                last.report(true);
            }
        })
    }
}

/// Frames that weren't messages.
struct Report {
    count: u64,
    /// The error of the last of them.
    reason: String,
}

impl Report {
    fn text(&self) -> String {
        match self.count {
            1 => format!("dropped a frame that is no message: {}", self.reason),
            count => {
                format!("dropped {count} frames that are no messages; the last: {}", self.reason)
            }
        }
    }

    fn record(&self) -> Record {
        Record::new(Kind::Malformed).detail(&*self.reason).more("count", self.count)
    }
}

struct Seen {
    state: Mutex<State>,
    report: Box<dyn Fn(Report) + Send + Sync>,
}

/// Frames that haven't been reported.
#[derive(Default)]
struct State {
    count: u64,
    reason: String,
    /// True while a task waits for the end of the period.
    waiting: bool,
}

impl Seen {
    fn count(self: Arc<Self>, reason: String) {
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.count = state.count.saturating_add(1);
            state.reason = reason;
            if std::mem::replace(&mut state.waiting, true) {
                return;
            }
        }
        self.report(true);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(PERIOD).await;
                if !self.report(false) {
                    return;
                }
            }
        });
    }

    /// Reports what was counted. The task that waits for the end of the period ends after a period without
    /// malformed frames: `waits` is false for it.
    fn report(&self, waits: bool) -> bool {
        let report = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let count = std::mem::take(&mut state.count);
            if count == 0 {
                state.waiting &= waits;
                return false;
            }
            Report { count, reason: std::mem::take(&mut state.reason) }
        };
        (self.report)(report);
        true
    }
}
