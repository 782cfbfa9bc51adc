//! A hostile server against every adapter, over real sockets: what it does to other tasks, to heartbeats, to times and to memory.
//!
//! Each case is a row of a table: what the server does, the client's settings, and what must hold. A case
//! runs once for each adapter, with a server and a client that are processes of their own, and the client
//! has one thread for all its tasks. So a client that dies of its case dies alone, and what a case leaves
//! behind is all there is.
//!
//! Of each run are asserted:
//!
//! - *other tasks*: the longest time that a task which wants to run every 10 ms didn't, at most 100 ms, and
//!   5 ms more for each MiB of a frame over 1 MiB. Only the processor time counts that the executor's thread
//!   has used meanwhile, so that a busy machine isn't taken for a busy client;
//! - *heartbeats*: while the connection is open the server sees one every 100 ms, unless it doesn't read;
//! - *times*: an attempt to connect ends within its timeout, a peer that doesn't answer a heartbeat counts
//!   as dead within interval and timeout, `disconnect` ends within the close timeout. A busy machine may
//!   add a second to each of these;
//! - *memory*: the most that was allocated at any time, with the runtime's own and the user's, stays within
//!   the row's limit;
//! - *the end*: the cause that the row names, one outcome for each push and join, and no socket and no task
//!   left a moment after the last handle is gone.

#![expect(clippy::print_stdout, reason = "the table goes to standard output")]

use std::process::ExitCode;
use std::time::Duration;

use phx_client::Builder;

mod cases;
mod client;
mod judge;
mod peer;
mod runner;
mod server;
mod table;
mod ticker;
mod users;
mod wire;

pub use client::{Args as ClientArgs, run as connect};
pub use server::{Args as ServerArgs, run as serve};

use cases::ALL;
use peer::Peer;
use users::User;

const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(100);
const HEARTBEAT_TIMEOUT: Duration = Duration::from_millis(400);
/// How long a heartbeat waits while other messages come.
const HEARTBEAT_LIMIT: Duration = Duration::from_millis(600);
const CONNECT_TIMEOUT: Duration = Duration::from_millis(400);
const CLOSE_TIMEOUT: Duration = Duration::from_millis(300);
const PUSH_TIMEOUT: Duration = Duration::from_millis(800);

/// What a busy machine may add to each of these times.
const SLACK: Duration = Duration::from_secs(1);

/// How long a server attacks, at the most.
const ATTACK: Duration = Duration::from_secs(4);

/// How long a client stands an attack before it disconnects. Longer than two heartbeats may be apart.
const WATCH: Duration = Duration::from_millis(1_300);

/// What is to run.
#[derive(clap::Args, Clone, Debug)]
#[non_exhaustive]
pub struct Args {
    /// Only cases whose name holds one of these
    only: Vec<String>,
}

/// One attack.
#[derive(Clone, Copy)]
struct Case {
    /// What the server does.
    name: &'static str,
    server: fn(&mut Peer) -> std::io::Result<()>,
    proxy: bool,
    user: User,
    tune: fn(Builder) -> Builder,
    ends: Ends,
    /// Whether the server reads, and so sees heartbeats.
    reads: bool,
    /// The largest frame that is taken.
    frame_mib: u64,
    /// The most that the client may have allocated.
    peak_kib: u64,
}

/// How the connection, or the attempt to connect, has to end; with the kinds of causes that are right.
#[derive(Clone, Copy, Debug)]
enum Ends {
    /// The attempt fails within the connect timeout.
    Fails(&'static [&'static str]),
    /// It stays until the client disconnects.
    Stays,
    /// It ends by the time at which a peer that says nothing counts as dead.
    Dies(&'static [&'static str]),
    /// It ends as soon as the server has done it.
    AtOnce(&'static [&'static str]),
    /// Connections come and go.
    Repeats,
}

/// What a client needs in any case: buffers, tables, the runtime's tasks and threads.
const BASE_KIB: u64 = 512;

impl Case {
    const fn new(
        name: &'static str,
        server: fn(&mut Peer) -> std::io::Result<()>,
        ends: Ends,
    ) -> Self {
        Case {
            name,
            server,
            proxy: false,
            user: User::Waits,
            tune: |builder| builder,
            ends,
            reads: true,
            frame_mib: 0,
            peak_kib: BASE_KIB,
        }
    }

    /// The server plays a proxy.
    const fn proxy(mut self) -> Self {
        self.proxy = true;
        self
    }

    const fn user(mut self, user: User) -> Self {
        self.user = user;
        self
    }

    const fn tune(mut self, tune: fn(Builder) -> Builder) -> Self {
        self.tune = tune;
        self
    }

    const fn deaf(mut self) -> Self {
        self.reads = false;
        self
    }

    const fn frame_mib(mut self, mib: u64) -> Self {
        self.frame_mib = mib;
        self
    }

    /// Whether a frame takes so long to come that heartbeats have to wait for it.
    const fn is_large(&self) -> bool {
        self.frame_mib >= 40
    }

    /// What the limits of this row let pile up, on top of what is needed in any case.
    const fn kept_kib(mut self, kib: u64) -> Self {
        self.peak_kib = BASE_KIB + kib;
        self
    }
}

/// The case of this name.
fn find(name: &str) -> Option<&'static Case> {
    ALL.iter().flat_map(|cases| cases.iter()).find(|case| case.name == name)
}

/// Runs the cases on every adapter, and prints the table.
///
/// # Errors
///
/// If processes can't be started; a case that fails is reported in the table, and by the exit code.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let wanted = |case: &&Case| {
        args.only.is_empty() || args.only.iter().any(|part| case.name.contains(part.as_str()))
    };
    let cases: Vec<&Case> = ALL.iter().flat_map(|cases| cases.iter()).filter(wanted).collect();
    let rows = runner::run(&cases)?;
    let table = table::Table::new(&rows);
    println!("{table}");
    Ok(if table.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
