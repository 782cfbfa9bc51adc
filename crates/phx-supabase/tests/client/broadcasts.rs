//! Broadcasts: both ways, JSON and bytes, with metadata, in frames and in text.

use phx_client::{Payload, PushCause, StreamItem};
use phx_supabase::testing::{self, RealtimeServer, StoredBroadcast};
use phx_supabase::{Broadcast, Persist, SendError, USER_BROADCAST};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::common::{KEY, Log, Project, SECOND, message};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Cursor {
    x: u32,
}

#[test]
fn each_sees_what_the_other_sends() {
    let project = Project::new();
    project.run(async {
        let ann = project.room().await;
        let bob = project.client().channel("room").create().unwrap();
        let mut cursors = bob.on_broadcast::<Cursor>("cursor");
        let mut raw = bob.on_broadcast_raw("blob");
        let mut all = bob.broadcasts();
        bob.join().await.unwrap();
        let mut own = ann.on_broadcast::<Cursor>("cursor");

        ann.send("cursor", &Cursor { x: 1 }).await.unwrap();
        ann.send_bytes("blob", &b"\x01\x02\xff"[..]).await.unwrap();
        // Without `ack` it is over once the transport has it.
        bob.send("cursor", &Cursor { x: 2 }).await.unwrap();

        assert_eq!(message(project.soon(cursors.next()).await).payload, Cursor { x: 1 });
        let blob = message(project.soon(raw.next()).await);
        assert_eq!(
            (&*blob.event, blob.payload.as_bytes().as_ref()),
            ("blob", &b"\x01\x02\xff"[..])
        );
        assert!(blob.payload.is_binary() && blob.meta.is_none());
        for event in ["cursor", "blob"] {
            assert_eq!(*message(project.soon(all.next()).await).event, *event);
        }
        for x in [1, 2] {
            assert_eq!(message(project.soon(own.next()).await).payload, Cursor { x });
        }
    });
}

#[test]
fn metadata_comes_with_frames_and_with_text() {
    let project = Project::new();
    project.run(async {
        let room = project.room().await;
        let mut cursors = room.on_broadcast::<Cursor>("cursor");
        let mut all = room.broadcasts();
        let broadcast = Broadcast::new("cursor", Payload::json(&json!({ "x": 2 })).unwrap())
            .with_meta(Payload::json(&json!({ "id": "an-id", "replayed": true })).unwrap());
        project.link.with_server(|server, now| {
            testing::broadcast(server, now, "realtime:room", &broadcast);
            let text = json!({
                "type": "broadcast", "event": "cursor", "payload": { "x": 3 }, "meta": { "id": "b" }
            });
            server.broadcast(now, "realtime:room", "broadcast", Payload::json(&text).unwrap());
            let bare = Payload::json(&json!({ "event": "cursor" })).unwrap();
            server.broadcast(now, "realtime:room", "broadcast", bare);
            server.broadcast(now, "realtime:room", "broadcast", Payload::json(&5).unwrap());
        });
        let first = message(project.soon(cursors.next()).await);
        assert_eq!((first.id().as_deref(), first.is_replayed()), (Some("an-id"), true));
        assert_eq!(first.payload, Cursor { x: 2 });
        let second = message(project.soon(cursors.next()).await);
        assert_eq!((second.id().as_deref(), second.is_replayed()), (Some("b"), false));
        assert_eq!(second.payload, Cursor { x: 3 });
        let third = project.soon(cursors.next()).await;
        assert!(matches!(third, Some(StreamItem::Malformed(_))), "no cursor: {third:?}");
        for _ in 0..2 {
            message(project.soon(all.next()).await);
        }
        assert_eq!(message(project.soon(all.next()).await).payload, Payload::empty());
        let fourth = project.soon(all.next()).await;
        assert!(matches!(fourth, Some(StreamItem::Malformed(_))), "no broadcast: {fourth:?}");
    });
}

#[test]
fn names_are_checked_before_sending() {
    let project = Project::new();
    project.run(async {
        let room = project.room().await;
        let error = room.send("e".repeat(256), &1).await.unwrap_err();
        let SendError::Encode(error) = error else { panic!("{error}") };
        assert_eq!(error.to_string(), "the event has 256 bytes; a binary frame has room for 255");
        let meta = Payload::json(&"m".repeat(254)).unwrap();
        let broadcast = Broadcast::new("e", Payload::empty()).with_meta(meta);
        let error = broadcast.to_payload().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the metadata has 256 bytes; a binary frame has room for 255"
        );
        room.send("e".repeat(255), &1).await.unwrap();

        let long = project.client().channel("n".repeat(250)).create().unwrap();
        long.join().await.unwrap();
        let SendError::Push(error) = long.send("e", &1).await.unwrap_err() else { panic!() };
        assert!(error.to_string().contains("the topic has 259 bytes"), "{error}");
    });
}

#[test]
fn only_private_channels_store() {
    let project = Project::new();
    project.run(async {
        let room = project.room().await;
        let refused = room.send_stored("e", &1, Persist::Default).await;
        assert!(matches!(refused, Err(SendError::NotPrivate)));
        let private = project.client().channel("safe").private(true).ack(true).create().unwrap();
        private.join().await.unwrap();
        let ttl = std::time::Duration::from_secs(60);
        private.send_stored("e", &1, Persist::For(ttl)).await.unwrap();
    });
}

