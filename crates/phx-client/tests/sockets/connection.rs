//! Connect, disconnect, reconnect, ping: the state of handles, and the times at which their futures resolve.

use std::time::Duration;

use phx_client::{
    CallError, CloseCause, CloseCode, ConnectCause, ConnectError, ConnectionState, PingError,
};
use serde_json::json;

use crate::common::{Net, settle, soon};

#[tokio::test(start_paused = true)]
async fn connect_waits_through_failed_attempts() {
    let mut net = Net::new();
    let builder = net.builder();
    let (socket, _peer) = tokio::join!(builder.connect(), async {
        net.attempt().await.refuse(CloseCause::io("no route"));
        net.attempt().await.accept()
    });
    assert!(socket.unwrap().is_connected());
}

#[tokio::test(start_paused = true)]
async fn connect_within_says_why_the_last_attempt_failed() {
    let mut net = Net::new();
    let start = tokio::time::Instant::now();
    let (failed, ()) =
        tokio::join!(net.builder().connect_with_timeout(Duration::from_secs(3)), async {
            net.attempt().await.refuse(CloseCause::io("no route"));
            net.attempt().await.refuse(CloseCause::io("no door"));
        });
    assert_eq!(start.elapsed().as_secs(), 3);
    let failed = failed.unwrap_err();
    assert_eq!(
        failed.to_string(),
        "can't connect to ws://server.test/socket/websocket: no connection in time; the last attempt failed: no door"
    );
    assert!(matches!(
        failed,
        ConnectError {
            cause: ConnectCause::TimedOut { last: Some(CloseCause::ConnectFailed { .. }), .. },
            ..
        }
    ));
}

