//! `phx join`: prints each message of some topics as it comes.

use std::time::Duration;

use clap::Args;
use futures::Stream;
use futures::future::{ready, try_join_all};
use futures::stream::{BoxStream, SelectAll, StreamExt as _, once};
use phx_tokio::{
    Channel, ChannelCloseCause, ConnectionState, Incoming, Payload, Socket, StreamItem,
};

use crate::connect::Connect;
use crate::failure::Failure;
use crate::farewell::farewell;
use crate::interrupt::Interrupt;
use crate::malformed;
use crate::printer::{Format, Printer};
use crate::record::{Columns, Kind, Record};
use crate::session::{
    JoinRefs, Joining, accepted, print_news, report_failures, topic_filter, unjoined, while_open,
};
use crate::value;

/// Join topics, and print each message as it comes.
///
/// Lines are in columns, or, with --json, one object each: time, kind, topic, event, ref, payload. Kinds are
/// connected, joined, message, disconnected, rejoined, errored, lagged, gap, malformed and closed. A binary payload is base64,
/// in the field binary.
///
/// It ends by Ctrl-C, leaves and disconnects then, and the exit code is 0.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The socket's URL, such as `ws://localhost:4000/socket`; `@FILE` for one with secrets in it.
    #[arg(value_parser = value::text)]
    url: String,

    /// The topics to join.
    #[arg(required_unless_present = "also", value_name = "TOPIC")]
    topics: Vec<String>,

    /// Print messages on this topic, too, without joining it, such as `__absinthe__:*`; `*` at the end stands
    /// for anything. As often as needed.
    #[arg(long, value_name = "TOPIC", value_parser = value::text)]
    also: Vec<String>,

    /// Print a JSON object a line.
    #[arg(long)]
    json: bool,

    /// Print messages of this event only; as often as needed.
    #[arg(long, short, value_name = "EVENT", value_parser = value::text)]
    event: Vec<String>,

    /// End after so many messages.
    #[arg(long, short = 'n', value_name = "COUNT", value_parser = value::number::<u64, 0, { u64::MAX }>)]
    count: Option<u64>,

    /// End after this time.
    #[arg(long = "for", value_name = "TIME", value_parser = value::time)]
    duration: Option<Duration>,

    #[command(flatten)]
    joining: Joining,

    #[command(flatten)]
    connect: Connect,
}

pub(crate) async fn run(options: Options, interrupt: &mut Interrupt) -> Result<(), Failure> {
    let format = if options.json {
        Format::Json
    } else {
        Format::Columns(Columns::new(options.topics.iter().map(String::as_str)))
    };
    let (printer, printed) = Printer::start(format);
    let outcome = connected(&options, &printer, interrupt).await;
    let written = printed.finish(&printer).await;
    outcome.and(written)
}

async fn connected(
    options: &Options,
    printer: &Printer,
    interrupt: &mut Interrupt,
) -> Result<(), Failure> {
    let params = options.joining.params()?;
    let refs = JoinRefs::default();
    let builder = refs.watch(print_news(options.connect.builder(&options.url)?, printer));
    let mut builder = malformed::warn(builder);
    if options.json {
        builder = malformed::print(builder, printer);
    }
    let socket = interrupt.guard(options.connect.open(builder, &options.url)).await?;
    let mut channels = Vec::new();
    let outcome = async {
        let mut items = SelectAll::new();
        for topics in &options.also {
            items.push(also(&socket, topics).boxed());
        }
        for topic in &options.topics {
            let channel = channel(&socket, topic, &params, printer)?;
            refs.expect(channel.topic());
            items.push(with_end(&channel).boxed());
            channels.push(channel);
        }
        let joins = channels.iter().map(|channel| join(channel, options, &refs, printer));
        interrupt.guard(while_open(&socket, try_join_all(joins))).await?;
        let tail = Tail { socket: &socket, options, refs: &refs, printer };
        tail.print(items, interrupt).await
    }
    .await;
    farewell(&socket, &channels, interrupt).await;
    outcome
}

