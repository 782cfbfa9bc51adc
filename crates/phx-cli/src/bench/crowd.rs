//! A load of users who perform a scenario.
//!
//! In a closed loop there is a number of users, each of which begins again when its scenario ends. In an open loop users arrive at
//! a rate, whatever the server does, and leave when their scenario ends.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until, timeout};

use super::live::{Live, Now};
use super::measure::Measured;
use super::options::Options;
use super::outputs::Outputs;
use super::plan::Shape;
use super::recorder::{ErrorClass, Recorder, StepName, StepSample};
use super::run_log::End;
use super::worker::Worker;
use crate::failure::Failure;
use crate::interrupt::{Interrupt, Signal};
use crate::malformed::Watch;
use crate::record::Kind;
use crate::scenario::{self, Flaw, Pattern, Program, Task, Text};

mod at_once;
mod inbox;
mod liveview;
mod page;
mod shared;
pub(super) mod stages;
mod stop;
mod user;

use shared::Shared;
use stages::Stages;
use stop::{Ended, Stop};

/// Number of shards of the recorder. More than the number of threads are no use.
const SHARDS: usize = 16;

/// Time between two looks at the number of users that are wanted.
const TICK: Duration = Duration::from_millis(20);

/// Users that begin in one tick. Those beyond them begin in the next ones.
const BEGINNING: usize = 200;

/// Pause of a user after a pass that failed, so that a server that refuses isn't overrun.
const PAUSE: Duration = Duration::from_secs(1);

/// Time that users have for their ends after a signal, so that all is over within two seconds.
const GOODBYE: Duration = Duration::from_secs(1);

/// A load that was checked.
pub(super) struct Crowd {
    shared: Arc<Shared>,
    stages: Stages,
    is_open: bool,
    longest_step: Duration,
    /// This machine's share of the users, which is all of them without other workers.
    worker: Worker,
}

impl Crowd {
    /// Reads the scenario and checks it.
    pub(super) fn new(options: Arc<Options>, path: &str) -> Result<Self, Failure> {
        // A URL that can't be used is an error before anything runs.
        let _checked = options.connect.builder(&options.url, |_: &str| {})?;
        let program = scenario::read(path)?;
        check(&program).map_err(|flaw| Failure::usage(format!("{path}, {flaw}")))?;
        let is_open = options.users.arrival_rate.is_some();
        let first = match options.users.arrival_rate {
            Some(rate) => rate,
            None if options.users.stage.is_empty() => f64::from(options.users.count.unwrap_or(1)),
            None => f64::from(options.users.count.unwrap_or(0)),
        };
        let stages =
            Stages::new(first, &options.users.stage, options.duration).map_err(Failure::usage)?;
        let mut names: Vec<StepName> = program
            .names()
            .iter()
            .map(|named| StepName { name: named.name.clone(), is_push: named.is_push })
            .collect();
        names.push(StepName { name: "arrival".to_owned(), is_push: false });
        let worker = options.worker.unwrap_or(Worker::ALONE);
        for step in program.steps() {
            if let Task::Data(table, _) = &step.task {
                table.share(worker.first(), worker.of.into());
            }
        }
        let longest_step = program.steps().map(|step| step.timeout).max().unwrap_or_default();
        let has = |wanted: fn(&Task<_, _>) -> bool| program.steps().any(|step| wanted(&step.task));
        let has_waits = has(|task| matches!(task, Task::Wait(_)));
        let has_presence = has(|task| matches!(task, Task::Presence { .. }));
        let shared = Shared {
            seed: options.users.seed.unwrap_or_else(|| fastrand::u64(..)),
            options,
            program,
            recorder: Recorder::new(names, SHARDS),
            malformed: Watch::warning(),
            has_waits,
            has_presence,
            opened: Arc::default(),
            connected: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            traffic: Mutex::default(),
        };
        Ok(Crowd { shared: Arc::new(shared), stages, is_open, longest_step, worker })
    }

