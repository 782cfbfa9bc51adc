//! One subcommand for each program; `cargo xtask NAME` runs them.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use phx_reliability::{faults, serve, soak};

/// What this workspace's clients do under faults.
#[derive(Parser)]
#[command(name = "phx-reliability")]
struct Cli {
    #[command(subcommand)]
    program: Program,
}

#[derive(Subcommand)]
enum Program {
    /// Real faults on every adapter, with times
    Faults(faults::Args),
    /// Traffic under faults: nothing lost, nothing doubled, no memory growing
    Soak(soak::Args),
    /// The server that `faults` stops and kills
    #[command(hide = true)]
    Serve(serve::Args),
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().program {
        Program::Faults(args) => faults::run(&args),
        Program::Soak(args) => soak::run(&args),
        Program::Serve(args) => serve::run(&args),
    }
}
