//! `phx bench`: pushes on many sockets and channels, and measures the replies.

use std::fs;
use std::io::Write as _;
use std::sync::Arc;

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::terminal::{self, DIM, styled};

mod chart;
mod crowd;
mod guard;
mod load;
mod machine;
mod measure;
mod numbers;
mod options;
mod progress;
mod recorder;
mod report;
mod summary;
mod traffic;

use crowd::Crowd;
use load::Load;
use machine::Machine;
pub(crate) use options::Options;
use recorder::Window;
use summary::Summary;

pub(crate) async fn run(mut options: Options, interrupt: &mut Interrupt) -> Result<(), Failure> {
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
    terminal::say(&styled(DIM, machine.in_words()));
    guard::check(&crowd.urls(), &crowd.in_words(), crowd.most_users(), machine, options.yes)?;
    let (measured, interrupted) = crowd.run(interrupt).await;
    show(&Summary::new(&options, crowd.conditions(), &measured))?;
    let performed = |(_, window): &(_, Window)| !window.latencies.is_empty();
    match interrupted {
        Some(signal) => Err(Failure::Interrupted(signal)),
        None if !measured.steps.iter().any(performed) => Err(Failure::failed("no step succeeded")),
        None => Ok(()),
    }
}

/// Measures pushes of one payload.
async fn run_pushes(
    options: &Options,
    machine: Machine,
    interrupt: &mut Interrupt,
) -> Result<(), Failure> {
    let (sockets, rate) = (options.sockets, options.rate);
    let rate = rate.map(|rate| format!(", {rate} pushes/s")).unwrap_or_default();
    let load = format!("{sockets} sockets x {} channels{rate}", options.channels);
    guard::check(&[&options.url], &load, u64::from(sockets), machine, options.yes)?;
    let load = interrupt.guard(Load::connect(options)).await?;
    let (measured, interrupted) = load.measure(interrupt).await;
    let has_ended = load.has_ended();
    let summary = Summary::new(options, load.conditions(), &measured);
    load.end(interrupt).await;
    show(&summary)?;
    match interrupted {
        Some(signal) => Err(Failure::Interrupted(signal)),
        None if has_ended => Err(Failure::ended()),
        None if summary.replies == 0 => Err(Failure::failed("no push was replied to with ok")),
        None => Ok(()),
    }
}

/// Writes the page, if one is wanted, and prints the figures.
fn show(summary: &Summary<'_>) -> Result<(), Failure> {
    if let Some(path) = &summary.options.output {
        let page = report::page(summary);
        fs::write(path, page)
            .map_err(|error| Failure::usage(format!("can't write {path}: {error}")))?;
    }
    let text = if summary.options.json { summary.to_json() } else { summary.to_text() };
    let mut out = anstream::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}
