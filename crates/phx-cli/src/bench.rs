//! `phx bench`: pushes on many sockets and channels, and measures the replies.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::FutureExt as _;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::interrupt::{Interrupt, Signal};
use crate::terminal::{self, DIM, styled};

mod change;
pub(crate) mod chart;
mod command;
mod compare;
mod compare_page;
mod comparison;
mod crowd;
mod endpoint;
mod generator;
mod guard;
mod hdr;
mod live;
mod load;
mod log_files;
mod machine;
mod measure;
mod merge;
mod metrics;
mod numbers;
mod options;
mod outputs;
mod plan;
mod quantiles;
mod recorder;
pub(crate) mod report;
mod run_log;
mod series;
mod shown;
mod start_at;
mod summary;
mod threshold;
mod timeline;
mod traffic;
mod worker;

use command::Action;
pub(crate) use command::Bench;
use crowd::Crowd;
use load::Load;
use machine::Machine;
use measure::Measured;
use options::Options;
use outputs::Outputs;
use plan::Plan;
use recorder::{StepName, Window};
use run_log::{End, UNFINISHED};
use shown::show;
use summary::Summary;

/// Longest wait for the server after Ctrl-C, so that a report is there within two seconds.
const GOODBYE: Duration = Duration::from_secs(1);

pub(crate) async fn run(bench: Bench, interrupt: &mut Interrupt) -> Result<(), Failure> {
    let mut options = match bench {
        Bench::Action(Action::Merge(options)) => return merge::run(&options),
        Bench::Action(Action::Compare(options)) => return compare::run(&options),
        Bench::Load(options) => *options,
    };
    options.connect.set_sources(&options.source);
    let machine = Machine::ask(&options.source);
    match options.users.scenario.clone() {
        Some(path) => run_scenario(Arc::new(options), &path, machine, interrupt).await,
        None => run_pushes(&options, machine, interrupt).await,
    }
}

/// Measures users that perform a scenario.
async fn run_scenario(
    options: Arc<Options>,
    path: &str,
    machine: Machine,
    interrupt: &mut Interrupt,
) -> Result<(), Failure> {
    let crowd = Crowd::new(Arc::clone(&options), path)?;
    check(&options, crowd.steps())?;
    terminal::say(&styled(DIM, machine.in_words()));
    guard::check(&crowd.urls(), &crowd.in_words(), crowd.most_users(), machine, options.yes)?;
    let plan = Plan::of_scenario(&options, crowd.in_words(), crowd.duration());
    let plan = Plan { stages: crowd.shape(), ..plan };
    let outputs = Outputs::create(&options, &plan).map_err(Failure::usage)?;
    wait_for_start(&options, interrupt).await?;
    let (mut measured, interrupted) = crowd.run(outputs, interrupt).await;
    let generator = measured.generator();
    let is_cut = interrupted.is_none() && crowd.is_unfinished();
    let end = End { interrupted: interrupted.is_some(), is_cut, generator, ..crowd.end_of() };
    let summary = complete(&options, plan, &end, &mut measured)?;
    let performed = |(_, window): &(_, Window)| !window.latencies.is_empty();
    match interrupted {
        Some(signal) => Err(Failure::Interrupted(signal)),
        None if end.is_cut => Err(Failure::failed(UNFINISHED)),
        None if !summary.measured.steps.iter().any(performed) => {
            Err(Failure::failed("no step succeeded"))
        }
        None => summary.thresholds_met(),
    }
}

/// Measures pushes of one payload.
async fn run_pushes(
    options: &Options,
    machine: Machine,
    interrupt: &mut Interrupt,
) -> Result<(), Failure> {
    check(options, &options.steps())?;
    let share = options.share()?;
    let (sockets, rate) = (options.sockets, options.rate);
    let rate = rate.map(|rate| format!(", {rate} pushes/s")).unwrap_or_default();
    let load = format!("{sockets} sockets x {} channels{rate}", options.channels);
    terminal::say(&styled(DIM, machine.in_words()));
    guard::check(&[&options.url], &load, share.len() as u64, machine, options.yes)?;
    let plan = Plan::of_pushes(options, options.payload()?.len());
    let outputs = Outputs::create(options, &plan).map_err(Failure::usage)?;
    wait_for_start(options, interrupt).await?;
    let load = interrupt.guard(Load::connect(options)).await?;
    let (mut measured, interrupted) = load.measure(outputs, interrupt).await;
    let generator = measured.generator();
    let end = End { interrupted: interrupted.is_some(), generator, ..load.end_of() };
    let goodbye = load.end(interrupt);
    if end.interrupted {
        // What isn't closed by then is dropped.
        let _ = timeout(GOODBYE, goodbye).await;
    } else {
        goodbye.await;
    }
    let summary = complete(options, plan, &end, &mut measured)?;
    match interrupted {
        Some(signal) => Err(Failure::Interrupted(signal)),
        None => summary.outcome(&end),
    }
}

/// Checks what can be checked before anything runs.
fn check(options: &Options, steps: &[StepName]) -> Result<(), Failure> {
    threshold::check(&options.threshold, steps).map_err(Failure::usage)?;
    let start_at = options.start_at.map(|start| start_at::check(start, SystemTime::now()));
    start_at.transpose().map(drop).map_err(Failure::usage)
}

async fn wait_for_start(options: &Options, interrupt: &mut Interrupt) -> Result<(), Signal> {
    match options.start_at {
        Some(start) => interrupt.guard(start_at::wait(start).map(Ok)).await,
        None => Ok(()),
    }
}

/// Completes the outputs of a run, and shows its figures.
fn complete<'a>(
    options: &Options,
    plan: Plan,
    end: &End,
    measured: &'a mut Measured,
) -> Result<Summary<'a>, Failure> {
    let written = measured.end(end);
    let verdicts = threshold::judge(&options.threshold, &measured.steps, measured.took);
    let (after, of) = (measured.took.as_secs_f64(), plan.duration_s);
    let mut summary = Summary::new(plan, end, measured, verdicts);
    summary.worker = options.worker;
    if end.interrupted {
        summary.problems.push(format!("it was interrupted after {after:.1} of {of:.1} s"));
    }
    if end.is_cut {
        summary.problems.push(format!("{UNFINISHED}, after {after:.1} s"));
    }
    if let Some(doubt) = end.generator.and_then(|generator| generator.doubt()) {
        terminal::warning(&doubt);
        summary.notes.push(doubt);
    }
    show(&summary, options.output.as_deref(), options.json)?;
    written.map_err(Failure::failed)?;
    Ok(summary)
}
