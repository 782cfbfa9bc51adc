//! One subcommand for each program; `cargo xtask NAME` runs them.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use phx_reliability::{faults, herd, hostile, serve, sim, soak, suspend};

/// Tests the promises of this workspace's clients under faults.
#[derive(Parser)]
#[command(name = "phx-reliability")]
struct Cli {
    #[command(subcommand)]
    program: Program,
}

#[derive(Subcommand)]
enum Program {
    /// Clients and a server under virtual time, with faults
    Sim(sim::Args),
    /// Thousands of clients whose server restarts
    Herd(herd::Args),
    /// Real faults on every adapter, with times
    Faults(faults::Args),
    /// A hostile server, on every adapter
    Hostile(hostile::Args),
    /// The server of `hostile`
    #[command(hide = true)]
    HostileServer(hostile::ServerArgs),
    /// A client of `hostile`
    #[command(hide = true)]
    HostileClient(hostile::ClientArgs),
    /// Traffic under faults: nothing lost or doubled, no growth of memory
    Soak(soak::Args),
    /// A client whose machine sleeps; needs `CAP_SYS_ADMIN`
    Suspend(suspend::Args),
    /// The server of `faults` and `suspend`
    #[command(hide = true)]
    Serve(serve::Args),
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().program {
        Program::Sim(args) => sim::campaign(&args).map(exit_code),
        Program::Herd(args) => Ok(exit_code(herd::run(&args))),
        Program::Faults(args) => faults::run(&args),
        Program::Hostile(args) => hostile::run(&args),
        Program::HostileServer(args) => hostile::serve(&args),
        Program::HostileClient(args) => hostile::connect(&args),
        Program::Soak(args) => soak::run(&args),
        Program::Suspend(args) => suspend::run(&args),
        Program::Serve(args) => serve::run(&args),
    }
}

/// Returns 1 if a promise was broken.
fn exit_code(kept: bool) -> ExitCode {
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
