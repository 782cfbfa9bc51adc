//! All scenarios side by side with their floors: interleaved rounds, medians, and the goals.

mod goals;
mod host;
pub(crate) mod longpoll;
#[cfg(feature = "recorder")]
pub(crate) mod recorded;
mod rounds;
pub(crate) mod scale;

use std::io::Write as _;

use anyhow::{Context as _, bail};
use serde_json::json;

use rounds::{Medians, Scenario};

/// Options of the command line.
struct Options<'a> {
    only: Option<&'a str>,
    json: bool,
    rounds: u32,
    quick: bool,
}

/// Runs all scenarios, or the one that is named.
pub(crate) fn run(args: &[&str]) -> anyhow::Result<()> {
    let options = parse(args)?;
    let scenarios: Vec<Scenario> = rounds::all(options.quick)
        .into_iter()
        .filter(|scenario| options.only.is_none_or(|only| scenario.name == only))
        .collect();
    if scenarios.is_empty() {
        let names: Vec<_> = rounds::all(true).into_iter().map(|scenario| scenario.name).collect();
        bail!("the scenarios are {}", names.join(", "));
    }
    let medians = rounds::measure(&scenarios, options.rounds)?;
    let goals = goals::check(&medians, options.only.is_none())?;
    let mut out = std::io::stdout().lock();
    if options.json {
        let report = json!({ "rounds": options.rounds, "goals": goals, "medians": medians.rows() });
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        writeln!(out, "{}\n{}", table(&medians), goals::table(&goals))?;
    }
    Ok(())
}

fn parse<'a>(args: &[&'a str]) -> anyhow::Result<Options<'a>> {
    let mut options = Options { only: None, json: false, rounds: 5, quick: true };
    let mut args = args.iter().copied();
    while let Some(arg) = args.next() {
        match arg {
            "--json" => options.json = true,
            "--full" => options.quick = false,
            "--rounds" => {
                options.rounds = args.next().context("--rounds needs a number")?.parse()?;
            }
            name if !name.starts_with('-') => options.only = Some(name),
            other => bail!("`{other}` is no option: --json, --full, --rounds N"),
        }
    }
    Ok(options)
}

/// Returns all medians as a table in Markdown.
fn table(medians: &Medians) -> String {
    let head = "| scenario | client | CPU us | user | sys | allocations | RSS KiB each |\n|---|---|---|---|---|---|---|\n";
    let rows = medians.rows().iter().map(|cost| {
        let memory = cost.rss_each_kib.map_or(String::new(), |kib| format!("{kib:.2}"));
        format!(
            "| {} | {} | {:.3} | {:.3} | {:.3} | {:.2} | {memory} |\n",
            cost.scenario, cost.client, cost.cpu_us, cost.user_us, cost.sys_us, cost.allocs
        )
    });
    head.to_owned() + &rows.collect::<String>()
}
