//! Runs tests, some at a time, each on a separate thread and for a limited time.

use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use super::{Adapter, Case, LIMIT, Report, Verdict, cases};

/// Number of tests that run at the same time: they wait more than they work.
const AT_A_TIME: usize = 4;

/// Selection of the tests to run.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Selection {
    /// Runs only tests whose name contains one of these; all, if there are none.
    pub only: Vec<String>,
    /// Skips tests whose name contains one of these.
    pub skip: Vec<String>,
    /// Runs none, and lists the names, as `--list` asks for.
    pub list: bool,
}

impl Selection {
    /// Parses the arguments of a test program: names, or parts of them; `--skip NAME`; and `--list`. Other options
    /// of the usual harness are ignored.
    pub fn from_args(args: impl IntoIterator<Item = String>) -> Self {
        let mut selection = Selection::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--skip" => selection.skip.extend(args.next()),
                "--list" => selection.list = true,
                // These have a value, which isn't a name.
                "--format" | "--color" | "--test-threads" | "--logfile" => drop(args.next()),
                option if option.starts_with('-') => {}
                _ => selection.only.push(arg),
            }
        }
        selection
    }

    /// Returns true if a test is selected by its full name, `suite::ADAPTER::THEME::NAME`.
    fn takes(&self, name: &str) -> bool {
        let holds = |part: &String| name.contains(part.as_str());
        (self.only.is_empty() || self.only.iter().any(holds)) && !self.skip.iter().any(holds)
    }
}

/// Runs the selected tests on an adapter: several at a time, and then, one after another, those that must run
/// alone.
#[must_use]
#[expect(clippy::print_stdout, reason = "`--list` speaks through standard output")]
pub fn run<A: Adapter>(selection: &Selection) -> Report {
    let chosen: Vec<Case> =
        cases::<A>().into_iter().filter(|case| selection.takes(&full::<A>(case))).collect();
    if selection.list {
        chosen.iter().for_each(|case| println!("{}: test", full::<A>(case)));
        return Report { adapter: A::NAME, verdicts: Vec::new() };
    }
    let (alone, beside): (Vec<Case>, Vec<Case>) = chosen.iter().partition(|case| case.alone);
    let mut verdicts = run_all::<A>(&beside, AT_A_TIME);
    verdicts.extend(run_all::<A>(&alone, 1));
    Report { adapter: A::NAME, verdicts }
}

/// Returns a test's full name.
fn full<A: Adapter>(case: &Case) -> String {
    format!("suite::{}::{}", A::NAME, case.name)
}

/// Runs tests, at most `at_a_time` at once.
fn run_all<A: Adapter>(cases: &[Case], at_a_time: usize) -> Vec<(&'static str, Verdict)> {
    let next = AtomicUsize::new(0);
    let verdicts = Mutex::new(vec![None; cases.len()]);
    thread::scope(|scope| {
        for _ in 0..at_a_time {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(index) else { break };
                    let verdict = run_one(case, full::<A>(case));
                    let mut verdicts = verdicts.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Some(place) = verdicts.get_mut(index) {
                        *place = Some((case.name, verdict));
                    }
                }
            });
        }
    });
    let verdicts = verdicts.into_inner().unwrap_or_else(PoisonError::into_inner);
    verdicts.into_iter().flatten().collect()
}

/// Runs a test. A thread that isn't done in time is left behind, since nothing can end it.
fn run_one(case: &Case, name: String) -> Verdict {
    let (done, over) = channel::<()>();
    let test = case.test;
    let began = Instant::now();
    let thread = thread::Builder::new().name(name).spawn(move || {
        // Dropped at the end, also by a panic.
        let _done = done;
        test();
    });
    let thread = match thread {
        Ok(thread) => thread,
        Err(error) => return Verdict::Failed { why: format!("no thread for it: {error}") },
    };
    if over.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
        return Verdict::Failed { why: format!("not done within {} s", LIMIT.as_secs()) };
    }
    match thread.join() {
        Ok(()) => Verdict::Passed { took: began.elapsed() },
        Err(panic) => Verdict::Failed { why: message(&*panic) },
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}
