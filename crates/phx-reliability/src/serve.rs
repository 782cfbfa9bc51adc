//! A server as a process of its own.

#![expect(clippy::print_stdout, reason = "the parent reads where it listens")]

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::Context as _;
use phx_testing::listener::Listener;
use phx_testing::rooms;

use crate::background;
use crate::ledger::{self, Ledger};

/// What the server is told.
#[derive(clap::Args, Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Args {
    /// The port of 127.0.0.1 to listen on
    #[arg(long)]
    port: u16,
    /// Serves `phx_testing::rooms()` instead of the ledger's channels
    #[arg(long)]
    rooms: bool,
}

/// Serves until standard input ends, so that it never outlives its parent.
///
/// # Errors
///
/// If it can't listen.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = background::runtime()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let server = if args.rooms { rooms().build() } else { ledger::server(&Ledger::new()) };
    let listener = Listener::bind_to(address, server);
    let listener = runtime.block_on(listener).context("can't listen")?;
    println!("{}", listener.address());
    // Whatever ends the wait ends the server.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    drop(listener);
    Ok(ExitCode::SUCCESS)
}

/// Starts this program as a server; returns once it listens.
pub(crate) fn spawn(port: u16, more: &[&str]) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("this program has no path")?;
    let mut child = Command::new(program)
        .args(["serve", "--port", &port.to_string()])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("can't start the server")?;
    let mut line = String::new();
    let output = child.stdout.take().context("the server has no output")?;
    let read = BufReader::new(output).read_line(&mut line);
    if read.context("can't read from the server")? == 0 {
        let status = child.wait()?;
        anyhow::bail!("the server ended with {status}");
    }
    Ok(child)
}