#[test]
fn vsn_1_has_text_and_no_bytes() {
    let project = Project::new();
    project.run(async {
        let room = project.room().await;
        let mut all = room.broadcasts();
        let old = project.spawn(Project::builder().v1()).channel("room").create().unwrap();
        let mut cursors = old.on_broadcast::<Cursor>("cursor");
        old.join().await.unwrap();
        room.send("cursor", &Cursor { x: 1 }).await.unwrap();
        assert_eq!(message(project.soon(cursors.next()).await).payload, Cursor { x: 1 });
        message(project.soon(all.next()).await);
        old.send("cursor", &Cursor { x: 2 }).await.unwrap();
        let sent = message(project.soon(all.next()).await);
        assert_eq!(sent.payload.decode::<Value>().unwrap(), json!({ "x": 2 }));
        let SendError::Push(error) = old.send_bytes("blob", "b").await.unwrap_err() else {
            panic!()
        };
        assert!(matches!(error.cause, PushCause::InvalidState(_)), "{error}");
        assert!(error.to_string().contains("1.0.0 can't carry binary payloads"), "{error}");
    });
}

#[test]
fn a_payload_that_was_not_made_here_is_refused() {
    let project = Project::new();
    project.run(async {
        let room = project.room().await;
        for payload in [Payload::empty(), Payload::binary(""), Payload::binary("\u{4}\u{9}")] {
            let refused = room.as_channel().push::<()>(USER_BROADCAST, payload).await.unwrap_err();
            assert!(refused.to_string().contains("isn't a broadcast"), "{refused}");
        }
    });
}

#[test]
fn stored_broadcasts_are_replayed_after_every_join() {
    let stored = |id: &str, seconds: u64, x: u32| StoredBroadcast {
        channel: "safe".to_owned(),
        id: id.to_owned(),
        inserted_at: seconds * 1000,
        broadcast: Broadcast::new("cursor", Payload::json(&Cursor { x }).unwrap()),
    };
    let server = RealtimeServer::new(KEY)
        .stored(stored("old", 9, 0))
        .stored(stored("a", 10, 1))
        .stored(stored("b", 11, 2))
        .stored(stored("c", 12, 3));
    let project = Project::of(server);
    project.run(async {
        let since = std::time::SystemTime::UNIX_EPOCH + SECOND * 10;
        let builder = project.client().channel("safe").private(true).ack(true);
        let safe = builder.replay(since, Some(2)).create().unwrap();
        let mut cursors = safe.on_broadcast::<Cursor>("cursor");
        safe.join().await.unwrap();
        let mut next = async || {
            let cursor = message(project.soon(cursors.next()).await);
            (cursor.id(), cursor.is_replayed(), cursor.payload.x)
        };
        for (id, x) in [("b", 2), ("c", 3)] {
            assert_eq!(next().await, (Some(id.to_owned()), true, x));
        }
        project.link.with_server(|server, now| {
            let payload = Payload::json(&Cursor { x: 4 }).unwrap();
            let topic = "realtime-private:safe";
            testing::broadcast(server, now, topic, &Broadcast::new("cursor", payload));
        });
        assert_eq!(next().await, (None, false, 4));
        project.link.cut();
        let gap = project.soon(cursors.next()).await;
        assert!(matches!(gap, Some(StreamItem::Gap)), "{gap:?}");
        // The same ids as before: a program knows what it has seen.
        for id in ["b", "c"] {
            assert_eq!(message(project.soon(cursors.next()).await).id().as_deref(), Some(id));
        }

        // Without a limit the server's, which is more than there are.
        let all = project.client().channel("safe").private(true).replay(since, None).create();
        let all = all.unwrap();
        let mut cursors = all.broadcasts();
        all.join().await.unwrap();
        for id in ["a", "b", "c"] {
            assert_eq!(message(project.soon(cursors.next()).await).id().as_deref(), Some(id));
        }
    });
}

#[test]
fn a_public_channel_has_no_replay_and_says_why() {
    let project = Project::new();
    project.run(async {
        let builder = project.client().channel("room");
        let room = builder.replay(std::time::SystemTime::UNIX_EPOCH, None).create().unwrap();
        let error = room.join().await.unwrap_err();
        let said = "UnableToReplayMessages: Replay is not allowed for public channels";
        assert!(error.to_string().contains(said), "{error}");
        assert!(room.end().is_some(), "another try would end the same way");
    });
}

#[test]
fn private_and_public_channels_of_a_name_are_two_rooms() {
    let project = Project::new();
    project.run(async {
        let heard = Log::new();
        let mut rooms = Vec::new();
        for private in [false, true] {
            let room = project.client().channel("room").private(private).ack(true).create();
            let room = room.unwrap();
            let log = heard.clone();
            let _ = room.as_channel().on_event("broadcast:user", move |_| log.add(private));
            room.join().await.unwrap();
            rooms.push(room);
        }
        for private in [false, true] {
            let other = project.client().channel("room").private(private).ack(true).create();
            let other = other.unwrap();
            other.join().await.unwrap();
            other.send("e", &1).await.unwrap();
        }
        project.seconds(1).await;
        assert_eq!(heard.all(), [false, true], "each from its own room");
    });
}
