//! `phx bench`: pushes on many sockets and channels, and measures the replies.

use std::fs;
use std::io::Write as _;

use crate::failure::Failure;
use crate::interrupt::Interrupt;

mod chart;
mod load;
mod measure;
mod numbers;
mod options;
mod progress;
mod recorder;
mod report;
mod summary;
mod traffic;

use load::Load;
pub(crate) use options::Options;
use summary::Summary;

pub(crate) async fn run(options: Options, interrupt: &mut Interrupt) -> Result<(), Failure> {
    let load = interrupt.guard(Load::connect(&options)).await?;
    let (measured, interrupted) = load.measure(interrupt).await;
    let has_ended = load.has_ended();
    let summary = Summary::new(&options, &load, &measured);
    load.end(interrupt).await;
    if let Some(path) = &options.output {
        let page = report::page(&summary);
        fs::write(path, page)
            .map_err(|error| Failure::usage(format!("can't write {path}: {error}")))?;
    }
    let text = if options.json { summary.to_json() } else { summary.to_text() };
    let mut out = anstream::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    match interrupted {
        Some(signal) => Err(Failure::Interrupted(signal)),
        None if has_ended => Err(Failure::ended()),
        None if summary.replies == 0 => Err(Failure::failed("no push was replied to with ok")),
        None => Ok(()),
    }
}
