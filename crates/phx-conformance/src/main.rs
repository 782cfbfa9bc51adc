//! `phx-conformance differential --runs N --seed S`: the core and the official JavaScript client in the
//! same scripts. `cargo xtask differential` runs it.

#![expect(clippy::print_stdout, reason = "a command-line program speaks through standard output")]
#![expect(clippy::print_stderr, reason = "errors belong on standard error")]

use std::process::ExitCode;

use phx_conformance::differential::{self, RULES};
use phx_conformance::official::{Error, Official};

const USAGE: &str = "usage: cargo xtask differential [--runs N] [--seed S]

Runs N random scripts (5000) made of seed S (1) with npm's phoenix and with phx-proto, and compares what
both send and report. Exit code 1 if there is a difference that no deviation explains.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some((runs, seed)) = parse(&words) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(runs, seed) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("differential: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(words: &[&str]) -> Option<(u64, u64)> {
    let ["differential", options @ ..] = words else { return None };
    let (mut runs, mut seed) = (5_000, 1);
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let value = options.next()?.parse().ok()?;
        match *option {
            "--runs" => runs = value,
            "--seed" => seed = value,
            _ => return None,
        }
    }
    Some((runs, seed))
}

fn run(runs: u64, seed: u64) -> Result<bool, Error> {
    let summary = differential::run(&mut Official::start()?, runs, seed, &RULES)?;
    if let Some(report) = &summary.report {
        println!("{report}");
    }
    print!("{}", summary.text());
    Ok(summary.unexplained == 0)
}
