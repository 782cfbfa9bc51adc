//! Growth of costs: the same scenarios with few and with many sockets, channels and pushes.

use std::io::Write as _;

use anyhow::{Context as _, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::host::Server;
use super::rounds::RUNTIMES;
use crate::measure::{Cost, complain};

/// Open files of the largest scenario, in the client and in the server: a socket for each connection, and a few.
const FILES: u64 = 10_100;

/// Scenarios, each in several sizes.
const SCENARIOS: [&[&[&str]]; 3] = [
    &[&["conns", "1000", "4", "2000"], &["conns", "10000", "4", "2000"]],
    &[&["chans", "1000", "50000"], &["chans", "10000", "50000"]],
    &[&["inflight", "1000"], &["inflight", "10000"], &["inflight", "100000"]],
];

/// Runs every scenario on every runtime in every size, and prints the costs.
pub(crate) fn run() -> anyhow::Result<()> {
    allow_files()?;
    let mut out = std::io::stdout().lock();
    let head = "| scenario | client | s | CPU us each | RSS MiB | RSS KiB each | CPU beside the smaller |\n|---|---|---|---|---|---|---|";
    writeln!(out, "{head}")?;
    for sizes in SCENARIOS {
        for runtime in RUNTIMES {
            let mut smaller: Vec<Cost> = Vec::new();
            for args in sizes {
                complain(&format!("{} on {runtime}", args.join(" ")));
                let client = ["client", "--runtime", runtime];
                let command: Vec<_> = client.iter().chain(*args).map(ToString::to_string).collect();
                // A new server has a new port: for the old one the client's ports of earlier connections are still taken.
                let costs = Server::start()?.run(&command, false)?;
                for (index, cost) in costs.iter().enumerate() {
                    writeln!(out, "{}", row(cost, smaller.get(index)))?;
                }
                smaller = costs;
            }
        }
    }
    Ok(())
}

fn row(cost: &Cost, smaller: Option<&Cost>) -> String {
    let or_none = |figure: Option<f64>| figure.map_or(String::new(), |value| format!("{value:.2}"));
    format!(
        "| {} | {} | {:.2} | {:.2} | {} | {} | {} |",
        cost.scenario,
        cost.client,
        cost.wall_s,
        cost.cpu_us,
        or_none(cost.rss_mib),
        or_none(cost.rss_each_kib),
        or_none(smaller.map(|smaller| cost.cpu_us / smaller.cpu_us)),
    )
}

/// Lets this process and those that it starts open as many files as they need.
fn allow_files() -> anyhow::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    ensure!(
        hard >= FILES,
        "10,000 sockets need {FILES} open files, and the limit is {hard}: see `ulimit -Hn`"
    );
    if soft < FILES {
        setrlimit(Resource::RLIMIT_NOFILE, FILES, hard).context("the limit can't be raised")?;
    }
    Ok(())
}
