//! `phx-conformance differential --runs N --seed S --transport KIND`: the core and the official JavaScript client in the
//! same scripts. `cargo xtask differential` runs it.

#![expect(clippy::print_stdout, reason = "a command-line program speaks through standard output")]
#![expect(clippy::print_stderr, reason = "errors belong on standard error")]

use std::process::ExitCode;

use phx_conformance::differential::{self, LONG_POLL_RULES, RULES};
use phx_conformance::official::{Error, Official};
use phx_proto::TransportKind;

const USAGE: &str = "usage: cargo xtask differential [--runs N] [--seed S] [--transport KIND]

Runs N random scripts (5000) made of seed S (1) with npm's phoenix and with phx-proto, over this KIND of
transport (websocket; longpoll), and compares what both send and report. Exit code 1 if there is a difference that no deviation explains.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some(options) = Options::parse(&words) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("differential: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    transport: TransportKind,
    runs: u64,
    seed: u64,
}

impl Options {
    fn parse(words: &[&str]) -> Option<Self> {
        let ["differential", words @ ..] = words else { return None };
        let mut options = Options { transport: TransportKind::WebSocket, runs: 5_000, seed: 1 };
        let mut words = words.iter();
        while let Some(option) = words.next() {
            let value = words.next()?;
            match (*option, *value) {
                ("--runs", runs) => options.runs = runs.parse().ok()?,
                ("--seed", seed) => options.seed = seed.parse().ok()?,
                ("--transport", "websocket") => options.transport = TransportKind::WebSocket,
                ("--transport", "longpoll") => options.transport = TransportKind::LongPoll,
                _ => return None,
            }
        }
        Some(options)
    }
}

fn run(options: &Options) -> Result<bool, Error> {
    let Options { transport, runs, seed } = *options;
    let rules = match transport {
        TransportKind::LongPoll => &LONG_POLL_RULES[..],
        _ => &RULES,
    };
    let summary = differential::run(&mut Official::start()?, transport, runs, seed, rules)?;
    if let Some(report) = &summary.report {
        println!("{report}");
    }
    print!("{}", summary.text());
    Ok(summary.unexplained == 0)
}
