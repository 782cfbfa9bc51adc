//! `phx bench`: many sockets and channels push, and what comes of it is measured.

use std::fs;
use std::io::Write as _;
use std::time::Duration;

use clap::Args;

use crate::connect::Connect;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::session::Joining;
use crate::value;

mod chart;
mod load;
mod measure;
mod progress;
mod report;
mod summary;

use load::Load;
use summary::Summary;

/// Push over many sockets and channels, and measure the replies.
///
/// Without --rate each channel pushes as soon as a reply has come; with it pushes are made at even times, and
/// a latency counts from the time at which its push was due, so that a server that stalls can't hide it.
/// The event has to be one that the server replies to.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The socket's URL, such as `ws://localhost:4000/socket`; `@FILE` for one with secrets in it.
    #[arg(value_parser = value::text)]
    url: String,

    /// Connections.
    #[arg(long, short, value_name = "COUNT", default_value_t = 1, value_parser = value::number::<u32, 1, 100_000>)]
    sockets: u32,

    /// Channels on each connection.
    #[arg(long, short, value_name = "COUNT", default_value_t = 1, value_parser = value::number::<u32, 1, 10_000>)]
    channels: u32,

    /// Pushes a second, over all channels. By default as many as there are replies.
    #[arg(long, short, value_name = "PER_SECOND", value_parser = value::rate)]
    rate: Option<f64>,

    /// Pushes of a channel that wait for replies at the same time, without --rate.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = value::number::<u32, 1, 1_000>)]
    in_flight: u32,

    /// How long to measure.
    #[arg(long, short, value_name = "TIME", default_value = "10s", value_parser = value::time)]
    duration: Duration,

    /// Bytes of each payload, 11 at least.
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = value::number::<u32, 11, 10_000_000>)]
    size: u32,

    /// The topics; {socket} and {channel} are numbers.
    #[arg(long, value_name = "TOPIC", default_value = "room:bench-{socket}-{channel}", value_parser = value::text)]
    topic: String,

    /// The event to push.
    #[arg(long, value_name = "EVENT", default_value = "echo", value_parser = value::text)]
    event: String,

    /// For each reply.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = value::time)]
    timeout: Duration,

    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,

    /// Write a report with plots: a page that needs no network.
    #[arg(long, short, value_name = "FILE.html", value_parser = value::path)]
    output: Option<String>,

    #[command(flatten)]
    joining: Joining,

    #[command(flatten)]
    connect: Connect,
}

pub(crate) async fn run(options: Options, interrupt: &mut Interrupt) -> Result<(), Failure> {
    let load = interrupt.guard(Load::connect(&options)).await?;
    let (measured, interrupted) = load.measure(interrupt).await;
    let has_ended = load.has_ended();
    let summary = Summary::new(&options, &load, &measured);
    load.end(interrupt).await;
    if let Some(path) = &options.output {
        let page = report::page(&summary, &measured);
        fs::write(path, page)
            .map_err(|error| Failure::Usage(format!("can't write {path}: {error}")))?;
    }
    let text = if options.json { summary.to_json(&measured) } else { summary.to_text() };
    let mut out = anstream::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    match interrupted {
        Some(signal) => Err(Failure::Interrupted(signal)),
        None if has_ended => Err(Failure::ended()),
        None if summary.replies == 0 => Err(Failure::failed("no push was replied to with ok")),
        None => Ok(()),
    }
}
