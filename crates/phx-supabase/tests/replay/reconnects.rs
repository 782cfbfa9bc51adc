//! The recordings of lost connections, refused attempts, silent servers and crashes: the official clients' times are
//! theirs, and the frames must be the same at ours.

use std::time::Duration;

use phx_client::{Backoff, ConnectionState, StreamItem};
use phx_supabase::{Channel, Client, ClientBuilder, SendError};
use serde_json::{Value, json};

use super::play::Part;
use super::scripts::{notes, whole};

/// Time in which a rejoin must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client whose schedule doesn't wait for the recorded times, and that notices a silent server soon.
fn spawn(builder: ClientBuilder) -> Client {
    let time = Duration::from_millis(100);
    let client = builder.heartbeat_interval(time).spawn(|endpoint| {
        let schedule = Backoff::steps([Duration::from_millis(5)]);
        phx_tokio::socket(endpoint)
            .reconnect(schedule.clone())
            .rejoin(schedule)
            .heartbeat_timeout(Duration::from_millis(100))
    });
    client.unwrap()
}

/// As [`spawn`], for recordings in which heartbeats stay without an answer that isn't their subject.
fn spawn_patient(builder: ClientBuilder) -> Client {
    let client = builder.spawn(|endpoint| {
        let schedule = Backoff::steps([Duration::from_millis(5)]);
        phx_tokio::socket(endpoint).reconnect(schedule.clone()).rejoin(schedule)
    });
    client.unwrap()
}

fn python(part: &Part) -> ClientBuilder {
    part.client().v1().access_token("anon-key")
}

/// Waits for rejoins: gaps of a stream.
async fn rejoins(room: &Channel, count: usize) {
    let mut all = room.broadcasts();
    for _ in 0..count {
        let item = tokio::time::timeout(PATIENCE, all.next()).await.unwrap();
        assert!(matches!(item, Some(StreamItem::Gap)), "{item:?}");
    }
}

#[tokio::test]
async fn a_cut_and_refused_attempts_are_survived() {
    // In theirs what is under way times out after 10 s, and attempts are 1, 2, 5, 10 and 10 s apart.
    let mut part = Part::open("js_drop_reconnect", &[1, 2, 3, 4, 5, 6, 7], whole).await;
    let client = spawn_patient(part.client());
    let room = client.channel("room6").ack(true).create().unwrap();
    let story = async {
        room.join().await.unwrap();
        let (sent, tracked) =
            tokio::join!(room.send("x", &json!({ "n": 1 })), room.track(&json!({ "a": 1 })));
        assert!(matches!(sent, Err(SendError::Push(_))), "{sent:?}");
        assert!(matches!(tracked, Err(SendError::Push(_))), "{tracked:?}");
        rejoins(&room, 1).await;
    };
    let (compared, ()) = tokio::join!(part.play(), story);
    assert_eq!(compared, 4, "the join, a broadcast, a presence, the join");

    let mut part = Part::open("py_drop_reconnect", &[1, 2, 3, 4, 5, 6], whole).await;
    let client = spawn_patient(python(&part));
    let room = client.channel("proom6").create().unwrap();
    let story = async {
        room.join().await.unwrap();
        rejoins(&room, 1).await;
    };
    let (compared, ()) = tokio::join!(part.play(), story);
    assert_eq!(compared, 2);
}

#[tokio::test]
async fn five_refused_attempts_are_not_the_end() {
    // The Python client gives up for good.
    let mut part = Part::open("py_drop_gives_up", &[1, 2, 3, 4, 5, 6], whole).await;
    let client = spawn_patient(python(&part));
    let room = client.channel("proom7").create().unwrap();
    let (compared, joined) = tokio::join!(part.play(), room.join());
    joined.unwrap();
    assert_eq!(compared, 1);
    part.another_attempt().await;
    assert_eq!(room.end(), None);
}

#[tokio::test]
async fn a_refused_key_ends_the_attempts() {
    // Theirs try again: the JavaScript client for ever, the Python client five times.
    for (name, is_js) in [("js_connect_rejected", true), ("py_connect_rejected", false)] {
        let mut part = Part::open(name, &[1], whole).await;
        let builder = if is_js { part.client() } else { python(&part) };
        let client = spawn_patient(builder);
        let (compared, connected) = tokio::join!(part.play(), client.socket().wait_connected());
        let error = connected.unwrap_err().to_string();
        assert!(error.contains("HTTP status 401"), "{error}");
        assert_eq!((compared, client.socket().state()), (0, ConnectionState::Closed), "{name}");
    }
}

