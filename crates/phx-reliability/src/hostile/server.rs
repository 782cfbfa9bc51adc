//! Process of the server: one case, one address, a thread for each connection.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::Context as _;

use super::case::Case;
use super::cases::find;
use super::peer::{Peer, Report};

/// Arguments of the server.
#[derive(clap::Args, Clone, Debug)]
#[non_exhaustive]
pub struct Args {
    /// The case's name
    case: String,
}

/// Largest number of connections; further ones are refused.
const MAX_CONNECTIONS: u64 = 1_000;

/// Attacks every client until standard input ends, then prints its report.
///
/// # Errors
///
/// If it can't listen.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let case = find(&args.case).context("no such case")?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("can't listen")?;
    println!("{}", listener.local_addr()?);
    let all = Arc::new(All::default());
    let taken = Arc::clone(&all);
    thread::spawn(move || accept(&listener, case, &taken));
    // Any end of the input ends the server.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    all.over.store(true, Ordering::Relaxed);
    let attacks = std::mem::take(&mut *all.attacks.lock().unwrap_or_else(PoisonError::into_inner));
    let mut seen = Report::default();
    for report in attacks.into_iter().filter_map(|attack| attack.join().ok()) {
        seen.connections += report.connections;
        seen.heartbeats += report.heartbeats;
        seen.unfinished |= report.unfinished;
        seen.longest_silence_ms = seen.longest_silence_ms.max(report.longest_silence_ms);
    }
    println!("{}", serde_json::to_string(&seen)?);
    Ok(ExitCode::SUCCESS)
}

/// All connections of the server.
#[derive(Default)]
struct All {
    attacks: Mutex<Vec<JoinHandle<Report>>>,
    over: Arc<AtomicBool>,
}

fn accept(listener: &TcpListener, case: &'static Case, all: &All) {
    for _ in 0..MAX_CONNECTIONS {
        let Ok((stream, _)) = listener.accept() else { return };
        let over = Arc::clone(&all.over);
        let attack = thread::spawn(move || {
            let Ok(mut peer) = Peer::new(stream, &over) else { return Report::default() };
            // It ends with the attack, or with the client.
            let _ = (case.server)(&mut peer);
            peer.report()
        });
        all.attacks.lock().unwrap_or_else(PoisonError::into_inner).push(attack);
    }
}
