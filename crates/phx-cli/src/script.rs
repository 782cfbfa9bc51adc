//! `phx script`: lines of JSON in, lines of JSON of everything that happens out.

use std::fs::File;
use std::io::{self, BufReader};

use clap::Args;
use tokio::sync::mpsc;

use crate::connect::Connect;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::printer::{Format, Printer};
use crate::typed::lines;
use crate::value;

mod history;
mod runner;
mod step;

use runner::Runner;
use step::Step;

/// Do what lines of JSON say, and print everything that happens as lines of JSON.
///
/// This drives the client from any language. Each line is an object whose field `do` says what:
///
/// `{"do": "connect", "url": "ws://..", "params": {"token": ".."}, "headers": {}, "auth_token": ".."}`
///
/// `{"do": "join", "topic": "room:a", "params": {}, "expect": "ok"}`
///
/// `{"do": "push", "topic": "room:a", "event": "shout", "payload": {}, "expect": "none"}`
///
/// `{"do": "wait", "kind": "message", "topic": "room:a", "event": "shout", "payload": {"n": 1}}`
///
/// `{"do": "listen", "topic": "__absinthe__:*"}`
///
/// `{"do": "leave", "topic": "room:a"}`, `{"do": "ping"}`, `{"do": "sleep", "ms": 100}`, `{"do": "disconnect"}`
///
/// Steps are done in order; what comes meanwhile is printed as it comes. `wait` waits for the next thing that
/// matches, after the one that the last `wait` found. `listen` prints what comes on a topic without joining it;
/// `*` at its end stands for anything. `expect` is ok, error or any, and for a push none, which
/// waits for no reply. `binary` (base64) takes the place of `payload`. `timeout_ms` goes with all that wait, and
/// an `id` of yours comes back with the outcome. Empty lines and those that begin with # are skipped.
///
/// A step that fails ends the script, with the exit code that `phx push` would have.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The script; `-` for standard input, each line of which is done as it comes.
    #[arg(value_name = "FILE|-")]
    file: String,

    /// The socket's URL, for `connect` without one.
    #[arg(long, value_parser = value::text)]
    url: Option<String>,

    #[command(flatten)]
    connect: Connect,
}

pub(crate) async fn run(options: Options, interrupt: &mut Interrupt) -> Result<(), Failure> {
    let lines = script(&options.file)?;
    let (printer, printed) = Printer::start(Format::Json);
    let runner = Runner::new(options.connect, options.url, printer.clone());
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
                    line.map_err(|error| Failure::Usage(format!("line {number}: {error}")))?;
                let line = line.trim();
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                let done = match Step::parse(line) {
                    Ok(step) => runner.perform(number, step).await,
                    Err(why) => Err(Failure::Usage(why)),
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

/// The script's lines.
fn script(path: &str) -> Result<mpsc::Receiver<io::Result<String>>, Failure> {
    if path == "-" {
        // The thread that reads it takes the lock again.
        drop(value::standard_input().map_err(Failure::Usage)?);
        return Ok(lines(|| Box::new(io::stdin().lock())));
    }
    let file = File::open(path).map_err(|error| Failure::unreadable(path, &error))?;
    Ok(lines(|| Box::new(BufReader::new(file))))
}