    /// The largest number of users at a time.
    pub(super) fn most_users(&self) -> u64 {
        if self.is_open {
            return self.max_users() as u64;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most 100,000"
        )]
        let users = self.stages.most().ceil() as u64;
        self.worker.count(users)
    }

    /// Users at a time of an open loop: this worker's share, at least one.
    fn max_users(&self) -> usize {
        let share = self.worker.count(self.shared.options.users.max_users.into());
        usize::try_from(share.max(1)).unwrap_or(usize::MAX)
    }

    /// The load of all workers in words.
    pub(super) fn in_words(&self) -> String {
        let (most, duration) = (self.stages.most(), self.stages.duration());
        let duration = humantime::format_duration(duration);
        if let Some(passes) = self.shared.options.users.passes {
            let times = if passes == 1 { "once" } else { &format!("{passes} times") };
            return format!("up to {most} users, each {times}, for at most {duration}");
        }
        match self.is_open {
            true => format!(
                "up to {most} users a second for {duration}, at most {} at a time",
                self.shared.options.users.max_users
            ),
            false => format!("up to {most} users for {duration}"),
        }
    }

    /// The URLs of the servers: that of the command line, and those of the steps as they are written.
    pub(super) fn urls(&self) -> Vec<&str> {
        let steps = self.shared.program.steps().filter_map(|step| match &step.task {
            Task::Connect(address) => address.url.as_ref().map(Text::source),
            _ => None,
        });
        std::iter::once(&*self.shared.options.url).chain(steps).collect()
    }

    /// Returns true if users have more passes to make. A stage may have ended some of them before.
    pub(super) fn is_unfinished(&self) -> bool {
        self.has_passes() && !self.have_finished()
    }

    fn has_passes(&self) -> bool {
        self.shared.options.users.passes.is_some()
    }

    fn have_finished(&self) -> bool {
        self.shared.finished.load(Ordering::Relaxed) >= self.most_users()
    }

    fn reconnects(&self) -> u64 {
        let connected = self.shared.connected.load(Ordering::Relaxed);
        self.shared.opened.load(Ordering::Relaxed).saturating_sub(connected)
    }

    /// The steps that are measured.
    pub(super) fn steps(&self) -> &[StepName] {
        self.shared.recorder.steps()
    }

    /// The stages as reports draw them, if there are any.
    pub(super) fn shape(&self) -> Option<Shape> {
        let is_open = self.is_open;
        self.stages.points().map(|points| Shape { is_open, points })
    }

    /// The time of all stages.
    pub(super) fn duration(&self) -> Duration {
        self.stages.duration()
    }

    /// What the run was. Call it after all users have ended, since their traffic is counted then.
    pub(super) fn end_of(&self) -> End {
        End { reconnects: self.reconnects(), traffic: self.shared.traffic(), ..End::default() }
    }

    /// Runs the stages, or until it is interrupted. All users have ended then.
    pub(super) async fn run(
        &self,
        outputs: Outputs,
        interrupt: &mut Interrupt,
    ) -> (Measured, Option<Signal>) {
        let start = Instant::now();
        let view = Live::start(self.stages.duration(), Some(self.stages.clone()));
        let outputs = outputs.with_view(view);
        let mut measured = Measured::new(self.shared.recorder.steps(), outputs);
        let mut users = Users::default();
        let interrupted = self.watch(&mut measured, &mut users, start, interrupt).await;
        users.running.clear();
        // What comes after a signal isn't time that was measured.
        let at = interrupted.map(|_| start.elapsed());
        let patience = match interrupted {
            None => self.longest_step.saturating_add(Duration::from_secs(5)),
            Some(_) => GOODBYE,
        };
        let last = async { while users.tasks.join_next().await.is_some() {} };
        let interrupted_again = tokio::select! {
            _ = timeout(patience, last) => None,
            signal = interrupt.next() => Some(signal),
        };
        // Those that haven't ended are dropped.
        users.tasks.shutdown().await;
        let at = at.unwrap_or_else(|| start.elapsed());
        // What is left for a last sample may be all there is.
        let shortest = if measured.samples.is_empty() { Duration::ZERO } else { self.period() / 2 };
        measured.sample(&self.shared.recorder, at, shortest.max(Duration::from_millis(1)));
        measured.last_row(Now { at, users: 0, reconnects: self.reconnects() });
        (measured, interrupted.or(interrupted_again))
    }

    /// Begins and ends users, and takes samples, until it is over.
    async fn watch(
        &self,
        measured: &mut Measured,
        users: &mut Users,
        start: Instant,
        interrupt: &mut Interrupt,
    ) -> Option<Signal> {
        let (period, duration) = (self.period(), self.stages.duration());
        let mut samples = interval_at(start + period, period);
        // A tick that is late is one sample, and not several short ones.
        samples.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ticks = interval_at(start, TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let arrivals = (0_u64..).zip(self.stages.arrivals()).take_while(|_| self.is_open);
        let mut arrivals = arrivals.filter(|(number, _)| self.worker.has(*number)).peekable();
        let mut rows = measured.rows(start);
        loop {
            if self.has_passes() && self.have_finished() {
                return None;
            }
            let arrival = arrivals.peek().map(|(number, after)| (*number, start + *after));
            tokio::select! {
                biased;
                signal = interrupt.next() => return Some(signal),
                // Before the end, so that those who are late arrive all the same.
                () = sleep_until(arrival.map_or(start, |(_, due)| due)), if arrival.is_some() => {
                    arrivals.next();
                    let (number, due) = arrival.unwrap_or((0, start));
                    self.arrive(users, number, due);
                }
                () = sleep_until(start + duration) => return None,
                () = rows.next() => {
                    let (at, running) = (start.elapsed(), users.tasks.len() as u64);
                    let now = Now { at, users: running, reconnects: self.reconnects() };
                    measured.row(&self.shared.recorder, now);
                }
                _ = samples.tick() => {
                    measured.sample(&self.shared.recorder, start.elapsed(), Duration::from_millis(1));
                }
                _ = ticks.tick(), if !self.is_open => self.adjust(users, start.elapsed()),
                Some(ended) = users.tasks.join_next() => {
                    // The users of a closed loop end from the last one on.
                    users.free.extend(ended.ok().filter(|_| self.is_open));
                }
            }
        }
    }

    /// Begins or ends users of a closed loop, so that there are as many as wanted.
    fn adjust(&self, users: &mut Users, at: Duration) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most 100,000"
        )]
        let wanted = self.worker.count(self.stages.at(at).round() as u64) as usize;
        users.running.truncate(wanted);
        let missing = wanted.saturating_sub(users.running.len());
        for _ in 0..missing.min(BEGINNING) {
            let (asks, mut stop) = Stop::new();
            let place = users.running.len();
            users.running.push(asks);
            let number = self.worker.number_of(place as u64);
            let shared = Arc::clone(&self.shared);
            users.tasks.spawn(async move {
                let mut passes = shared.options.users.passes;
                loop {
                    let ended = user::pass(&shared, number, None, &mut stop).await;
                    if ended == Ended::Stopped {
                        return place;
                    }
                    passes = passes.map(|passes| passes.saturating_sub(1));
                    if passes == Some(0) {
                        shared.finished.fetch_add(1, Ordering::Relaxed);
                        return place;
                    }
                    match ended {
                        Ended::Failed => tokio::select! {
                            () = sleep(PAUSE) => {}
                            () = stop.asked() => return place,
                        },
                        Ended::Whole | Ended::Stopped => tokio::task::yield_now().await,
                    }
                }
            });
        }
    }

    /// Begins a user of an open loop, unless there are too many.
    fn arrive(&self, users: &mut Users, number: u64, due: Instant) {
        if users.tasks.len() >= self.max_users() {
            let step = self.shared.recorder.steps().len().saturating_sub(1);
            let error = Some(ErrorClass::new("too many users"));
            let sample =
                StepSample { step, due, sent: due, latency: Duration::ZERO, bytes: 0, error };
            return self.shared.recorder.record(0, sample);
        }
        let (asks, mut stop) = Stop::new();
        let place = users.free.pop().unwrap_or(users.running.len());
        match users.running.get_mut(place) {
            Some(ended) => *ended = asks,
            None => users.running.push(asks),
        }
        let shared = Arc::clone(&self.shared);
        users.tasks.spawn(async move {
            user::pass(&shared, number, Some(due), &mut stop).await;
            place
        });
    }

    /// The time between samples: a hundred or so are enough for a plot.
    fn period(&self) -> Duration {
        let period = self.stages.duration() / 120;
        // With passes the run may be over long before its time.
        let most = if self.has_passes() { 1 } else { 10 };
        period.clamp(Duration::from_millis(100), Duration::from_secs(most))
    }
}

/// The users of a load.
#[derive(Default)]
struct Users {
    /// Each returns its place among those that run.
    tasks: JoinSet<usize>,
    /// Dropping one asks its user to stop.
    running: Vec<oneshot::Sender<()>>,
    /// Places of an open loop's users that have ended.
    free: Vec<usize>,
}

/// Checks that a load can perform all steps.
fn check(program: &Program) -> Result<(), Flaw> {
    for step in program.steps() {
        let flaw = |text: &str| Err(Flaw { line: step.line, text: text.to_owned() });
        match &step.task {
            Task::Listen { .. } | Task::Params { .. } => {
                return flaw(
                    "a load performs neither `listen` nor `params`, `phx script` does: expected another step at column 1",
                );
            }
            Task::Wait(Pattern { kind, .. }) if *kind != Kind::Message => {
                return flaw("a load waits for messages only: expected no `kind` at column 1");
            }
            _ => {}
        }
    }
    if program.steps().next().is_none() {
        return Err(Flaw {
            line: 1,
            text: "expected a step, and there is none at column 1".to_owned(),
        });
    }
    Ok(())
}
