//! A server as a process of its own, which `faults` stops and kills.

#![expect(clippy::print_stdout, reason = "the parent reads where it listens")]

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use anyhow::Context as _;
use phx_testing::listener::Listener;

use crate::background;
use crate::ledger::{self, Ledger};

/// What the server is told.
#[derive(clap::Args, Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Args {
    /// The port of 127.0.0.1 to listen on
    #[arg(long)]
    port: u16,
}

/// Serves until standard input ends, so that it never outlives its parent.
///
/// # Errors
///
/// If it can't listen.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = background::runtime()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let listener = Listener::bind_to(address, ledger::server(&Ledger::new()));
    let listener = runtime.block_on(listener).context("can't listen")?;
    println!("{}", listener.address());
    // Whatever ends the wait ends the server.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    drop(listener);
    Ok(ExitCode::SUCCESS)
}
