//! What the user of each recording does, and must see.

use phx_client::{ChannelState, StreamItem};
use phx_conformance::recordings::{Fact, Line, Recording, Side};
use phx_supabase::{
    Broadcast, Change, ChannelEnd, JoinCause, NoNewToken, PostgresChanges, SendError,
};
use serde_json::{Value, json};

use super::play::Part;

/// Nothing ends the part but the recording.
pub(crate) fn whole(_: &Line) -> bool {
    false
}

/// A frame of this side that holds the text.
fn says(side: Side, text: &'static str) -> impl Fn(&Line) -> bool {
    move |line| {
        let frame =
            line.frame().map(|frame| String::from_utf8_lossy(frame.as_bytes()).into_owned());
        line.from == side && frame.is_some_and(|frame| frame.contains(text))
    }
}

fn sends(text: &'static str) -> impl Fn(&Line) -> bool {
    says(Side::Client, text)
}

/// The second join.
fn of_another_join() -> impl FnMut(&Line) -> bool {
    let (is_join, mut joins) = (sends("phx_join"), 0);
    move |line| {
        joins += u32::from(is_join(line));
        joins == 2
    }
}

/// The recording's notes that begin so, the rest read as JSON.
pub(crate) fn notes(name: &str, start: &str) -> Vec<Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/transcripts");
    let recording = Recording::open_in(folder.as_ref(), name).unwrap();
    let notes = recording.lines.iter().filter_map(|line| match &line.fact {
        Fact::Note { text } => serde_json::from_str(text.strip_prefix(start)?).ok(),
        _ => None,
    });
    notes.collect()
}

#[tokio::test]
async fn joins() {
    for name in ["js_connect_join", "js_connect_join_plain"] {
        let mut part = Part::open(name, &[1], whole).await;
        let client = part.client().spawn(phx_tokio::socket).unwrap();
        let builder = client.channel("room1").broadcast_self(name == "js_connect_join");
        let room = builder.create().unwrap();
        let (compared, joined) = tokio::join!(part.play(), room.join());
        joined.unwrap();
        assert_eq!(compared, 1, "{name}");
    }
    let mut part = Part::open("py_connect_join", &[1], whole).await;
    let client = part.client().v1().access_token("anon-key").spawn(phx_tokio::socket).unwrap();
    let room = client.channel("proom1").create().unwrap();
    let (compared, joined) = tokio::join!(part.play(), room.join());
    joined.unwrap();
    assert_eq!(compared, 1);
}

#[tokio::test]
async fn broadcasts_sent() {
    let mut part = Part::open("js_broadcast_send", &[1], whole).await;
    let client = part.client().spawn(phx_tokio::socket).unwrap();
    let room = client.channel("send1").broadcast_self(true).ack(true).create().unwrap();
    let mut own = room.broadcasts();
    let story = async {
        room.join().await.unwrap();
        for payload in [json!({ "x": 1 }), json!(null), json!({ "0": 1, "1": 2, "2": 255 })] {
            match payload.is_null() {
                true => room.send_bytes("cursor", vec![1, 2, 255]).await.unwrap(),
                false => room.send("cursor", &payload).await.unwrap(),
            }
        }
        room.send("ping", &json!({})).await.unwrap();
        room.send("s", "hé").await.unwrap();
        room.send("ü✓", &json!({})).await.unwrap();
        room.send("cursor", &json!({ "x": 1 })).await.unwrap();
        let long = room.send("e".repeat(256), &json!({})).await;
        assert!(matches!(long, Err(SendError::Encode(_))), "{long:?}");
        let mut events = Vec::new();
        for _ in 0..7 {
            let Some(StreamItem::Message(broadcast)) = own.next().await else { panic!() };
            events.push(broadcast.event.to_string());
        }
        assert_eq!(events, ["cursor", "cursor", "cursor", "ping", "s", "ü✓", "cursor"]);
    };
    let (compared, ()) = tokio::join!(part.play(), story);
    assert_eq!(compared, 8);
}

fn seen(broadcast: &Broadcast) -> Value {
    let payload = match broadcast.payload.is_binary() {
        true => json!(format!("ArrayBuffer({})", broadcast.payload.len())),
        false => broadcast.payload.decode().unwrap(),
    };
    let mut seen = json!({ "type": "broadcast", "event": &*broadcast.event, "payload": payload });
    if let Some(meta) = &broadcast.meta {
        seen["meta"] = meta.decode().unwrap();
    }
    seen
}

#[tokio::test]
async fn broadcasts_received() {
    let name = "js_broadcast_receive";
    let mut part = Part::open(name, &[1], whole).await;
    let client = part.client().spawn(phx_tokio::socket).unwrap();
    let room = client.channel("room2").create().unwrap();
    let mut stream = room.broadcasts();
    let story = async {
        room.join().await.unwrap();
        let expected = notes(name, "got broadcast ");
        assert_eq!(expected.len(), 6);
        for expected in &expected {
            let Some(StreamItem::Message(broadcast)) = stream.next().await else { panic!() };
            assert_eq!(seen(&broadcast), *expected);
        }
        // A frame of kind 2 is no broadcast of a user, and the next one comes.
        let item = stream.next().await;
        assert!(matches!(item, Some(StreamItem::Malformed(_))), "{item:?}");
        let Some(StreamItem::Message(broadcast)) = stream.next().await else { panic!() };
        assert_eq!(seen(&broadcast), expected[0]);
    };
    let (compared, ()) = tokio::join!(part.play(), story);
    assert_eq!(compared, 1);
}

