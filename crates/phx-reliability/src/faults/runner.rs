//! Runs the faults on the adapters, some at a time, each on a thread of its own and for a limited time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::settings::{REJOIN, SLACK};
use super::{Case, Run, Times};

/// They wait more than they work.
const AT_A_TIME: usize = 6;

/// Nothing here takes nearly as long: whatever hangs is told by its name.
const LIMIT: Duration = Duration::from_secs(60);

/// Where a run tells how it went.
pub(super) struct Done(Sender<anyhow::Result<Times>>);

impl Done {
    pub(super) fn tell(&self, result: anyhow::Result<Times>) {
        // The one who waited may have lost patience.
        let _ = self.0.send(result);
    }
}

/// How each case went, for each adapter.
pub(super) fn run(cases: &[Case]) -> Vec<Vec<anyhow::Result<Times>>> {
    let runs = |(at, case): (usize, &Case)| -> Vec<_> {
        let noticed = case.noticed;
        case.runs.iter().map(|(adapter, run)| (at, case.name, *adapter, noticed, *run)).collect()
    };
    let all: Vec<_> = cases.iter().enumerate().flat_map(runs).collect();
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some((at, name, adapter, noticed, run)) =
                    all.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let result = run_one(name, adapter, *run).and_then(|times| {
                        check(&times, *noticed)?;
                        Ok(times)
                    });
                    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                    results.push((*at, *adapter, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let order =
        |case: &Case, adapter: &str| case.runs.iter().position(|(name, _)| *name == adapter);
    results.sort_by_key(|(at, adapter, _)| (*at, cases.get(*at).and_then(|c| order(c, adapter))));
    let mut rows: Vec<Vec<_>> = cases.iter().map(|_| Vec::new()).collect();
    for (at, _, result) in results {
        if let Some(row) = rows.get_mut(at) {
            row.push(result);
        }
    }
    rows
}

/// A thread that isn't done in time is left behind: nothing can end it.
fn run_one(name: &str, adapter: &str, run: Run) -> anyhow::Result<Times> {
    let (tell, told) = channel();
    let thread = thread::Builder::new().name(format!("{adapter} {name}"));
    thread.spawn(move || run(Done(tell))).context("no thread for it")?;
    told.recv_timeout(LIMIT).context("it hung or panicked")?
}

/// The times are those that the settings promise.
fn check(times: &Times, promised: Option<Duration>) -> anyhow::Result<()> {
    match (times.noticed, promised) {
        (Some(noticed), Some(promised)) => {
            ensure!(noticed <= promised + SLACK, "noticed after {noticed:?}");
        }
        (None, None) => {}
        (noticed, _) => ensure!(false, "noticed: {noticed:?}"),
    }
    if let Some(joined) = times.joined {
        ensure!(joined <= REJOIN + SLACK, "joined again after {joined:?}");
    }
    Ok(())
}
