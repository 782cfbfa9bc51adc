//! Settings of streams and of presences, on every kind of stream.

use std::collections::BTreeSet;

use futures::FutureExt;
use phx_client::{
    Channel, Message, Messages, Payload, PresenceConfig, PresenceItem, Socket, StreamItem,
    StreamOptions, StreamOverflow, TopicFilter,
};
use serde_json::{Value, json};

use super::settings_in;
use crate::common::{Net, Peer, settle};

/// What the streams' settings are checked on; each call makes a stream, fills it, and gives back how
/// many frames were read and what the stream holds then.
struct Filled {
    read: u64,
    items: Vec<String>,
}

async fn filled<T>(
    make: impl Fn(&Socket, &Channel, StreamOptions) -> Messages<T>,
    options: StreamOptions,
) -> Filled {
    let mut net = Net::new();
    let (socket, room, peer) = net.joined().await;
    let mut messages = make(&socket, &room, options);
    let before = socket.counters().frames_received;
    send(&peer, 5);
    settle().await;
    let read = socket.counters().frames_received - before;
    let taken = std::iter::from_fn(|| messages.next().now_or_never().flatten());
    let items = taken.map(|item| match item {
        StreamItem::Message(_) => "message".to_owned(),
        StreamItem::Lagged(count) => format!("lagged {count}"),
        _ => "other".to_owned(),
    });
    Filled { read, items: items.collect() }
}

/// Sends messages of a channel, and of a topic without one.
fn send(peer: &Peer, count: u32) {
    for number in 0..count {
        peer.broadcast("n", &json!(number));
        peer.send(&Message::new("other", "n", Payload::json(&number).unwrap()));
    }
}

/// Runs a check for each kind of stream.
macro_rules! on_every_stream {
    ($check:ident) => {
        $check(|_, room, options| room.on_with::<Value>("n", options)).await;
        $check(|_, room, options| room.on_raw_with("n", options)).await;
        $check(|_, room, options| room.messages_with(options)).await;
        $check(|_, room, options| room.incoming_with(options)).await;
        let topic = || TopicFilter::topic("other");
        $check(|socket, _, options| socket.topic_messages_with(topic(), options)).await;
        let prefix = || TopicFilter::prefix("oth");
        $check(|socket, _, options| socket.topic_messages_with(prefix(), options)).await;
    };
}

async fn capacity<T>(make: impl Fn(&Socket, &Channel, StreamOptions) -> Messages<T>) {
    let filled = filled(make, StreamOptions::new().capacity(2)).await;
    assert_eq!(filled.items, ["message", "message"]);
    // Every second frame is for this stream: reading stopped with its second.
    assert!((3..=4).contains(&filled.read), "{}", filled.read);
}

async fn overflow<T>(make: impl Fn(&Socket, &Channel, StreamOptions) -> Messages<T>) {
    for (rule, expected) in [
        (StreamOverflow::DropOldest, ["lagged 3", "message", "message"]),
        (StreamOverflow::DropNewest, ["message", "message", "lagged 3"]),
    ] {
        let filled = filled(&make, StreamOptions::new().capacity(2).overflow(rule)).await;
        assert_eq!((filled.read, &*filled.items), (10, &expected.map(String::from)[..]));
    }
}

#[tokio::test(start_paused = true)]
async fn each_setting_of_a_stream_takes_effect_on_every_stream() {
    on_every_stream!(capacity);
    on_every_stream!(overflow);
    let named = BTreeSet::from(["capacity", "overflow"]);
    assert_eq!(named, settings_in(include_str!("../../../src/messages/item.rs")));
}

/// Returns the changes that a presence yields for these messages.
async fn changes(
    config: PresenceConfig,
    messages: &[(&str, Value)],
) -> Vec<PresenceItem<Value, Value>> {
    let mut net = Net::new();
    let (_socket, room, mut peer) = net.unjoined().await;
    let presence = room.presence_with::<Value, Value>(config).unwrap();
    let mut changes = presence.changes();
    peer.join(&room).await;
    messages.iter().for_each(|(event, payload)| peer.broadcast(event, payload));
    settle().await;
    std::iter::from_fn(|| changes.next().now_or_never().flatten()).collect()
}

#[tokio::test(start_paused = true)]
async fn each_field_of_a_presences_settings_takes_effect() {
    type Change = fn(&mut PresenceConfig);
    type Messages<'a> = &'a [(&'a str, Value)];
    let ann = json!({"ann": {"metas": [{"phx_ref": "1"}]}});
    let two = json!({"ann": {"metas": [{"phx_ref": "1"}, {"phx_ref": "2"}]}});
    let diff = json!({"joins": {"bob": {"metas": [{"phx_ref": "3"}]}}, "leaves": {}});
    let state = "presence_state";
    let after_state = [("s", ann), ("presence_diff", diff.clone())];
    let custom_diff = [(state, json!({})), ("d", diff.clone())];
    let waiting = [("presence_diff", diff.clone()), ("presence_diff", diff)];
    let table: [(&str, Change, Messages<'_>); 5] = [
        ("state_event", |config| config.state_event = "s".into(), &after_state),
        ("diff_event", |config| config.diff_event = "d".into(), &custom_diff),
        ("max_pending_diffs", |config| config.max_pending_diffs = 1, &waiting),
        ("max_metas", |config| config.max_metas = 1, &[(state, two.clone())]),
        ("max_bytes", |config| config.max_bytes = 10, &[(state, two)]),
    ];
    for (name, change, messages) in &table {
        let plain = changes(PresenceConfig::default(), messages).await;
        let mut config = PresenceConfig::default();
        change(&mut config);
        let changed = changes(config, messages).await;
        assert_ne!(format!("{plain:?}"), format!("{changed:?}"), "{name}");
    }
    let source = include_str!("../../../../phx-proto/src/presence/config.rs");
    let fields = source.split_once("pub struct PresenceConfig {").unwrap().1;
    let fields = fields.split_once("\n}").unwrap().0.lines();
    let fields = fields.filter_map(|line| line.strip_prefix("    pub ")?.split(':').next());
    let named = table.iter().map(|(name, ..)| *name);
    assert_eq!(fields.collect::<BTreeSet<_>>(), named.collect());
}
