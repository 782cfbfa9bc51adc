//! Options of `phx bench`.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::{Duration, SystemTime};

use clap::Args;
use clap::builder::ArgPredicate;
use phx_tokio::Payload;

use super::crowd::stages::{MAX_TARGET, Stage, stage};
use super::endpoint;
use super::recorder::StepName;
use super::start_at;
use super::threshold::{self, Threshold};
use super::worker::{self, Worker};
use crate::connect::Connect;
use crate::failure::Failure;
use crate::payload;
use crate::session::Joining;
use crate::value;

/// Push over many sockets and channels, and measure the replies.
///
/// Without --rate each channel pushes when a reply has come. With --rate pushes are due at even times, and a
/// latency counts from when its push was due, so that a server that stalls can't hide it. The server must reply
/// to the event.
///
/// With --scenario users perform the steps of a file, which `phx script --help` lists, as many of them or at such a rate
/// as the stages say; besides those there are steps of live views. docs/LOADTEST.md begins with a first scenario.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The socket's URL, such as `ws://localhost:4000/socket`, or `@FILE` that holds it.
    #[arg(value_parser = value::text)]
    pub(super) url: String,

    /// Number of connections.
    #[arg(long, short, value_name = "COUNT", default_value_t = 1, value_parser = value::number::<u32, 1, 100_000>)]
    pub(super) sockets: u32,

    /// Channels on each connection.
    #[arg(long, short, value_name = "COUNT", default_value_t = 1, value_parser = value::number::<u32, 1, 10_000>)]
    pub(super) channels: u32,

    /// Pushes a second over all channels. By default as many as there are replies.
    #[arg(long, short, value_name = "PER_SECOND", value_parser = value::rate)]
    pub(super) rate: Option<f64>,

    /// Pushes of a channel that wait for replies at the same time, without --rate.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = value::number::<u32, 1, 1_000>)]
    pub(super) in_flight: u32,

    /// Duration of the measurement. With --passes the longest, which is 1h by default.
    #[arg(
        long,
        short,
        value_name = "TIME",
        default_value = "10s",
        default_value_if("passes", ArgPredicate::IsPresent, "1h"),
        value_parser = value::time
    )]
    pub(super) duration: Duration,

    /// Bytes of each payload, at least 11.
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = value::number::<u32, 11, 10_000_000>)]
    pub(super) size: u32,

    /// The payload of each push, as JSON, `@FILE` or `-` for standard input, in place of one made of --size bytes.
    #[arg(long, value_name = "JSON|-", conflicts_with = "size", value_parser = value::text_or_stdin)]
    payload: Option<String>,

    /// The topics; {socket} and {channel} are numbers.
    #[arg(long, value_name = "TOPIC", default_value = "room:bench-{socket}-{channel}", value_parser = value::text)]
    pub(super) topic: String,

    /// The event to push.
    #[arg(long, value_name = "EVENT", default_value = "echo", value_parser = value::text)]
    pub(super) event: String,

    /// Limit for each reply.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = value::time)]
    pub(super) timeout: Duration,

    #[command(flatten)]
    pub(super) users: Users,

    /// Connect from this address of the machine. Repeatable: users take turns, and each address has ports for some 28,000
    /// connections to one server.
    #[arg(long, value_name = "ADDRESS", value_parser = value::address)]
    pub(super) source: Vec<IpAddr>,

    /// Go on with more than 100 users against another machine.
    #[arg(long)]
    pub(super) yes: bool,

    /// Print the result as one JSON object.
    #[arg(long)]
    pub(super) json: bool,

    /// Write a page with plots, which needs no network.
    #[arg(long, short, value_name = "FILE.html", value_parser = value::path)]
    pub(super) output: Option<String>,

    /// Write a log in the standard format of `HdrHistogram`, which `phx bench merge` reads.
    #[arg(long, value_name = "FILE.hdr", value_parser = value::path)]
    pub(super) hdr: Option<String>,

    /// Write a time series: a CSV file with a row for each step and second, while the run goes on.
    #[arg(long, value_name = "FILE.csv", value_parser = value::path)]
    pub(super) series: Option<String>,

    /// Write the figures so far in the text format of Prometheus, each second anew.
    #[arg(long, value_name = "FILE.prom", value_parser = value::path)]
    pub(super) prometheus: Option<String>,

    /// Serve the same by HTTP at `/metrics` while the run goes on. A port alone is one of 127.0.0.1, which other machines
    /// don't reach.
    #[arg(long, value_name = "[IP:]PORT", value_parser = endpoint::address)]
    pub(super) prometheus_listen: Option<SocketAddr>,

    /// Be the I-th of N workers, which have the same options and share the load. `phx bench merge` makes one report
    /// of their logs.
    #[arg(long, value_name = "I/N", value_parser = worker::parse)]
    pub(super) worker: Option<Worker>,

    /// Begin to connect at this time, in UTC as in 2030-01-31T12:00:00Z or in seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = start_at::parse)]
    pub(super) start_at: Option<SystemTime>,

    /// A condition that the run must meet, such as 'push p99 < 200ms'; otherwise the exit code is 7. Repeatable.
    ///
    /// The first word is a step: `push` is all pushes. Then comes min, mean, max, p50, p99.9 or another percentile of
    /// the latencies with a time, errors with a number or a share such as 1%, rate (replies a second) or count
    /// (replies) with a number. Between them stands <, <=, > or >=. A latency of nothing meets no condition.
    #[arg(long, value_name = "CONDITION", value_parser = threshold::parse)]
    pub(super) threshold: Vec<Threshold>,

    #[command(flatten)]
    pub(super) joining: Joining,

    #[command(flatten)]
    pub(super) connect: Connect,
}

