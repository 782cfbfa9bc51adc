//! The user's types are decoded and dropped without any lock that a handle of the presence takes.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use phx_client::{Presence, PresenceItem, PresenceStatus};
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::common::{Net, settle, soon};

/// Time limit of another thread's wait for a lock. Reached only if the lock is held.
const DEADLINE: Duration = Duration::from_secs(20);

fn state(refs: &[&str]) -> Value {
    let metas: Vec<Value> = refs.iter().map(|phx_ref| json!({ "phx_ref": phx_ref })).collect();
    json!({ "ann": { "metas": metas } })
}

/// Calls all getters of a handle.
fn ask<M: Send + Sync + 'static>(presence: &Presence<M>) -> (usize, PresenceStatus) {
    drop((presence.list(), presence.entry("ann"), presence.changes(), presence.clone()));
    presence.on_sync(|| {}).off();
    (presence.len(), presence.status())
}

#[tokio::test(start_paused = true)]
async fn reading_the_list_waits_for_no_decoding() {
    static DECODING: OnceLock<Sender<()>> = OnceLock::new();
    static ASKED: OnceLock<Mutex<Receiver<()>>> = OnceLock::new();

    struct Slow;
    impl<'de> Deserialize<'de> for Slow {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            IgnoredAny::deserialize(deserializer)?;
            DECODING.get().unwrap().send(()).unwrap();
            let asked = ASKED.get().unwrap().lock().unwrap().recv_timeout(DEADLINE);
            asked.map(|()| Slow).map_err(|_| D::Error::custom("a lock is held"))
        }
    }

    let (decoding, is_decoding) = channel();
    let (asked, was_asked) = channel();
    DECODING.set(decoding).unwrap();
    ASKED.set(Mutex::new(was_asked)).unwrap();
    let mut net = Net::new();
    let (socket, room, mut peer) = net.unjoined().await;
    let presence = room.presence::<Slow>();
    peer.join(&room).await;
    let (other, other_socket) = (presence.clone(), socket.clone());
    let asking = thread::spawn(move || {
        let mut answers = Vec::new();
        while is_decoding.recv_timeout(DEADLINE).is_ok() {
            answers.push(ask(&other));
            assert!(other_socket.is_connected());
            asked.send(()).unwrap();
            if answers.len() == 3 {
                break;
            }
        }
        answers
    });
    peer.broadcast("presence_state", &state(&["1", "2"]));
    settle().await;
    peer.broadcast("presence_diff", &json!({ "joins": state(&["3"]), "leaves": {} }));
    settle().await;
    assert_eq!(presence.status(), PresenceStatus::Synced);
    assert_eq!(presence.entry("ann").unwrap().metas().len(), 3);
    // Until a payload is decoded in full, the list is the one before it.
    let before = (0, PresenceStatus::Pending);
    assert_eq!(asking.join().unwrap(), [before, before, (1, PresenceStatus::Synced)]);
}

#[tokio::test(start_paused = true)]
async fn values_that_go_are_dropped_outside_of_the_locks() {
    static PRESENCE: OnceLock<Presence<Dropped>> = OnceLock::new();
    static DROPS: OnceLock<Sender<bool>> = OnceLock::new();

    struct Dropped;
    impl<'de> Deserialize<'de> for Dropped {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            IgnoredAny::deserialize(deserializer).map(|_| Dropped)
        }
    }
    impl Drop for Dropped {
        fn drop(&mut self) {
            let (answer, answered) = channel();
            thread::spawn(move || answer.send(ask(PRESENCE.get().unwrap())));
            let answered = answered.recv_timeout(DEADLINE).is_ok();
            DROPS.get().unwrap().send(answered).unwrap();
        }
    }

    let (drops, dropped) = channel();
    DROPS.set(drops).unwrap();
    let were_dropped = |count: usize, what: &str| {
        let answers: Vec<bool> = dropped.try_iter().collect();
        assert!(answers.iter().all(|answered| *answered), "a lock is held: {what}");
        assert_eq!(answers.len(), count, "{what}");
    };
    let mut net = Net::new();
    let builder = net.builder().stream_capacity(1);
    let (socket, mut peer) = net.connected_with(builder).await;
    let room = socket.channel("room:a").create().unwrap();
    let presence = room.presence::<Dropped>();
    assert!(PRESENCE.set(presence.clone()).is_ok());
    let mut changes = presence.changes();
    peer.join(&room).await;
    let nobody = json!({});

    peer.broadcast("presence_state", &state(&["1", "2"]));
    settle().await;
    were_dropped(0, "a state");
    let refused =
        json!({ "joins": { "ann": { "metas": [{ "phx_ref": "3" }, {}] } }, "leaves": {} });
    peer.broadcast("presence_diff", &refused);
    settle().await;
    were_dropped(1, "a payload that is refused");
    peer.broadcast("presence_diff", &json!({ "joins": nobody, "leaves": state(&["1"]) }));
    settle().await;
    were_dropped(2, "a leave, and what it says");
    peer.broadcast("presence_diff", &json!({ "joins": state(&["2"]), "leaves": nobody }));
    settle().await;
    were_dropped(1, "a meta that gives way to one of the same ref");
    peer.broadcast("presence_state", &nobody);
    settle().await;
    were_dropped(1, "the list");

    // A full stream drops items, and dropping the stream drops the rest.
    let diff = json!({ "joins": state(&["4"]), "leaves": state(&["4"]) });
    assert!(matches!(soon(changes.next()).await, Some(PresenceItem::Lagged(_))));
    peer.broadcast("presence_diff", &diff);
    settle().await;
    were_dropped(2, "a stream that is full");
    drop(changes);
    settle().await;
    were_dropped(0, "a stream with nothing but the last change");
}

#[tokio::test(start_paused = true)]
async fn a_type_that_panics_while_it_is_decoded_leaves_the_list_incomplete() {
    struct Panics;
    impl<'de> Deserialize<'de> for Panics {
        fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            panic!("a bug");
        }
    }
    let mut net = Net::new();
    let (socket, room, mut peer) = net.unjoined().await;
    let presence = room.presence::<Panics>();
    peer.join(&room).await;
    peer.broadcast("presence_state", &json!({}));
    settle().await;
    assert_eq!(presence.status(), PresenceStatus::Synced);
    peer.broadcast("presence_diff", &json!({ "joins": state(&["1"]), "leaves": {} }));
    settle().await;
    assert_eq!(presence.status(), PresenceStatus::Incomplete);
    assert!(presence.is_empty() && socket.is_connected());
}
