//! Presence through the handles: list, changes, hooks, and a rejoin.

use futures::FutureExt;
use phx_client::{CloseCause, PresenceChange, PresenceConfig, PresenceItem, PresenceStatus};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::common::{Net, Notes, settle, soon};

#[derive(Deserialize, Debug)]
struct Meta {
    device: String,
}

fn present(keys: &[(&str, &str)]) -> Value {
    let entry = |(key, phx_ref): &(&str, &str)| {
        ((*key).to_owned(), json!({"metas": [{"phx_ref": phx_ref, "device": "phone"}]}))
    };
    Value::Object(keys.iter().map(entry).collect())
}

#[tokio::test(start_paused = true)]
async fn the_list_follows_states_and_diffs() {
    let mut net = Net::new();
    let (_socket, room, mut peer) = net.unjoined().await;
    let presence = room.presence::<Meta>();
    peer.join(&room).await;
    assert_eq!(presence.status(), PresenceStatus::Pending);
    peer.broadcast("presence_state", &present(&[("ann", "1"), ("bob", "2")]));
    settle().await;
    assert_eq!(presence.status(), PresenceStatus::Synced);
    assert_eq!(presence.list_by(|key, _| key.to_owned()), ["ann", "bob"]);
    let diff = json!({"joins": present(&[("cid", "3")]), "leaves": present(&[("ann", "1")])});
    peer.broadcast("presence_diff", &diff);
    settle().await;
    assert_eq!(presence.list_by(|key, _| key.to_owned()), ["bob", "cid"]);
    let devices: Vec<_> =
        presence.entry("cid").unwrap().metas().map(|meta| meta.data().device.clone()).collect();
    assert_eq!(devices, ["phone"]);
    assert_eq!(presence.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn changes_come_as_a_stream_that_ends_with_the_channel() {
    let mut net = Net::new();
    let (socket, room, mut peer) = net.unjoined().await;
    let mut changes = room.presence::<Meta>().changes();
    peer.join(&room).await;
    peer.broadcast("presence_state", &present(&[("ann", "1")]));
    match soon(changes.next()).await {
        Some(PresenceItem::Change(PresenceChange::Joined { key, .. })) => assert_eq!(&*key, "ann"),
        other => panic!("{other:?}"),
    }
    let synced = soon(changes.next()).await;
    assert!(matches!(synced, Some(PresenceItem::Change(PresenceChange::Synced))));
    socket.remove(&room);
    assert!(soon(changes.next()).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn hooks_report_joins_leaves_and_syncs_until_they_are_off() {
    let mut net = Net::new();
    let (_socket, room, mut peer) = net.unjoined().await;
    let presence = room.presence::<Meta>();
    let notes = Notes::default();
    let (joins, leaves, syncs) = (notes.clone(), notes.clone(), notes.clone());
    drop(presence.on_join(move |key, before, _| {
        joins.note(format!("{key} came, new: {}", before.is_none()));
    }));
    drop(presence.on_leave(move |key, after, _| {
        leaves.note(format!("{key} went, {} left", after.metas().len()));
    }));
    let sync = presence.on_sync(move || syncs.note("sync"));
    drop(presence.on_sync(|| panic!("a bug")));
    peer.join(&room).await;
    peer.broadcast("presence_state", &present(&[("ann", "1")]));
    settle().await;
    sync.off();
    peer.broadcast("presence_diff", &json!({"joins": {}, "leaves": present(&[("ann", "1")])}));
    settle().await;
    assert_eq!(notes.taken(), ["ann came, new: true", "sync", "ann went, 0 left"]);
}

#[tokio::test(start_paused = true)]
async fn a_rejoin_shows_nobody_who_is_gone() {
    let mut net = Net::new();
    let (_socket, room, mut peer) = net.unjoined().await;
    let presence = room.presence::<Meta>();
    peer.join(&room).await;
    // This diff waits for a state that never comes: it belongs to the old join.
    peer.broadcast("presence_diff", &json!({"joins": present(&[("ghost", "1")]), "leaves": {}}));
    settle().await;
    peer.close(CloseCause::io("cable"));
    let mut peer = net.attempt().await.accept();
    peer.accept_join().await;
    peer.broadcast("presence_state", &present(&[("ann", "2")]));
    settle().await;
    assert_eq!(presence.list_by(|key, _| key.to_owned()), ["ann"]);
}

#[tokio::test(start_paused = true)]
async fn a_closed_channel_has_no_list_that_is_the_servers() {
    let (_socket, room, mut peer) = Net::new().unjoined().await;
    let presence = room.presence::<Value>();
    peer.join(&room).await;
    peer.broadcast("presence_state", &json!({ "ann": { "metas": [{ "phx_ref": "1" }] } }));
    settle().await;
    assert_eq!(presence.status(), PresenceStatus::Synced);
    peer.leave(&room).await;
    settle().await;
    assert_eq!(presence.status(), PresenceStatus::Pending);
}

#[tokio::test(start_paused = true)]
async fn lost_messages_make_the_list_uncertain_until_the_next_state() {
    let mut net = Net::new();
    let (socket, room, mut peer) = net.unjoined().await;
    let presence = room.presence::<Meta>();
    let mut changes = presence.changes();
    peer.join(&room).await;
    peer.broadcast("presence_state", &present(&[("ann", "1")]));
    for _ in 0..2 {
        assert!(matches!(soon(changes.next()).await, Some(PresenceItem::Change(_))));
    }
    for _ in 0..2 {
        peer.gap();
    }
    assert!(matches!(soon(changes.next()).await, Some(PresenceItem::Gap)));
    settle().await;
    assert_eq!(presence.status(), PresenceStatus::Incomplete);
    assert_eq!(presence.len(), 1, "what is known stays");
    peer.broadcast("presence_state", &present(&[("bob", "2")]));
    settle().await;
    assert_eq!(presence.status(), PresenceStatus::Synced);
    let mut gaps = 0;
    while let Some(item) = changes.next().now_or_never().flatten() {
        gaps += u32::from(matches!(item, PresenceItem::Gap));
    }
    assert!(gaps <= 1, "{gaps}");
    // Without the list nothing listens any more.
    drop((changes, presence));
    peer.gap();
    settle().await;
    assert!(socket.is_connected());
}

#[tokio::test(start_paused = true)]
async fn a_payload_of_another_shape_changes_nothing_and_is_reported() {
    let mut net = Net::new();
    let (_socket, room, mut peer) = net.unjoined().await;
    let presence = room.presence::<Meta>();
    let mut changes = presence.changes();
    peer.join(&room).await;
    peer.broadcast("presence_state", &json!({"ann": {"metas": [{"phx_ref": "1"}]}}));
    assert!(matches!(soon(changes.next()).await, Some(PresenceItem::Refused(_))));
    assert_eq!(presence.status(), PresenceStatus::Incomplete);
    assert!(presence.is_empty());
}

#[tokio::test(start_paused = true)]
async fn event_names_and_what_stands_beside_the_metas_are_ones_own() {
    #[derive(Deserialize)]
    struct Extra {
        user: String,
    }
    let mut net = Net::new();
    let (_socket, room, mut peer) = net.unjoined().await;
    let mut config = PresenceConfig::default();
    config.state_event = "players".into();
    config.diff_event = "players_diff".into();
    let presence = room.presence_with::<Value, Extra>(config).unwrap();
    peer.join(&room).await;
    peer.broadcast("players", &json!({"1": {"metas": [{"phx_ref": "1"}], "user": "Ann"}}));
    settle().await;
    assert_eq!(presence.list_by(|_, entry| entry.extra().user.clone()), ["Ann"]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_stream_of_changes_lags_and_the_list_is_right() {
    let mut net = Net::new();
    let builder = net.builder().stream_capacity(2);
    let (socket, mut peer) = net.connected_with(builder).await;
    let room = socket.channel("room:a").create().unwrap();
    let presence = room.presence::<Meta>();
    let mut changes = presence.changes();
    peer.join(&room).await;
    peer.broadcast("presence_state", &present(&[("ann", "1"), ("bob", "2"), ("cid", "3")]));
    settle().await;
    assert!(matches!(soon(changes.next()).await, Some(PresenceItem::Lagged(2))));
    match soon(changes.next()).await {
        Some(PresenceItem::Change(PresenceChange::Joined { key, .. })) => assert_eq!(&*key, "cid"),
        other => panic!("{other:?}"),
    }
    assert_eq!(presence.len(), 3);
}