fn channel(
    socket: &Socket,
    topic: &str,
    params: &Payload,
    printer: &Printer,
) -> Result<Channel, Failure> {
    let channel = socket
        .channel(topic)
        .params(params.clone())
        .create()
        .map_err(|error| Failure::join(&topic.into(), &error.into()))?;
    let printer = printer.clone();
    report_failures(&channel, move |record| printer.print_now(record));
    Ok(channel)
}

async fn join(
    channel: &Channel,
    options: &Options,
    refs: &JoinRefs,
    printer: &Printer,
) -> Result<(), Failure> {
    let topic = channel.topic();
    let joined = channel.join_within(options.joining.join_timeout).await;
    let response = accepted(joined).map_err(|failed| Failure::join(topic, &failed))?;
    let joined = Record::new(Kind::Joined).topic(topic).reference(refs.of(topic));
    printer.print(joined.answer(&response)).await
}

struct Tail<'a> {
    socket: &'a Socket,
    options: &'a Options,
    refs: &'a JoinRefs,
    printer: &'a Printer,
}

impl Tail<'_> {
    /// Prints what comes until there is a reason to end.
    async fn print(
        &self,
        mut items: SelectAll<BoxStream<'static, Came>>,
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
                item = items.next() => match item {
                    Some(Came::Item(channel, item)) => left -= self.item(&channel, item).await?,
                    Some(Came::End(channel)) => self.ended(&channel).await?,
                    Some(Came::Also(record)) => left -= self.also(record).await?,
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

    /// Prints an item, and says how many messages it was.
    async fn item(&self, channel: &Channel, item: StreamItem<Incoming>) -> Result<u64, Failure> {
        let topic = channel.topic();
        let record = match item {
            StreamItem::Message(Incoming::Message(message)) => {
                let record = Record::new(Kind::Message).topic(topic).event(&message.event);
                return self.message(record.payload(&message.payload)).await;
            }
            StreamItem::Message(Incoming::Joined { response, rejoined: true, .. }) => {
                let record =
                    Record::new(Kind::Rejoined).topic(topic).reference(self.refs.of(topic));
                record.answer(&response).detail("messages may be missing before this")
            }
            StreamItem::Lagged(count) => Record::lagged(topic, count),
            // The join has printed itself, a gap is what the rejoin says, and nothing is decoded here that
            // could be malformed.
            _ => return Ok(0),
        };
        self.printer.print(record).await.map(|()| 0)
    }

    /// Prints what came on a topic that isn't joined, and says how many messages it was.
    async fn also(&self, record: Record) -> Result<u64, Failure> {
        if record.kind == Kind::Message {
            return self.message(record).await;
        }
        self.printer.print(record).await.map(|()| 0)
    }

    /// Prints a message if its event is wanted, and says how many messages it was.
    async fn message(&self, record: Record) -> Result<u64, Failure> {
        let wanted = &self.options.event;
        if !wanted.is_empty()
            && !wanted.iter().any(|event| Some(&**event) == record.event.as_deref())
        {
            return Ok(0);
        }
        self.printer.print(record).await.map(|()| 1)
    }

    async fn ended(&self, channel: &Channel) -> Result<(), Failure> {
        let detail = match channel.close_cause() {
            Some(ChannelCloseCause::ByServer(_)) => "by the server",
            Some(ChannelCloseCause::Rejected(_)) => "the server rejected the rejoin",
            _ => "for good",
        };
        let record = Record::new(Kind::Closed).topic(channel.topic());
        self.printer.print(record.detail(detail)).await
    }
}

/// Something to print.
enum Came {
    Item(Channel, StreamItem<Incoming>),
    End(Channel),
    /// Of a topic that isn't joined.
    Also(Record),
}

/// What a channel says, with its end as the last item.
fn with_end(channel: &Channel) -> impl Stream<Item = Came> + use<> {
    let messages = channel.incoming();
    let (channel, ended) = (channel.clone(), channel.clone());
    let items = messages.map(move |item| Came::Item(channel.clone(), item));
    items.chain(once(async move { Came::End(ended) }))
}

/// What comes on topics that aren't joined.
fn also(socket: &Socket, topics: &str) -> impl Stream<Item = Came> + use<> {
    let (messages, topics) = (socket.topic_messages(topic_filter(topics)), topics.to_owned());
    messages.filter_map(move |item| ready(unjoined(&topics, item).map(Came::Also)))
}