#[tokio::test]
async fn closes_by_the_server_are_survived() {
    let mut part = Part::open("py_server_closes", &[1, 2, 3, 4, 5, 6], whole).await;
    let client = spawn_patient(python(&part));
    let room = client.channel("proom8").create().unwrap();
    let mut system = room.system();
    let story = async {
        room.join().await.unwrap();
        rejoins(&room, 5).await;
        let mut said = None;
        while said.is_none() {
            let item = tokio::time::timeout(PATIENCE, system.next()).await.unwrap();
            if let Some(StreamItem::Message(message)) = item {
                said = Some(message);
            }
        }
        // The Python client doesn't know the message of an operator's disconnect.
        assert_eq!(said.unwrap().message, "Server requested disconnect");
    };
    let (compared, ()) = tokio::join!(part.play(), story);
    assert_eq!(compared, 6, "a join on each connection");
}

#[tokio::test]
async fn crashes_are_survived() {
    let mut part = Part::open("py_crashing", &[1], whole).await;
    let client = spawn_patient(python(&part));
    let room = client.channel("crashing").create().unwrap();
    let story = async {
        room.join().await.unwrap();
        rejoins(&room, 2).await;
    };
    let (compared, ()) = tokio::join!(part.play(), story);
    assert_eq!(compared, 3);
}

#[tokio::test]
async fn a_silent_server_is_noticed() {
    // The player answers no heartbeat, as the recorded servers from a time on.
    let mut part = Part::open("js_heartbeat", &[1, 2], whole).await;
    let client = spawn(part.client());
    let room = client.channel("room5").create().unwrap();
    let story = async {
        room.join().await.unwrap();
        rejoins(&room, 1).await;
    };
    let (compared, ()) = tokio::join!(part.play(), story);
    assert_eq!(compared, 2);

    // The Python client looks at no reply, and stays.
    let mut part = Part::open("py_heartbeat", &[1], whole).await;
    let client = spawn(python(&part));
    let room = client.channel("proom5").create().unwrap();
    let (compared, joined) = tokio::join!(part.play(), room.join());
    joined.unwrap();
    assert_eq!(compared, 1);
    part.another_attempt().await;
}

#[tokio::test]
async fn a_join_without_an_answer_is_left_and_tried_again() {
    let mut part = Part::open("js_join_timeout_bare", &[1], whole).await;
    let client = spawn_patient(part.client());
    let builder = client.channel("r").join_timeout(Duration::from_millis(50));
    let room = builder.create().unwrap();
    let (compared, joined) = tokio::join!(part.play(), room.join());
    assert!(joined.unwrap_err().to_string().contains("in time"));
    assert_eq!(compared, 6, "three joins and three leaves");
}

#[tokio::test]
async fn binary_frames_of_phoenix_break_nothing() {
    // Theirs throw at each; with the package `ws` they receive nothing any more.
    for (name, channel) in [("js_kind2_native_websocket", "nat1"), ("js_kind2_ws_package", "nat2")]
    {
        let mut part = Part::open(name, &[1], whole).await;
        let client = spawn_patient(part.client());
        let room = client.channel(channel).create().unwrap();
        let mut all = room.broadcasts();
        let story = async {
            room.join().await.unwrap();
            let expected: Value = notes(name, "got ").remove(0);
            for malformed_before in [false, true, false] {
                let mut item = all.next().await;
                if malformed_before {
                    assert!(matches!(item, Some(StreamItem::Malformed(_))), "{item:?}");
                    item = all.next().await;
                }
                let Some(StreamItem::Message(broadcast)) = item else { panic!("{item:?}") };
                assert_eq!(broadcast.payload.decode::<Value>().unwrap(), expected["payload"]);
            }
        };
        let (compared, ()) = tokio::join!(part.play(), story);
        assert_eq!(compared, 1, "{name}");
    }
}

#[tokio::test]
async fn what_is_sent_while_away_comes_in_order() {
    let name = "py_push_while_away";
    let mut part = Part::open(name, &[1, 2, 3, 4], whole).await;
    let client = spawn_patient(python(&part));
    let builder = client.channel("proom12").broadcast_self(true).ack(true);
    let room = builder.presence_key("py").create().unwrap();
    let mut all = room.broadcasts();
    let story = async {
        room.join().await.unwrap();
        let lost = room.send("inflight", &json!({ "n": 0 })).await;
        assert!(matches!(lost, Err(SendError::Push(_))), "at once: {lost:?}");
        let away: Vec<_> = (0..120).map(|n| room.send("away", &json!({ "n": n }))).collect();
        let tracked = room.track(&json!({ "n": 1 }));
        for sending in away {
            sending.await.unwrap();
        }
        tracked.await.unwrap();
        assert!(matches!(all.next().await, Some(StreamItem::Gap)));
        for expected in notes(name, "got broadcast ") {
            let Some(StreamItem::Message(broadcast)) = all.next().await else { panic!() };
            assert_eq!(broadcast.payload.decode::<Value>().unwrap(), expected["payload"]);
        }
    };
    let (compared, ()) = tokio::join!(part.play(), story);
    assert_eq!(compared, 124, "two joins, a lost broadcast, 120 and a presence");
}
