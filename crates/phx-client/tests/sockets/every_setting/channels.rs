//! Settings of a channel and of its calls, on every path to a join.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use phx_client::{
    BoxFuture, Channel, ChannelBuilder, CloseCause, JoinCause, JoinError, LeaveCause, Payload,
    PushCause, PushError, Socket,
};
use serde_json::{Value, json};

use super::{THREE, settings_in, time_of};
use crate::common::{Net, soon};

/// A path from a builder to a joined channel.
#[derive(Clone, Copy, Debug)]
enum Path {
    /// The order that the docs recommend: streams and hooks first.
    CreateThenJoin,
    Join,
    /// By a clone of the handle.
    CreateThenJoinClone,
    /// By a handle from `get_channel`.
    CreateThenJoinExisting,
    ReplaceThenJoin,
    ReplaceByJoin,
}

const PATHS: [Path; 6] = [
    Path::CreateThenJoin,
    Path::Join,
    Path::CreateThenJoinClone,
    Path::CreateThenJoinExisting,
    Path::ReplaceThenJoin,
    Path::ReplaceByJoin,
];

impl Path {
    async fn join(
        self,
        socket: &Socket,
        change: impl FnOnce(ChannelBuilder) -> ChannelBuilder,
    ) -> Result<Channel, JoinError> {
        let builder = change(socket.channel("room:a"));
        let _old = match self {
            Path::ReplaceThenJoin | Path::ReplaceByJoin => Some(socket.channel("room:a").create()?),
            _ => None,
        };
        match self {
            Path::Join => builder.join().await,
            Path::ReplaceByJoin => builder.replace().join().await,
            Path::CreateThenJoin => {
                let room = builder.create()?;
                room.join().await.map(|_| room)
            }
            Path::ReplaceThenJoin => {
                let room = builder.replace().create()?;
                room.join().await.map(|_| room)
            }
            Path::CreateThenJoinClone => {
                let room = builder.create()?;
                room.clone().join().await.map(|_| room)
            }
            Path::CreateThenJoinExisting => {
                let room = builder.create()?;
                socket.get_channel("room:a").unwrap().join().await.map(|_| room)
            }
        }
    }
}

type Check = fn(Path) -> BoxFuture<()>;

#[rustfmt::skip]
const TABLE: &[(&str, Check)] = &[
    ("params", |path| Box::pin(async move {
        let sent = params_of_joins(path, |builder| builder.params(&json!({"a": 1}))).await;
        assert_eq!(sent, [json!({"a": 1}), json!({"a": 1})]);
    })),
    ("params_with", |path| Box::pin(async move {
        let made = Arc::new(AtomicU32::new(0));
        let make = move || {
            let number = made.fetch_add(1, Ordering::SeqCst);
            async move { Ok(Payload::json(&number)?) }
        };
        let sent = params_of_joins(path, |builder| builder.params_with(make)).await;
        assert_eq!(sent, [json!(0), json!(1)]);
    })),
    ("join_timeout", |path| Box::pin(async move {
        let mut net = Net::new();
        let (socket, _peer) = net.connected().await;
        let joining = path.join(&socket, |builder| builder.join_timeout(THREE));
        let (joined, time) = time_of(joining).await;
        assert!(matches!(joined, Err(JoinError { cause: JoinCause::TimedOut, .. })), "{joined:?}");
        assert_eq!(time, THREE);
    })),
    ("replace", |path| Box::pin(async move {
        let mut net = Net::new();
        let (socket, mut peer) = net.connected().await;
        let old = socket.channel("room:a").create().unwrap();
        let refused = path.join(&socket, |builder| builder);
        if !matches!(path, Path::ReplaceThenJoin | Path::ReplaceByJoin) {
            let refused = soon(refused).await;
            assert!(matches!(refused, Err(JoinError { cause: JoinCause::InvalidState(_), .. })), "{refused:?}");
            let joining = path.join(&socket, ChannelBuilder::replace);
            let (joined, _) = tokio::join!(joining, peer.accept_join());
            assert_eq!(joined.unwrap().topic(), "room:a");
            assert!(old.close_cause().is_some());
        }
    })),
];

/// Returns the params of a join, and of the rejoin after a lost connection.
async fn params_of_joins(
    path: Path,
    change: impl FnOnce(ChannelBuilder) -> ChannelBuilder,
) -> [Value; 2] {
    let mut net = Net::new();
    let (socket, mut peer) = net.connected().await;
    let (room, join) = tokio::join!(path.join(&socket, change), peer.accept_join());
    let _room = room.unwrap();
    peer.close(CloseCause::io("cable"));
    let mut peer = net.attempt().await.accept();
    let rejoin = peer.accept_join().await;
    [join, rejoin].map(|join| join.payload.decode().unwrap())
}

#[tokio::test(start_paused = true)]
async fn each_setting_of_a_channel_takes_effect_on_every_path() {
    for (name, check) in TABLE {
        for path in PATHS {
            println!("{name} by {path:?}");
            check(path).await;
        }
    }
}

#[test]
fn the_table_of_a_channels_settings_is_complete() {
    let named: BTreeSet<&str> = TABLE.iter().map(|(name, _)| *name).collect();
    assert_eq!(named, settings_in(include_str!("../../../src/channel/builder.rs")));
}

#[tokio::test(start_paused = true)]
async fn a_rejoin_waits_as_long_as_the_join_did() {
    for path in PATHS {
        let mut net = Net::new();
        let builder = net.builder().rejoin_policy(phx_client::RejoinPolicy::always());
        let (socket, mut peer) = net.connected_with(builder).await;
        let joining = path.join(&socket, |builder| builder.join_timeout(THREE));
        let (room, _) = tokio::join!(joining, peer.accept_join());
        let _room = room.unwrap();
        peer.close(CloseCause::io("cable"));
        let mut peer = net.attempt().await.accept();
        assert_eq!(&*peer.receive().await.event, "phx_join", "{path:?}");
        let (left, time) = time_of(peer.receive()).await;
        assert_eq!((&*left.event, time), ("phx_leave", THREE), "{path:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_call_says_counts_more_than_what_was_set() {
    let minute = Duration::from_secs(60);
    let mut net = Net::new();
    let builder = net.builder().push_timeout(minute).join_timeout(minute).leave_timeout(minute);
    let (socket, mut peer) = net.connected_with(builder).await;
    let room = socket.channel("room:b").join_timeout(minute).create().unwrap();
    let (joined, time) = time_of(room.join_with_timeout(THREE)).await;
    assert!(matches!(joined, Err(JoinError { cause: JoinCause::TimedOut, .. })), "{joined:?}");
    assert_eq!(time, THREE);
    drop(room);
    while peer.try_receive().is_some() {}

    let room = socket.channel("room:a").create().unwrap();
    peer.join(&room).await;
    let (pushed, time) = time_of(room.push_with_timeout::<Value>(THREE, "a", &json!({}))).await;
    assert!(matches!(pushed, Err(PushError { cause: PushCause::TimedOut, .. })), "{pushed:?}");
    assert_eq!(time, THREE);
    let (left, time) = time_of(room.leave_with_timeout(THREE)).await;
    assert_eq!((left.unwrap_err().cause, time), (LeaveCause::TimedOut, THREE));
}
