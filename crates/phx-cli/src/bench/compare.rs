//! `phx bench compare`: the figures of two runs side by side.

use clap::Args;

use super::change::{self, Limit};
use super::compare_page;
use super::comparison::Comparison;
use super::merge::Merged;
use super::shown::print;
use crate::failure::Failure;
use crate::terminal::{self, shown};
use crate::value;

/// Compare two runs: the figures of each step before and after, and the change.
///
/// If a change is beyond a --limit the exit code is 7. If one of the logs isn't that of a whole run it is 6.
#[derive(Args, Debug)]
pub(crate) struct CompareOptions {
    /// The log that `phx bench --hdr FILE` wrote of the first run, or a folder with those of its workers (*.hdr).
    #[arg(value_name = "BEFORE", value_parser = value::path)]
    before: String,

    /// The log of the second run, or its folder.
    #[arg(value_name = "AFTER", value_parser = value::path)]
    after: String,

    /// How far a figure may change for the worse, such as 'push p99 +10%' or 'push rate -5%'. Repeatable.
    ///
    /// The first word is a step, and the figure is one of those of --threshold of `phx bench`; errors are their share of
    /// all attempts. A figure that a run doesn't have is beyond every limit.
    #[arg(long, value_name = "LIMIT", value_parser = change::parse, allow_hyphen_values = true)]
    limit: Vec<Limit>,

    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,

    /// Write a page with both runs, which needs no network.
    #[arg(long, short, value_name = "FILE.html", value_parser = value::path)]
    output: Option<String>,
}

pub(super) fn run(options: &CompareOptions) -> Result<(), Failure> {
    let read = |path: &String| Merged::read(std::slice::from_ref(path)).map_err(Failure::usage);
    let (before, after) = (read(&options.before)?, read(&options.after)?);
    let names = [shown(&options.before), shown(&options.after)];
    let comparison = Comparison::new([(&names[0], &before), (&names[1], &after)], &options.limit)?;
    for note in &comparison.notes {
        terminal::warning(note);
    }
    let page = options.output.as_deref().map(|path| (path, compare_page::page(&comparison)));
    print(page, &if options.json { comparison.to_json() } else { comparison.to_text() })?;
    comparison.outcome()
}
