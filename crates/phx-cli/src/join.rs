//! `phx join`: prints each message of some topics as it arrives.

use std::time::Duration;

use clap::Args;
use futures::future::try_join_all;
use futures::stream::{BoxStream, SelectAll, StreamExt as _};
use phx_tokio::{ConnectionState, Socket, SocketBuilder};

use crate::connect::Connect;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::malformed;
use crate::printer::{Format, Printer};
use crate::record::{Kind, Record};
use crate::session::{
    JoinRefs, Joining, channel_records, join, report_connection, report_failures, topic_records,
    while_open,
};
use crate::supabase::Supabase;
use crate::terminal;
use crate::value;

/// Join topics, and print each message as it arrives.
///
/// Prints columns, or with --json an object a line: time, kind, topic, event, ref, payload. The kinds are
/// connected, joined, message, disconnected, rejoined, errored, lagged, gap, malformed and closed. A binary
/// payload is base64 in the field `binary`.
///
/// With --supabase the URL is that of a project, topics are names of its channels, and a broadcast has the event that its
/// sender gave it, and in JSON a field `meta`.
///
/// Ctrl-C leaves the topics, disconnects, and ends with exit code 0.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The socket's URL, such as `ws://localhost:4000/socket`, or `@FILE` that holds it; with --supabase the
    /// project's, such as `https://PROJECT.supabase.co`.
    #[arg(value_parser = value::text)]
    url: String,

    /// The topics to join.
    #[arg(required_unless_present = "also", value_name = "TOPIC")]
    topics: Vec<String>,

    /// Print messages on this topic without joining it, such as `__absinthe__:*`; a final `*` matches any
    /// rest. Repeatable.
    #[arg(long, value_name = "TOPIC", value_parser = value::text)]
    also: Vec<String>,

    /// Print an object of JSON a line.
    #[arg(long)]
    json: bool,

    /// Print JSON payloads on several lines.
    #[arg(long, conflicts_with = "json")]
    pretty: bool,

    /// Print only messages of this event. Repeatable.
    #[arg(long, short, value_name = "EVENT", value_parser = value::text)]
    event: Vec<String>,

    /// End after this number of messages.
    #[arg(long, short = 'n', value_name = "COUNT", value_parser = value::number::<u64, 0, { u64::MAX }>)]
    count: Option<u64>,

    /// End after this time.
    #[arg(long = "for", value_name = "TIME", value_parser = value::time)]
    duration: Option<Duration>,

    #[command(flatten)]
    joining: Joining,

    #[command(flatten)]
    supabase: Supabase,

    #[command(flatten)]
    connect: Connect,
}

pub(crate) async fn run(options: Options, interrupt: &mut Interrupt) -> Result<(), Failure> {
    let topics: Vec<_> = options.topics.iter().map(|it| options.supabase.topic(it)).collect();
    let topics = topics.iter().map(String::as_str);
    let (printer, printed) =
        Printer::start(Format::new(options.json, topics).pretty(options.pretty));
    let outcome = connected(&options, &printer, interrupt).await;
    printed.finish(&printer, outcome).await
}

async fn connected(
    options: &Options,
    printer: &Printer,
    interrupt: &mut Interrupt,
) -> Result<(), Failure> {
    let params = options.supabase.params(options.joining.params(terminal::warning)?)?;
    let refs = JoinRefs::default();
    let watched = |builder: SocketBuilder| {
        let builder = refs.watch(report_connection(builder, printer.hook()));
        let builder = malformed::warn(builder);
        match options.json {
            true => malformed::records(builder, printer.hook()),
            false => builder,
        }
    };
    let opening = options.supabase.open(&options.url, &options.connect, terminal::warning, watched);
    let mut connection = interrupt.guard(opening).await?;
    let (socket, read) = (connection.socket().clone(), options.supabase.read());
    let mut channels = Vec::new();
    let outcome = async {
        let mut records = SelectAll::new();
        for topics in &options.also {
            records.push(topic_records(&socket, topics).map(read).boxed());
        }
        for topic in &options.topics {
            let channel = connection.channel(topic, params.clone(), false)?;
            report_failures(&channel, printer.hook());
            refs.expect(channel.topic());
            records.push(channel_records(&channel, &refs).map(read).boxed());
            channels.push(channel);
        }
        let joins = channels.iter().map(|channel| async {
            let response = join(channel, options.joining.join_timeout).await?;
            let topic = channel.topic();
            let joined = Record::new(Kind::Joined).topic(topic).reference(refs.of(topic));
            printer.print(joined.answer(&response)).await
        });
        interrupt.guard(while_open(&socket, try_join_all(joins))).await?;
        Tail { socket: &socket, options, printer }.print(records, interrupt).await
    }
    .await;
    options.connect.close(&socket, &channels, interrupt).await;
    outcome
}

struct Tail<'a> {
    socket: &'a Socket,
    options: &'a Options,
    printer: &'a Printer,
}

impl Tail<'_> {
    /// Prints records until the command ends.
    async fn print(
        &self,
        mut records: SelectAll<BoxStream<'_, Record>>,
        interrupt: &mut Interrupt,
    ) -> Result<(), Failure> {
        let mut status = self.socket.status();
        let mut left = self.options.count.unwrap_or(u64::MAX);
        let time = self.options.duration.unwrap_or(Duration::MAX);
        let mut over = std::pin::pin!(tokio::time::sleep(time));
        while left > 0 {
            tokio::select! {
                biased;
                _ = interrupt.next() => return Ok(()),
                () = self.printer.closed() => return Err(Failure::OutputClosed),
                record = records.next() => match record {
                    Some(record) if self.is_wanted(&record) => {
                        left -= u64::from(record.kind == Kind::Message);
                        self.printer.print(record).await?;
                    }
                    Some(_) => {}
                    None => return Err(Failure::failed("the server closed every channel")),
                },
                state = status.next() => {
                    if matches!(state, None | Some(ConnectionState::Closed)) {
                        return Err(Failure::ended());
                    }
                }
                () = &mut over => return Ok(()),
            }
        }
        Ok(())
    }

    /// Returns true for messages of the requested events, and for all other records.
    fn is_wanted(&self, record: &Record) -> bool {
        let wanted = &self.options.event;
        record.kind != Kind::Message
            || wanted.is_empty()
            || wanted.iter().any(|event| Some(&**event) == record.event.as_deref())
    }
}
