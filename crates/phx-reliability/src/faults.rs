//! Real faults on every adapter, over real sockets: how soon each is noticed, how soon all is well
//! again, and that nothing is lost or doubled by it.

#![expect(clippy::print_stdout, reason = "the table goes to standard output")]

use std::process::ExitCode;
use std::time::Duration;

use crate::adapters::{Adapter, AsyncStd, Smol, Tokio};

mod attempts;
mod connections;
mod processes;
mod runner;
mod server_process;
mod settings;
mod stage;
mod table;
mod tls;

use settings::{AT_ONCE, ATTEMPT, NEVER, SILENCE, UNHEARD};

/// What is to run.
#[derive(clap::Args, Clone, Debug)]
#[non_exhaustive]
pub struct Args {
    /// Only faults whose name holds one of these
    only: Vec<String>,
}

/// Runs the faults on every adapter, and prints the table.
///
/// # Errors
///
/// None; a case that fails is told in the table, and by the exit code.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let wanted = |name: &str| {
        args.only.is_empty() || args.only.iter().any(|part| name.contains(part.as_str()))
    };
    let [mut cases, smol, async_std] = [cases::<Tokio>(), cases::<Smol>(), cases::<AsyncStd>()];
    for others in [smol, async_std] {
        for (case, other) in cases.iter_mut().zip(others) {
            case.runs.extend(other.runs);
        }
    }
    cases.retain(|case| wanted(case.name));
    let results = runner::run(&cases);
    println!("{}", table::table(&cases, &results));
    let failed = results.iter().flatten().any(Result::is_err);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// One fault.
struct Case {
    name: &'static str,
    /// Within what time it must be noticed, by the settings; `None` if it mustn't be.
    noticed: Option<Duration>,
    runs: Vec<(&'static str, Run)>,
}

type Run = fn(runner::Done);

/// What one adapter made of a fault.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    /// From the fault until the client told of it.
    noticed: Option<Duration>,
    /// Until the channel was joined again: from then, or from the fault's end if that was later.
    joined: Option<Duration>,
}

/// Lists the faults; one that isn't listed is never used, which the compiler tells.
macro_rules! cases {
    ($($theme:ident { $($name:ident: $noticed:expr,)* })*) => {
        vec![$($(Case {
            name: stringify!($name),
            noticed: $noticed,
            runs: vec![(A::NAME, |done| A::block_on(async move {
                done.tell($theme::$name::<A>().await);
            }))],
        },)*)*]
    };
}

/// All faults, in the order of the table: the same for every adapter.
fn cases<A: Adapter>() -> Vec<Case> {
    cases! {
        connections {
            reset: AT_ONCE,
            end_without_a_close_frame: AT_ONCE,
            half_open: SILENCE,
            nothing_arrives: UNHEARD,
            nothing_comes: SILENCE,
            delay_within_the_timeout: NEVER,
            delay_beyond_the_timeout: SILENCE,
            stall_within_the_timeout: NEVER,
            full_send_buffer: SILENCE,
            reset_mid_frame: AT_ONCE,
            garbled_frame_from_the_server: AT_ONCE,
            garbled_frame_to_the_server: AT_ONCE,
        }
        attempts {
            port_closed: AT_ONCE,
            handshake_unanswered: ATTEMPT,
            handshake_cut: AT_ONCE,
            dns_fails: ATTEMPT,
        }
        tls {
            tls_reset: AT_ONCE,
            tls_garbled: AT_ONCE,
            tls_handshake_cut: AT_ONCE,
            tls_handshake_unanswered: ATTEMPT,
        }
        processes {
            server_stopped_within_the_timeout: NEVER,
            server_stopped: SILENCE,
            server_killed_and_restarted: AT_ONCE,
        }
    }
}
