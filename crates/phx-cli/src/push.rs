//! `phx push`: joins, pushes, prints the reply.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use clap::Args;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use phx_tokio::{ByteString, Channel, Payload, Push, PushError, PushReply, Reply, Status};
use tokio::time::{MissedTickBehavior, interval};

use crate::connect::Connect;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::json_text::{Mask, one_line, pretty, shown_payload};
use crate::malformed;
use crate::payload;
use crate::record::Record;
use crate::session::{Joining, join, while_open};
use crate::supabase::Supabase;
use crate::terminal;
use crate::value;

/// Pushes that wait for their replies at the same time, with --rate.
const IN_FLIGHT: usize = 1_000;

/// Join a topic, push an event, and print the reply.
///
/// Prints the response as one line of JSON, and a binary one as it is, or as base64 on a terminal. The exit
/// code is 0 for ok, 1 for an error reply, 5 if no reply came in time.
///
/// With --supabase it is a broadcast of the event in the channel.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The socket's URL, such as `ws://localhost:4000/socket`, or `@FILE` that holds it; with --supabase the
    /// project's, such as `https://PROJECT.supabase.co`.
    #[arg(value_parser = value::text)]
    url: String,

    /// The topic to join, or with --supabase the name of a channel.
    topic: String,

    /// The event to push.
    event: String,

    /// The payload: JSON, a file that holds JSON, or standard input.
    #[arg(value_name = "PAYLOAD|@FILE|-", conflicts_with = "binary")]
    payload: Option<String>,

    /// Push the bytes of a file instead of JSON; `-` is standard input.
    #[arg(long, value_name = "FILE|-", value_parser = value::path)]
    binary: Option<String>,

    /// Ask for no reply: the frame has no ref.
    #[arg(long, conflicts_with = "json")]
    no_reply: bool,

    /// Print each reply as an object: time, kind, topic, event, ref, payload, status.
    #[arg(long)]
    json: bool,

    /// Print the response on several lines.
    #[arg(long, conflicts_with = "json")]
    pretty: bool,

    /// Limit for each reply; with --no-reply for the connection to take the frame.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = value::time)]
    timeout: Duration,

    /// Number of pushes.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = value::number::<u64, 0, { u64::MAX }>)]
    repeat: u64,

    /// Pushes a second, without waiting for replies. By default each push waits for the reply to the one
    /// before.
    #[arg(long, value_name = "PER_SECOND", value_parser = value::rate)]
    rate: Option<f64>,

    #[command(flatten)]
    joining: Joining,

    #[command(flatten)]
    supabase: Supabase,

    #[command(flatten)]
    connect: Connect,
}

pub(crate) async fn run(options: Options, interrupt: &mut Interrupt) -> Result<(), Failure> {
    if options.binary.is_some() && options.connect.is_v1() {
        return Err(Failure::usage(
            "--binary needs --vsn 2.0.0: version 1.0.0 has no binary payloads",
        ));
    }
    let payload = match &options.binary {
        Some(path) => Payload::binary(payload::read(path)?),
        None => payload::json(options.payload.as_deref())?,
    };
    let params = options.supabase.params(options.joining.params(terminal::warning)?)?;
    let (event, payload) = options.supabase.pushed(&options.event, payload)?;
    let opening =
        options.supabase.open(&options.url, &options.connect, terminal::warning, malformed::warn);
    let mut connection = interrupt.guard(opening).await?;
    let socket = connection.socket().clone();
    let mut joined = Vec::new();
    let outcome = async {
        let channel = connection.channel(&options.topic, params, false)?;
        joined.push(channel.clone());
        let mut pushing =
            Pushing { options: &options, channel: &channel, event, payload, worst: None };
        let done = interrupt.guard(while_open(&socket, pushing.run())).await;
        done.and(pushing.worst.map_or(Ok(()), Err))
    }
    .await;
    options.connect.close(&socket, &joined, interrupt).await;
    outcome
}

struct Pushing<'a> {
    options: &'a Options,
    channel: &'a Channel,
    /// Event and payload of the push, which with --supabase aren't those of the options.
    event: ByteString,
    payload: Payload,
    /// The first failure of a push; the other pushes continue.
    worst: Option<Failure>,
}

impl Pushing<'_> {
    async fn run(&mut self) -> Result<(), Failure> {
        let _response = join(self.channel, self.options.joining.join_timeout).await?;
        match self.options.rate {
            Some(rate) => self.at_rate(rate).await,
            None => self.one_by_one().await,
        }
    }

    async fn one_by_one(&mut self) -> Result<(), Failure> {
        for _ in 0..self.options.repeat {
            if self.options.no_reply {
                self.send().await?;
            } else {
                let reply = self.push()?;
                self.outcome(reply.await)?;
            }
        }
        Ok(())
    }

    async fn at_rate(&mut self, rate: f64) -> Result<(), Failure> {
        let mut ticks = interval(Duration::from_secs_f64(1.0 / rate));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut replies = FuturesUnordered::new();
        for _ in 0..self.options.repeat {
            loop {
                tokio::select! {
                    Some(reply) = replies.next() => self.outcome(reply)?,
                    _ = ticks.tick(), if replies.len() < IN_FLIGHT => break,
                }
            }
            if self.options.no_reply {
                self.send().await?;
            } else {
                replies.push(self.push()?);
            }
        }
        while let Some(reply) = replies.next().await {
            self.outcome(reply)?;
        }
        Ok(())
    }

    /// Pushes once, without a reply: it ends when the connection has taken the frame.
    async fn send(&self) -> Result<(), Failure> {
        let (event, payload) = (self.event.clone(), self.payload.clone());
        let timeout = self.options.timeout;
        Ok(self.channel.push_without_reply_with_timeout(timeout, event, payload).await?)
    }

    fn push(&self) -> Result<PushReply, Failure> {
        let (event, payload) = (self.event.clone(), self.payload.clone());
        let push = self.channel.push_with_timeout(self.options.timeout, event, payload);
        let push: Push<()> = push.accepted()?;
        Ok(push.reply())
    }

    /// Prints a reply, and remembers the first that isn't ok.
    fn outcome(&mut self, outcome: Result<Reply, PushError>) -> Result<(), Failure> {
        let topic = self.channel.topic();
        let event = &self.options.event;
        let failure = match outcome {
            Ok(reply) => {
                self.print(&reply)?;
                (reply.status != Status::Ok).then(|| Failure::replied(topic, event, &reply))
            }
            Err(failed) => Some(failed.into()),
        };
        if let Some(failure) = failure {
            match &self.worst {
                None => self.worst = Some(failure),
                Some(_) => terminal::error(failure.text().unwrap_or_default()),
            }
        }
        Ok(())
    }

    fn print(&self, reply: &Reply) -> Result<(), Failure> {
        let mut out = anstream::stdout().lock();
        if self.options.json {
            let record = Record::reply(self.channel.topic(), &self.options.event, reply);
            writeln!(out, "{}", record.to_json())?;
        } else if let Some(json) = reply.response.as_json() {
            let shown =
                if self.options.pretty { pretty(json) } else { one_line(json, Mask::Nothing) };
            writeln!(out, "{shown}")?;
        } else if std::io::stdout().is_terminal() {
            writeln!(out, "{}", shown_payload(&reply.response, Mask::Nothing))?;
        } else {
            out.into_inner().write_all(reply.response.as_bytes())?;
            return Ok(());
        }
        out.flush()?;
        Ok(())
    }
}
