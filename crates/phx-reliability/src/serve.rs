//! A server as a separate process.

#![expect(clippy::print_stdout, reason = "the parent reads where it listens")]

use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use phx_testing::listener::Listener;

use crate::background;
use crate::ledger::Ledger;
use crate::ledger::room;
use crate::process::Process;

/// Arguments of the server.
#[derive(clap::Args, Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Args {
    /// The port of 127.0.0.1 to listen on
    #[arg(long)]
    port: u16,
}

/// Time without a frame from a client after which the server ends the connection, so that half-open connections end
/// in time.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves until standard input ends, so that it never outlives its parent.
///
/// # Errors
///
/// If it can't listen.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = background::runtime()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let listener = Listener::bind_to(address, room::server(&Ledger::endless(), IDLE_TIMEOUT));
    let listener = runtime.block_on(listener).context("can't listen")?;
    println!("{}", listener.address());
    // Any end of the input ends the server.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    drop(listener);
    Ok(ExitCode::SUCCESS)
}

/// Starts this program as a server; returns once it listens.
pub(crate) fn spawn(port: u16) -> anyhow::Result<Process> {
    let mut server = Process::start(&["serve", "--port", &port.to_string()])?;
    let listens = server.line();
    listens.with_context(|| format!("the server doesn't listen: {}", server.end()))?;
    Ok(server)
}
