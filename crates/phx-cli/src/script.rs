//! `phx script`: steps as lines of JSON in, everything that happens as lines of JSON out.

use std::fs::File;
use std::io::{self, BufReader};

use clap::Args;
use tokio::sync::mpsc;

use crate::connect::Connect;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::printer::{Format, Printer};
use crate::scenario::Reader;
use crate::supabase::Supabase;
use crate::typed::lines;
use crate::value;

mod history;
mod runner;

use runner::Runner;

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
/// `{"do": "presence", "topic": "room:a", "at_least": 2, "key": "ann"}`
///
/// `{"do": "leave", "topic": "room:a"}`, `{"do": "ping"}`, `{"do": "sleep", "ms": 100, "to_ms": 500}`, `{"do": "disconnect"}`
///
/// `{"do": "set", "variables": {"n": 1}}`, `{"do": "data", "file": "users.csv", "as": "user", "order": "next"}`
///
/// `{"do": "loop", "times": 10}` or `{"do": "loop", "for_ms": 60000, "every_ms": 1000}`, `{"do": "group", "name": ".."}`,
/// `{"do": "choose"}` with `{"do": "option", "weight": 3}`: blocks, each with `{"do": "end"}` at its end
///
/// Steps run in order; what happens in between is printed at once. `connect` after `disconnect`, with the same
/// fields or none, keeps the channels, which join again. `wait` waits for the next record that matches, after the
/// one that the last `wait` found. `listen` prints messages on a topic without joining it; a final `*` matches any
/// rest. `params` sets the params of the next rejoins. `expect` is ok, error or any; `none` of a push waits for
/// no reply. With `replace` a join takes the topic from an earlier one. `binary` (base64) takes the place of
/// `payload`. `presence` waits until so many keys are present, or this one. Every step that waits can have a
/// `timeout_ms`, and every step an `id`, which comes back with the outcome. The passes of a loop with `at_once` run
/// one after another here. Empty lines and those that begin with # are skipped.
///
/// `${name}` in a text or a payload is the value of a variable: of `set`, of a row of `data` (CSV with a line of
/// names, or lines of JSON objects), of the `save` of a join, push or wait (`"save": {"id": "/user/id"}`, by JSON
/// pointers into the answer), or `user` and `pass`, the numbers of the user and of the loop's pass. docs/LOADTEST.md
/// has the details.
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
    let reader = Reader::new(&options.file);
    let outcome = perform(runner, reader, lines, interrupt).await;
    printed.finish(&printer, outcome).await
}

async fn perform(
    mut runner: Runner,
    mut reader: Reader,
    mut lines: mpsc::Receiver<io::Result<String>>,
    interrupt: &mut Interrupt,
) -> Result<(), Failure> {
    let outcome = interrupt
        .guard(async {
            while let Some(line) = runner.during(lines.recv()).await? {
                let line = line.map_err(|error| {
                    let number = reader.number().saturating_add(1);
                    Failure::usage(format!("line {number}: {error}"))
                })?;
                let done = match reader.line(&line) {
                    Ok(Some(program)) => runner.run(&program).await,
                    Ok(None) => Ok(()),
                    Err(flaw) => Err((flaw.line, Failure::usage(flaw.text))),
                };
                if let Err((line, failure)) = done {
                    return Err(runner.failed(line, failure).await);
                }
            }
            match reader.end() {
                Ok(_) => Ok(()),
                Err(flaw) => Err(runner.failed(flaw.line, Failure::usage(flaw.text)).await),
            }
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