#[tokio::test(start_paused = true)]
async fn a_wait_within_a_time_ends_alone() {
    let mut net = Net::new();
    let socket = net.builder().spawn().unwrap();
    let attempt = net.attempt().await;
    let failed = socket.wait_connected().with_timeout(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(
        failed.to_string(),
        "can't connect to ws://server.test/socket/websocket: no connection in time"
    );
    let (opened, _peer) =
        tokio::join!(socket.wait_connected().with_timeout(Duration::from_secs(1)), async {
            attempt.accept()
        });
    opened.unwrap();
}

#[tokio::test(start_paused = true)]
async fn disconnect_says_code_and_reason_and_connect_comes_back() {
    let mut net = Net::new();
    let (socket, room, mut peer) = net.joined().await;
    let disconnecting = socket.disconnect_with(CloseCode::from_u16(4001), "enough").unwrap();
    assert_eq!(peer.receive_close().await, (CloseCode::from_u16(4001), "enough".to_owned()));
    disconnecting.await;
    assert_eq!(socket.state(), ConnectionState::Closed);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(socket.state(), ConnectionState::Closed);

    let (connected, _peer) = tokio::join!(socket.connect(), async {
        let mut peer = net.attempt().await.accept();
        peer.accept_join().await;
        peer
    });
    connected.unwrap();
    settle().await;
    assert_eq!(room.state(), phx_client::ChannelState::Joined);
}

#[tokio::test(start_paused = true)]
async fn disconnect_is_done_at_once_where_nothing_is_connected() {
    let mut net = Net::new();
    let socket = net.builder().spawn().unwrap();
    net.attempt().await.refuse(CloseCause::io("no route"));
    settle().await;
    assert_eq!(socket.state(), ConnectionState::Waiting);
    let opened = socket.wait_connected();
    socket.disconnect().await;
    socket.disconnect().await;
    let failed = soon(opened).await;
    assert!(matches!(
        failed,
        Err(ConnectError { cause: ConnectCause::Closed(CloseCause::Disconnected), .. })
    ));
    let failed = soon(socket.wait_connected()).await;
    assert!(matches!(
        failed,
        Err(ConnectError { cause: ConnectCause::Closed(CloseCause::Disconnected), .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn a_disconnect_during_an_attempt_ends_both_waits() {
    let mut net = Net::new();
    let socket = net.builder().spawn().unwrap();
    let attempt = net.attempt().await;
    let opened = socket.wait_connected();
    soon(socket.disconnect()).await;
    assert!(matches!(
        soon(opened).await,
        Err(ConnectError { cause: ConnectCause::Closed(CloseCause::Disconnected), .. })
    ));
    attempt.abandoned().await;
}

#[tokio::test(start_paused = true)]
async fn a_disconnect_that_cannot_be_said_does_nothing() {
    let mut net = Net::new();
    let (socket, _peer) = net.connected().await;
    let refused = socket.disconnect_with(CloseCode::GOING_AWAY, "").map(drop).unwrap_err();
    assert!(matches!(refused, CallError::CloseCode { code: 1001, .. }));
    let refused = socket.disconnect_with(CloseCode::NORMAL, &"x".repeat(124)).map(drop);
    assert!(matches!(refused.unwrap_err(), CallError::CloseReasonTooLong { len: 124, .. }));
    assert!(socket.is_connected());
}

#[tokio::test(start_paused = true)]
async fn reconnect_now_ends_a_wait_and_replaces_a_connection() {
    let mut net = Net::new();
    let (socket, mut peer) = net.connected().await;
    peer.close(CloseCause::io("cable"));
    settle().await;
    let start = tokio::time::Instant::now();
    assert!(socket.reconnect_now());
    let mut peer = net.attempt().await.accept();
    settle().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(socket.reconnect_now());
    let _replacement = net.attempt().await.accept();
    peer.receive_close().await;
    settle().await;
    assert!(socket.is_connected());
    socket.disconnect().await;
    assert!(!socket.reconnect_now());
}

#[tokio::test(start_paused = true)]
async fn an_old_transport_that_hangs_is_closed_beside_the_new_one() {
    let mut net = Net::new();
    let (socket, old) = net.connected().await;
    old.hang_on_close();
    assert!(socket.reconnect_now());
    let (_room, mut peer) = (socket.channel("room:a"), net.attempt().await.accept());
    let (room, _) = tokio::join!(socket.channel("room:a").join(), peer.accept_join());
    let room = room.unwrap();
    let push = room.push("post", &json!({})).acknowledged();
    let message = peer.receive().await;
    old.send(&message);
    peer.reply(&message, "ok", &json!({}));
    push.await.unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(socket.is_connected());
}

#[tokio::test(start_paused = true)]
async fn ping_measures_the_round_trip() {
    let mut net = Net::new();
    let (socket, mut peer) = net.connected().await;
    let ping = socket.ping();
    let heartbeat = peer.receive_heartbeat().await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    peer.reply(&heartbeat, "ok", &json!({}));
    assert_eq!(ping.await, Ok(Duration::from_millis(30)));

    let ping = socket.ping();
    peer.close(CloseCause::io("cable"));
    assert_eq!(ping.await, Err(PingError::Disconnected));
    assert_eq!(socket.ping().await, Err(PingError::InvalidState(CallError::NotConnected)));
}

#[tokio::test(start_paused = true)]
async fn many_frames_go_into_one_flush() {
    let (_socket, room, mut peer) = Net::new().joined().await;
    let before = peer.gate.flushes.load(std::sync::atomic::Ordering::SeqCst);
    for n in 0..50 {
        room.push("n", &json!(n)).detach().unwrap();
    }
    settle().await;
    let after = peer.gate.flushes.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(after - before, 1);
    for n in 0..50 {
        assert_eq!(peer.receive().await.payload.decode::<u32>().unwrap(), n);
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_leaves_room_for_other_tasks() {
    const FRAMES: u64 = 20_000;
    let (socket, _room, peer) = Net::new().joined().await;
    let before = socket.counters().frames_received;
    for n in 0..FRAMES {
        peer.broadcast("n", &json!(n));
    }
    let mut turns = 0;
    while socket.counters().frames_received - before < FRAMES {
        tokio::task::yield_now().await;
        turns += 1;
    }
    assert!(turns > FRAMES / 512, "{turns} turns");
}