#[tokio::test]
async fn tokens() {
    let mut part = Part::open("js_access_token", &[1, 2], sends("expired1")).await;
    let client = part.client().access_token("tok1").spawn(phx_tokio::socket).unwrap();
    let room = client.channel("room4").create().unwrap();
    let story = async {
        room.join().await.unwrap();
        client.set_auth("tok2");
        client.set_auth("tok2");
    };
    let (compared, ()) = tokio::join!(part.play(), story);
    assert_eq!(compared, 3, "the join, the token once, and the join with it");
}

#[tokio::test]
async fn presences() {
    for (name, channel, calls) in [("js_presence", "room3", 5), ("py_presence", "proom3", 4)] {
        let is_js = name.starts_with("js");
        // The call that isn't sent, and its answer.
        let is_number = |line: &Line| sends("\"payload\":5")(line);
        let mut part = Part::open(name, &[1], is_number).await;
        let builder = part.client();
        let builder = if is_js { builder } else { builder.v1().access_token("anon-key") };
        let client = builder.spawn(phx_tokio::socket).unwrap();
        let room = client.channel(channel).presence_key("ann").create().unwrap();
        let presence = room.presence::<Value>().unwrap();
        let story = async {
            room.join().await.unwrap();
            room.track(&json!({ "a": 1 })).await.unwrap();
            room.track(&json!({ "a": 2 })).await.unwrap();
            if is_js {
                room.track(&json!({ "a": 2 })).await.unwrap();
                let refused = room.track(&5).await;
                assert!(matches!(refused, Err(SendError::NotAnObject)), "{refused:?}");
                assert_eq!(presence.len(), 2, "ann and bob");
            } else {
                room.untrack().await.unwrap();
            }
        };
        let (compared, ()) = tokio::join!(part.play(), story);
        assert_eq!(compared, if is_js { 4 } else { calls }, "{name}");
    }
}

#[tokio::test]
async fn changes_of_rows() {
    let name = "js_postgres_changes";
    let mut part = Part::open(name, &[1], says(Side::Server, "Unable to subscribe")).await;
    let client = part.client().spawn(phx_tokio::socket).unwrap();
    let room = client.channel("room10").create().unwrap();
    let wanted = [
        PostgresChanges::insert().table("msgs").filter("id=gt.1"),
        PostgresChanges::all().table("msgs"),
        PostgresChanges::all().table("msgs").filter(""),
    ];
    let mut streams = wanted.map(|wanted| room.on_postgres_changes::<Value>(wanted).unwrap());
    let story = async {
        room.join().await.unwrap();
        room.postgres_ready().await.unwrap();
        for (stream, label) in streams.iter_mut().zip(["INSERT", "*", "dup"]) {
            for expected in notes(name, &format!("got {label} ")) {
                let Some(StreamItem::Message(change)) = stream.next().await else { panic!() };
                assert_eq!(shown(&change), expected);
            }
        }
    };
    let (compared, ()) = tokio::join!(part.play(), story);
    assert_eq!(compared, 1);
}

/// As realtime-js shows it.
fn shown(change: &Change<Value>) -> Value {
    json!({
        "schema": change.schema, "table": change.table,
        "commit_timestamp": change.commit_timestamp,
        "eventType": json!(change.kind),
        "new": change.record.clone().unwrap_or_else(|| json!({})),
        "old": change.old_record.clone().unwrap_or_default(),
        "errors": change.errors,
    })
}

#[tokio::test]
async fn leaves() {
    for (name, channel, next) in
        [("js_unsubscribe", "room7", "room8"), ("py_unsubscribe", "proom9", "proom10")]
    {
        let mut part = Part::open(name, &[1], sends(next)).await;
        let builder = part.client();
        let builder = match name.starts_with("py") {
            true => builder.v1().access_token("anon-key"),
            false => builder,
        };
        let client = builder.spawn(phx_tokio::socket).unwrap();
        let room = client.channel(channel).create().unwrap();
        let story = async {
            room.join().await.unwrap();
            room.leave().await.unwrap();
        };
        let (compared, ()) = tokio::join!(part.play(), story);
        assert_eq!(compared, 2, "{name}");
    }
}

#[tokio::test]
async fn refused_joins() {
    for (name, private) in [("js_join_error", true), ("py_join_error", false)] {
        let mut part = Part::open(name, &[1], of_another_join()).await;
        let builder = part.client();
        let builder = if private { builder } else { builder.v1().access_token("anon-key") };
        let client = builder.spawn(phx_tokio::socket).unwrap();
        let room = client.channel("denied").private(private).create().unwrap();
        let (compared, joined) = tokio::join!(part.play(), room.join());
        let error = joined.unwrap_err();
        let JoinCause::Ended(ChannelEnd::Rejected(rejected)) = &error.cause else {
            panic!("{error:?}");
        };
        assert_eq!(rejected.code.as_deref(), Some("Unauthorized"));
        assert_eq!(room.as_channel().state(), ChannelState::Closed);
        assert_eq!(compared, 1, "{name}");
    }
}

#[tokio::test]
async fn an_expired_token_without_another() {
    for name in ["js_expiring", "py_expiring"] {
        let mut part = Part::open(name, &[1], whole).await;
        let builder = part.client();
        let builder = match name.starts_with("py") {
            true => builder.v1().access_token("anon-key"),
            false => builder,
        };
        let client = builder.spawn(phx_tokio::socket).unwrap();
        let room = client.channel("expiring").create().unwrap();
        let mut stream = room.broadcasts();
        let story = async {
            room.join().await.unwrap();
            assert!(stream.next().await.is_none(), "the channel is closed for good");
            assert!(
                matches!(
                    room.end(),
                    Some(ChannelEnd::TokenExpired { because: NoNewToken::NoFunction, .. })
                ),
                "{:?}",
                room.end()
            );
        };
        let (compared, ()) = tokio::join!(part.play(), story);
        assert_eq!(compared, 1, "{name}");
    }
}
