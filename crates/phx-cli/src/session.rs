//! Parts of commands that join: params, joins, and records of channels and of the connection.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::Args;
use futures::Stream;
use futures::future::ready;
use futures::stream::{StreamExt as _, once};
use phx_tokio::{
    ByteString, Channel, ChannelCloseCause, CloseCause, ConnectionState, Incoming, JoinCause,
    JoinError, Message, Payload, PayloadDropped, Socket, SocketBuilder, Status, StreamItem,
    TopicFilter, TopicMessage,
};
use tokio::task::spawn_blocking;

use crate::failure::Failure;
use crate::payload::{self, JsonPair};
use crate::queue::Sender;
use crate::record::{Kind, Record};
use crate::terminal::shown;
use crate::value;

/// Options of joins.
#[derive(Args, Debug)]
#[command(next_help_heading = "Join")]
pub(crate) struct Joining {
    /// A param of the join, for the channel's `join/3`. Repeatable. `n=3` is the string "3"; `n:=3` is the number,
    /// and `:=` takes any JSON.
    #[arg(long, short = 'j', value_name = "NAME=VALUE", value_parser = value::json_pair)]
    join_param: Vec<JsonPair>,

    /// All params of the join, as a JSON object.
    #[arg(long, value_name = "JSON|-", value_parser = value::text_or_stdin)]
    join_params: Option<String>,

    /// Read the params, a JSON object, from this file before each join and rejoin, as for a token that expires.
    #[arg(long, value_name = "FILE", conflicts_with = "join_params", value_parser = value::path)]
    join_params_file: Option<String>,

    /// Limit for the answer to the join.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = value::time)]
    pub(crate) join_timeout: Duration,
}

impl Joining {
    /// Returns the params of the join. `warn_of` gets a warning when the file can't be used for a rejoin.
    pub(crate) fn params(
        &self,
        warn_of: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<JoinParams, Failure> {
        let Some(path) = self.join_params_file.clone() else {
            let text = self.join_params.as_deref().unwrap_or("{}");
            let params = payload::params(text.as_bytes(), "--join-params", &self.join_param)?;
            return Ok(JoinParams::Fixed(params));
        };
        let pairs = self.join_param.clone();
        let read = move || payload::params(&payload::read(&path)?, &shown(&path), &pairs);
        read()?;
        let read = move || {
            let params = read();
            if let Err(Failure::Error(_, text)) = &params {
                warn_of(&format!("can't join again: {text}"));
            }
            params.ok()
        };
        Ok(JoinParams::Made(Arc::new(read)))
    }
}

/// The params of a channel's joins.
#[derive(Clone)]
pub(crate) enum JoinParams {
    Fixed(Payload),
    /// Made for each join; `None` is a failure.
    Made(Arc<dyn Fn() -> Option<Payload> + Send + Sync>),
    Current(Arc<Mutex<Payload>>),
}

impl JoinParams {
    /// Returns true unless they are an empty object.
    pub(crate) fn is_given(&self) -> bool {
        let is_given = |params: &Payload| params.as_json().is_none_or(|json| json != "{}");
        match self {
            JoinParams::Fixed(params) => is_given(params),
            JoinParams::Made(_) => true,
            JoinParams::Current(params) => is_given(&locked(params)),
        }
    }
}

/// Channel with params that can change between its joins.
#[derive(Debug)]
pub(crate) struct JoinedChannel {
    pub(crate) channel: Channel,
    params: Arc<Mutex<Payload>>,
}

impl JoinedChannel {
    /// Makes a channel that isn't joined yet, by a function from its params.
    pub(crate) fn new(
        params: Payload,
        channel: impl FnOnce(JoinParams) -> Result<Channel, Failure>,
    ) -> Result<Self, Failure> {
        let params = Arc::new(Mutex::new(params));
        let channel = channel(JoinParams::Current(Arc::clone(&params)))?;
        Ok(JoinedChannel { channel, params })
    }

