//! `cargo xtask sim`, `cargo xtask herd`: what the client promises, put to the test.

use std::process::ExitCode;

use clap::Parser;
use phx_reliability::{herd, sim};

/// Shows under faults what the client promises.
#[derive(Debug, Parser)]
enum Command {
    /// Runs clients and a server under virtual time, with faults.
    Sim(sim::Args),
    /// Restarts the server of very many clients.
    Herd(herd::Args),
}

fn main() -> anyhow::Result<ExitCode> {
    let kept = match Command::parse() {
        Command::Sim(args) => sim::campaign(&args)?,
        Command::Herd(args) => herd::run(&args)?,
    };
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
