//! Runs tests, some at a time, each on a separate thread and for a limited time.

use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use phx_client::TransportKind;

use super::adapter::Adapter;
use super::report::{Report, Verdict};
use super::subject::{LongPoll, WebSocket};
use super::{Case, LIMIT, cases, start_with_adapter};

/// Number of tests that run at the same time: they wait more than they work.
const AT_A_TIME: usize = 6;

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

    /// Returns true if a test is selected by its full name, `suite::ADAPTER::TRANSPORT::THEME::NAME`.
    fn takes(&self, name: &str) -> bool {
        let holds = |part: &String| name.contains(part.as_str());
        (self.only.is_empty() || self.only.iter().any(holds)) && !self.skip.iter().any(holds)
    }
}

/// One test over one transport.
#[derive(Clone, Copy)]
struct Chosen {
    transport: TransportKind,
    case: Case,
}

/// Runs the selected tests on an adapter, over each of its transports: several at a time, and then, one after
/// another, those that must run alone. Returns a report for each transport.
#[must_use]
#[expect(clippy::print_stdout, reason = "`--list` speaks through standard output")]
pub fn run<A: Adapter>(selection: &Selection) -> Vec<Report> {
    let mut chosen: Vec<Chosen> = A::TRANSPORTS
        .iter()
        .flat_map(|&transport| cases().into_iter().map(move |case| Chosen { transport, case }))
        .collect();
    chosen.retain(|it| selection.takes(&it.full_name(A::NAME)));
    if selection.list {
        chosen.iter().for_each(|it| println!("{}: test", it.full_name(A::NAME)));
        chosen.clear();
    }
    // The transports' tests run beside each other, since most of their time is waiting.
    let (alone, beside): (Vec<Chosen>, Vec<Chosen>) = chosen.iter().partition(|it| it.case.alone);
    let mut verdicts = run_all::<A>(&beside, AT_A_TIME);
    verdicts.extend(run_all::<A>(&alone, 1));
    let report = |&transport: &TransportKind| {
        let of_it = verdicts.iter().filter(|(it, _)| it.transport == transport);
        let verdicts = of_it.map(|(it, verdict)| (it.case.name, verdict.clone())).collect();
        Report::new(A::NAME, transport, verdicts)
    };
    A::TRANSPORTS.iter().map(report).collect()
}

impl Chosen {
    fn full_name(&self, adapter: &str) -> String {
        let transport = match self.transport {
            TransportKind::WebSocket => "websocket".to_owned(),
            TransportKind::LongPoll => "longpoll".to_owned(),
            other => other.to_string(),
        };
        format!("suite::{adapter}::{transport}::{}", self.case.name)
    }
}

/// Runs tests, at most `at_a_time` at once.
fn run_all<A: Adapter>(chosen: &[Chosen], at_a_time: usize) -> Vec<(Chosen, Verdict)> {
    let next = AtomicUsize::new(0);
    let verdicts = Mutex::new(vec![None; chosen.len()]);
    thread::scope(|scope| {
        for _ in 0..at_a_time {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(it) = chosen.get(index) else { break };
                    let verdict = run_one::<A>(*it);
                    let mut verdicts = verdicts.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Some(place) = verdicts.get_mut(index) {
                        *place = Some((*it, verdict));
                    }
                }
            });
        }
    });
    let verdicts = verdicts.into_inner().unwrap_or_else(PoisonError::into_inner);
    verdicts.into_iter().flatten().collect()
}

/// Runs a test. A thread that isn't done in time is left behind, since nothing can end it.
fn run_one<A: Adapter>(it: Chosen) -> Verdict {
    if it.transport == TransportKind::LongPoll
        && let Some(why) = it.case.not_over_long_poll
    {
        return Verdict::Omitted { why };
    }
    let (done, over) = channel::<()>();
    let began = Instant::now();
    let thread = thread::Builder::new().name(it.full_name(A::NAME)).spawn(move || {
        // Dropped at the end, also by a panic.
        let _done = done;
        let name = it.case.name;
        let test = match it.transport {
            TransportKind::WebSocket => start_with_adapter::<WebSocket<A>>(name),
            TransportKind::LongPoll => start_with_adapter::<LongPoll<A>>(name),
            other => panic!("the suite has no tests over {other}"),
        };
        A::block_on(test.expect("a listed test"));
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