    /// Sets the params of its next joins.
    pub(crate) fn set_params(&self, params: Payload) {
        *locked(&self.params) = params;
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for a future that depends on the server, or fails when the connection ends for good. A future that is
/// ready at the same time wins.
pub(crate) async fn while_open<T>(
    socket: &Socket,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut status = socket.status();
    let ended =
        async { while !matches!(status.next().await, None | Some(ConnectionState::Closed)) {} };
    tokio::select! {
        biased;
        done = work => done,
        () = ended => Err(Failure::ended()),
    }
}

/// Reports the connection's records, except for an end that this program caused.
pub(crate) fn report_connection(
    builder: SocketBuilder,
    report: impl Fn(Record) + Clone + Send + Sync + 'static,
) -> SocketBuilder {
    let (opened, closed) = (report.clone(), report);
    builder.on_open(move || opened(Record::new(Kind::Connected))).on_close(move |end| {
        // A first attempt that failed is the command's error.
        let is_news = end.was_open || end.retry_in.is_some();
        if is_news && end.cause != CloseCause::Disconnected {
            closed(Record::disconnected(end));
        }
    })
}

/// The ref of the latest join of each topic that this program joins, taken from the replies.
#[derive(Clone, Debug, Default)]
pub(crate) struct JoinRefs(Arc<Mutex<BTreeMap<ByteString, Option<u64>>>>);

impl JoinRefs {
    /// Keeps the refs of this topic from now on. The server may name any number of other topics.
    pub(crate) fn expect(&self, topic: &ByteString) {
        self.refs().entry(topic.clone()).or_default();
    }

    /// Watches all incoming messages.
    pub(crate) fn watch(&self, builder: SocketBuilder) -> SocketBuilder {
        let refs = self.clone();
        builder.on_message(move |message| refs.see(message))
    }

    /// The ref of a topic's latest join.
    pub(crate) fn of(&self, topic: &ByteString) -> Option<String> {
        self.refs().get(topic).copied().flatten().map(|reference| reference.to_string())
    }

    fn see(&self, message: &Message) {
        let Some(reference) = &message.reference else { return };
        if message.status.is_some()
            && message.join_ref.as_ref() == Some(reference)
            && let Some(known) = self.refs().get_mut(&message.topic)
        {
            // This client's refs are numbers.
            *known = reference.as_number();
        }
    }

    fn refs(&self) -> MutexGuard<'_, BTreeMap<ByteString, Option<u64>>> {
        locked(&self.0)
    }
}

/// Makes a channel that isn't joined yet; with `replace` it takes the topic from another one.
pub(crate) fn channel(
    socket: &Socket,
    topic: &str,
    params: JoinParams,
    replace: bool,
) -> Result<Channel, Failure> {
    let builder = socket.channel(topic);
    let builder = if replace { builder.replace() } else { builder };
    let builder = match params {
        JoinParams::Fixed(params) => builder.params(params),
        JoinParams::Made(make) => builder.params_with(move || {
            let make = Arc::clone(&make);
            async move {
                let made = spawn_blocking(move || make()).await?;
                made.ok_or_else(|| "the params of the join can't be made".into())
            }
        }),
        JoinParams::Current(params) => {
            builder.params_with(move || ready(Ok(locked(&params).clone())))
        }
    };
    Ok(builder.create()?)
}

/// Joins, and returns the response.
pub(crate) async fn join(
    channel: &Channel,
    patience: Duration,
) -> Result<Result<Payload, PayloadDropped>, Failure> {
    let joined = accepted(channel.join_with_timeout(patience).await);
    Ok(joined?)
}

/// Returns the outcome of a join; a join with ok succeeded even if its response was too large to keep.
pub(crate) fn accepted(
    joined: Result<Payload, JoinError>,
) -> Result<Result<Payload, PayloadDropped>, JoinError> {
    match joined {
        Err(JoinError {
            cause: JoinCause::ReplyDropped { status: Status::Ok, len, .. }, ..
        }) => Ok(Err(PayloadDropped::new(len))),
        joined => joined.map(Ok),
    }
}

/// Reports the cause whenever a channel isn't joined. Call it before the join.
pub(crate) fn report_failures(channel: &Channel, report: impl Fn(Record) + Send + Sync + 'static) {
    let topic = channel.topic().clone();
    let _stays = channel.on_error(move |failure| {
        // The end of the connection has been reported already.
        if !failure.is_disconnect() {
            report(Record::errored(failure).topic(&topic));
        }
    });
}

/// Returns the records of a channel from now on. The last one is its end, unless it was left or replaced, which has
/// a separate record.
pub(crate) fn channel_records(
    channel: &Channel,
    refs: &JoinRefs,
) -> impl Stream<Item = Record> + use<> {
    let (refs, channel) = (refs.clone(), channel.clone());
    let topic = channel.topic().clone();
    let records =
        channel.incoming().filter_map(move |item| ready(channel_record(&topic, item, &refs)));
    let end = once(async move {
        let detail = match channel.close_cause()? {
            ChannelCloseCause::Left | ChannelCloseCause::Replaced => return None,
            ChannelCloseCause::ByServer(_) => "by the server",
            ChannelCloseCause::Rejected(_) => "the server rejected the rejoin",
            _ => "for good",
        };
        Some(Record::new(Kind::Closed).topic(channel.topic()).detail(detail))
    });
    records.chain(end.filter_map(ready))
}

/// Returns the records of topics that aren't joined, from now on.
pub(crate) fn topic_records(socket: &Socket, topics: &str) -> impl Stream<Item = Record> + use<> {
    let (messages, topics) = (socket.topic_messages(topic_filter(topics)), topics.to_owned());
    messages.filter_map(move |item| ready(topic_record(&topics, item)))
}

/// Forwards records until there are none, or the receiver is gone.
pub(crate) async fn forward(records: impl Stream<Item = Record>, to: Sender<Record>) {
    let mut records = pin!(records);
    while let Some(record) = records.next().await {
        if to.send(record).await.is_err() {
            return;
        }
    }
}

/// Returns the record of a channel's item.
fn channel_record(
    topic: &ByteString,
    item: StreamItem<Incoming>,
    refs: &JoinRefs,
) -> Option<Record> {
    Some(match item {
        StreamItem::Message(Incoming::Message(message)) => {
            Record::message(topic, &message.event, &message.payload)
        }
        StreamItem::Message(Incoming::Joined { response, rejoined: true, .. }) => {
            let record = Record::new(Kind::Rejoined).topic(topic).reference(refs.of(topic));
            record.answer(&response).detail("messages may be missing before this")
        }
        StreamItem::Lagged(count) => Record::lagged(topic, count),
        // The rejoin's record reports a gap, and undecoded messages can't be malformed.
        _ => return None,
    })
}

/// Parses an argument: one topic, or with a final `*` all topics that start with the text before it.
fn topic_filter(text: &str) -> TopicFilter {
    match text.strip_suffix('*') {
        Some(prefix) => TopicFilter::prefix(prefix),
        None => TopicFilter::topic(text),
    }
}

/// Returns the record of an item of topics that aren't joined.
fn topic_record(topics: &str, item: StreamItem<TopicMessage>) -> Option<Record> {
    Some(match item {
        StreamItem::Message(message) => {
            Record::message(&message.topic, &message.event, &message.payload)
        }
        StreamItem::Gap => Record::new(Kind::Gap)
            .topic(&topics.into())
            .detail("messages may be missing before this"),
        StreamItem::Lagged(count) => Record::lagged(&topics.into(), count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use phx_tokio::Ref;

    use super::*;

    #[test]
    fn refs_are_kept_of_topics_that_are_joined_here() {
        let refs = JoinRefs::default();
        refs.expect(&"room:a".into());
        for number in 0..1_000 {
            let topic = if number % 10 == 0 { "room:a".into() } else { format!("room:{number}") };
            let reference = Some(Ref::from(number));
            let reply = Message::reply(topic, reference.clone(), Status::Ok, Payload::empty());
            refs.see(&reply.with_join_ref(reference));
        }
        assert_eq!(refs.refs().len(), 1);
        assert_eq!(refs.of(&"room:a".into()), Some("990".to_owned()));
        assert_eq!(refs.of(&"room:1".into()), None);
    }
}