/// Users that perform a scenario.
#[derive(Args, Debug)]
#[command(next_help_heading = "Scenario")]
pub(super) struct Users {
    /// Perform the steps of this file.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["sockets", "channels", "rate", "in_flight", "size", "payload", "topic", "event", "timeout"],
        value_parser = value::path
    )]
    pub(super) scenario: Option<String>,

    /// Number of users, each of which begins again when its scenario ends; with stages, the number at the start. Default:
    /// 1, and 0 with stages.
    #[arg(long = "users", value_name = "COUNT", requires = "scenario", value_parser = value::number::<u32, 0, { MAX_TARGET as u64 }>)]
    pub(super) count: Option<u32>,

    /// Users that arrive in a second, whatever the server does, and leave when their scenario ends; with stages, the
    /// number at the start.
    #[arg(long, value_name = "PER_SECOND", requires = "scenario", conflicts_with = "count", value_parser = value::rate)]
    pub(super) arrival_rate: Option<f64>,

    /// A stage, in which the number of users, or of arrivals in a second, moves to this target: `30s:100` is a ramp, and
    /// `1m:100` after it a hold; `0s:500` is a jump. Repeatable.
    #[arg(long, value_name = "TIME:TARGET", requires = "scenario", conflicts_with = "duration", value_parser = stage)]
    pub(super) stage: Vec<Stage>,

    /// Users at a time with --arrival-rate. An arrival beyond it is counted as a failure.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000, value_parser = value::number::<u32, 1, { MAX_TARGET as u64 }>)]
    pub(super) max_users: u32,

    /// Times that each user performs the scenario. The run ends with the last user; if its time is over before, the exit code is 6.
    #[arg(long, value_name = "COUNT", requires = "scenario", conflicts_with = "arrival_rate", value_parser = value::number::<u32, 1, { u32::MAX as u64 }>)]
    pub(super) passes: Option<u32>,

    /// The seed of choices, pauses and rows that are drawn at random. Default: another one each time.
    #[arg(long, value_name = "NUMBER", requires = "scenario", value_parser = value::number::<u64, 0, { u64::MAX }>)]
    pub(super) seed: Option<u64>,
}

impl Options {
    /// The steps that are measured without a scenario.
    pub(super) fn steps(&self) -> Vec<StepName> {
        vec![StepName { name: format!("push {}", self.event), is_push: true }]
    }

    /// The numbers of the sockets that are this worker's.
    pub(super) fn share(&self) -> Result<Range<u32>, Failure> {
        let Some(worker) = self.worker else { return Ok(0..self.sockets) };
        let share = worker.share(self.sockets);
        if share.is_empty() {
            let text = format!("worker {worker} has none of {} sockets", self.sockets);
            return Err(Failure::usage(text));
        }
        Ok(share)
    }

    /// The payload of each push: the one given, or `{"data":"xx.."}` of the size given.
    pub(super) fn payload(&self) -> Result<Payload, Failure> {
        let text = match &self.payload {
            Some(text) => text.clone(),
            None => of_size(self.size),
        };
        payload::checked(text.into_bytes(), "--payload")
    }
}

fn of_size(size: u32) -> String {
    let frame = r#"{"data":""}"#.len();
    let data = "x".repeat((size as usize).saturating_sub(frame));
    format!("{{\"data\":\"{data}\"}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_have_the_size_asked_for() {
        for size in [11, 12, 1_000] {
            assert_eq!(of_size(size).len(), size as usize);
        }
    }
}
