//! `phx script`: steps as lines of JSON in, everything that happens as lines of JSON out.

use std::fs::File;
use std::io::{self, BufReader};

use clap::Args;
use tokio::sync::mpsc;

use crate::connect::Connect;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::printer::{Format, Printer};
use crate::supabase::Supabase;
use crate::typed::lines;
use crate::value;

mod history;
mod runner;
mod step;

use runner::Runner;
use step::Step;

/// Run steps from lines of JSON, and print everything that happens as lines of JSON.
///
/// Drives the client from any language. Each line is an object whose field `do` names the step:
///
/// `{"do": "connect", "url": "ws://..", "params": {"token": ".."}, "headers": {}, "auth_token": ".."}`
///
/// `{"do": "join", "topic": "room:a", "params": {}, "expect": "ok", "replace": false}`
///
/// `{"do": "push", "topic": "room:a", "event": "shout", "payload": {}, "expect": "none"}`
///
/// `{"do": "wait", "kind": "message", "topic": "room:a", "event": "shout", "payload": {"n": 1}}`
///
/// `{"do": "listen", "topic": "__absinthe__:*"}`
///
/// `{"do": "params", "topic": "room:a", "params": {}}`
///
/// `{"do": "leave", "topic": "room:a"}`, `{"do": "ping"}`, `{"do": "sleep", "ms": 100}`, `{"do": "disconnect"}`
///
/// Steps run in order; what happens in between is printed at once. `connect` after `disconnect`, with the same
/// fields or none, keeps the channels, which join again. `wait` waits for the next record that matches, after the
/// one that the last `wait` found. `listen` prints messages on a topic without joining it; a final `*` matches any
/// rest. `params` sets the params of the next rejoins. `expect` is ok, error or any; `none` of a push waits for
/// no reply. With `replace` a join takes the topic from an earlier one. `binary` (base64) takes the place of
/// `payload`. Every step that waits can have a `timeout_ms`, and every step an `id`, which comes back with the
/// outcome. Empty lines and those that begin with # are skipped.
///
/// With --supabase URLs are those of projects, topics are names of channels, and pushes are broadcasts.
///
/// A step that fails ends the script, with the exit code of `phx push`.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The script; `-` for standard input, where each line runs as it comes.
    #[arg(value_name = "FILE|-")]
    file: String,

    /// The URL for `connect` without one.
    #[arg(long, value_parser = value::text)]
    url: Option<String>,

    #[command(flatten)]
    supabase: Supabase,

    #[command(flatten)]
    connect: Connect,
}

pub(crate) async fn run(options: Options, interrupt: &mut Interrupt) -> Result<(), Failure> {
    let lines = script(&options.file)?;
    let (printer, printed) = Printer::start(Format::Json);
    let runner = Runner::new(options.supabase, options.connect, options.url, printer.clone());
    let outcome = perform(runner, lines, interrupt).await;
    printed.finish(&printer, outcome).await
}

async fn perform(
    mut runner: Runner,
    mut lines: mpsc::Receiver<io::Result<String>>,
    interrupt: &mut Interrupt,
) -> Result<(), Failure> {
    let outcome = interrupt
        .guard(async {
            let mut number = 0_u64;
            while let Some(line) = runner.during(lines.recv()).await? {
                number = number.saturating_add(1);
                let line =
                    line.map_err(|error| Failure::usage(format!("line {number}: {error}")))?;
                let line = line.trim();
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                let done = match Step::parse(line) {
                    Ok(step) => runner.perform(number, step).await,
                    Err(why) => Err(Failure::usage(why)),
                };
                if let Err(failure) = done {
                    return Err(runner.failed(number, failure).await);
                }
            }
            Ok(())
        })
        .await;
    runner.end(interrupt).await;
    outcome
}

/// Reads the script's lines.
fn script(path: &str) -> Result<mpsc::Receiver<io::Result<String>>, Failure> {
    if path == "-" {
        // The thread that reads it takes the lock again.
        drop(value::standard_input().map_err(Failure::usage)?);
        return Ok(lines(|| Box::new(io::stdin().lock())));
    }
    let file =
        File::open(path).map_err(|error| Failure::usage(format!("can't read {path}: {error}")))?;
    Ok(lines(|| Box::new(BufReader::new(file))))
}
