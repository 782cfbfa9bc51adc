//! Unread answers are limited in bytes, dropped ones are reported, and answers that can't be read any more are freed.

use allocation_counter::{AllocationInfo, measure};
use phx_client::{
    Channel, ChannelCloseCause, JoinCause, JoinError, Message, PayloadDropped, PushCause,
    PushError, PushReply, Rejection, Reply, Socket, Status,
};
use serde_json::{Value, json};

use crate::common::{Net, Peer, paused, settle, soon};

/// Returns JSON text of this number of bytes.
fn text(bytes: usize) -> Value {
    json!("x".repeat(bytes - 2))
}

async fn limited_to(net: &mut Net, bytes: usize) -> (Socket, Channel, Peer) {
    let builder = net.builder().max_answer_bytes(bytes);
    net.joined_with(builder).await
}

fn push(room: &Channel) -> PushReply {
    room.push("msg", &json!({})).reply()
}

/// Answers the client's last message with this number of bytes, and lets the client receive it.
async fn answer(peer: &mut Peer, status: &str, bytes: usize) -> Message {
    let sent = peer.receive().await;
    peer.reply(&sent, status, &text(bytes));
    settle().await;
    sent
}

#[tokio::test(start_paused = true)]
async fn replies_that_nobody_awaits_are_limited_in_bytes() {
    let mut net = Net::new();
    let (socket, room, mut peer) = limited_to(&mut net, 1_000).await;
    let pushes: Vec<_> = (0..10).map(|_| push(&room)).collect();
    for _ in 0..10 {
        answer(&mut peer, "fine", 300).await;
    }
    let mut kept = 0;
    for push in pushes {
        match soon(push).await {
            Ok(Reply { response, .. }) => kept += response.len(),
            Err(failed @ PushError { cause: PushCause::ReplyDropped { .. }, .. }) => assert_eq!(
                failed.to_string(),
                "push of `msg` to `room:a` failed: the server replied with the status `fine`, and its response of 300 bytes was dropped: too many \
                 replies waited to be read"
            ),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(kept, 3 * 300);
    assert!(socket.is_connected());

    // Answers that are taken or dropped free their bytes.
    let read = push(&room);
    answer(&mut peer, "fine", 900).await;
    assert_eq!(soon(read).await.unwrap().response.len(), 900);
    let forgotten = push(&room);
    answer(&mut peer, "fine", 900).await;
    drop(forgotten);
    let (first, second) = (push(&room), push(&room));
    for _ in 0..2 {
        answer(&mut peer, "fine", 450).await;
    }
    assert!(soon(first).await.is_ok());
    assert!(soon(second).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_needs_no_response() {
    let mut net = Net::new();
    let (_socket, room, mut peer) = limited_to(&mut net, 1_000).await;
    let kept = push(&room);
    answer(&mut peer, "ok", 1_000).await;
    let accepted = room.push("msg", &json!({})).acknowledged();
    answer(&mut peer, "ok", 300).await;
    soon(accepted).await.unwrap();
    let rejected = room.push("msg", &json!({})).acknowledged();
    answer(&mut peer, "error", 300).await;
    let failed = soon(rejected).await.unwrap_err();
    assert!(
        matches!(
            failed,
            PushError {
                cause: PushCause::ReplyDropped { status: Status::Error, len: 300, .. },
                ..
            }
        ),
        "{failed:?}"
    );
    drop(kept);
}

#[tokio::test(start_paused = true)]
async fn join_responses_are_limited_in_bytes() {
    let mut net = Net::new();
    let builder = net.builder().max_answer_bytes(1_000);
    let (socket, mut peer) = net.connected_with(builder).await;
    let mut rooms = Vec::new();
    for number in 0..5 {
        let room = socket.channel(format!("room:{number}")).join();
        let (room, _) = tokio::join!(room, answer(&mut peer, "ok", 300));
        rooms.push(room.expect("joined, whether or not its response is kept"));
    }
    let kept = |room: &Channel| room.join_response().unwrap().map(|response| response.len());
    let dropped = Err(PayloadDropped::new(300));
    let are_kept: Vec<_> = rooms.iter().map(kept).collect();
    assert_eq!(are_kept, [Ok(300), Ok(300), Ok(300), dropped, dropped]);

    // A removed channel frees its bytes.
    rooms.remove(0);
    peer.receive().await;
    let room = socket.channel("room:new").join();
    let (room, _) = tokio::join!(room, answer(&mut peer, "ok", 300));
    assert_eq!(kept(&room.unwrap()), Ok(300));
}

#[tokio::test(start_paused = true)]
async fn joins_that_nobody_awaits_are_limited_in_bytes() {
    let mut net = Net::new();
    let (socket, _room, mut peer) = limited_to(&mut net, 1_000).await;
    let mut joins = Vec::new();
    for number in 0..4 {
        let room = socket.channel(format!("room:{number}")).create().unwrap();
        joins.push((room.join(), room));
        let status = if number == 2 { "error" } else { "ok" };
        answer(&mut peer, status, 600).await;
    }
    let mut outcomes = Vec::new();
    for (join, _) in joins.drain(..).rev() {
        outcomes.push(match soon(join).await {
            Ok(response) => format!("ok {}", response.len()),
            Err(JoinError { cause: JoinCause::ReplyDropped { status, len, .. }, .. }) => {
                format!("dropped {status} {len}")
            }
            Err(other) => panic!("{other:?}"),
        });
    }
    assert_eq!(outcomes, ["dropped ok 600", "dropped error 600", "dropped ok 600", "ok 600"]);
}

#[tokio::test(start_paused = true)]
async fn rejections_are_limited_in_bytes() {
    let mut net = Net::new();
    let builder = net.builder().max_answer_bytes(1_000);
    let (socket, mut peer) = net.connected_with(builder).await;
    let mut rooms = Vec::new();
    for number in 0..3 {
        let room = socket.channel(format!("room:{number}")).create().unwrap();
        let (joined, _) = tokio::join!(room.join(), answer(&mut peer, "error", 400));
        assert!(
            matches!(joined, Err(JoinError { cause: JoinCause::Rejected { ref response, .. }, .. }) if response.len() == 400),
            "{joined:?}"
        );
        rooms.push(room);
    }
    let kept = |room: &Channel| match room.close_cause() {
        Some(ChannelCloseCause::Rejected(Rejection {
            status: Status::Error, response, ..
        })) => response.map(|response| response.len()),
        other => panic!("{other:?}"),
    };
    let are_kept: Vec<_> = rooms.iter().map(kept).collect();
    assert_eq!(are_kept, [Ok(400), Ok(400), Err(PayloadDropped::new(400))]);
}

const KIB: usize = 1 << 10;

/// Returns the allocations of `test`, with a limit of 1 MiB.
fn measured(test: impl AsyncFn(Socket, Channel, Peer)) -> AllocationInfo {
    measure(|| {
        paused().block_on(async {
            let mut net = Net::new();
            let (socket, room, peer) = limited_to(&mut net, 1_024 * KIB).await;
            test(socket, room, peer).await;
        });
    })
}

/// 100 answers of 200 KiB each have come. The limit, and two of them under way in the test's own network.
#[track_caller]
fn stayed_within_the_limit(used: &AllocationInfo, times: u64) {
    let limit = 1_024 * KIB as u64;
    assert!(used.bytes_total > 100 * 200 * KIB as u64, "all of it came: {used:?}");
    assert!(used.bytes_max < times * limit + 6 * 200 * KIB as u64, "{used:?}");
}

#[test]
fn held_pushes_hold_no_more_than_the_limit() {
    let used = measured(async |_socket, room, mut peer| {
        let pushes: Vec<_> = (0..100).map(|_| push(&room)).collect();
        for _ in 0..100 {
            answer(&mut peer, "ok", 200 * KIB).await;
        }
        let mut kept = 0;
        for push in pushes {
            kept += usize::from(soon(push).await.is_ok());
        }
        assert_eq!(kept, 5);
    });
    stayed_within_the_limit(&used, 1);
}

#[test]
fn joined_channels_hold_no_more_than_the_limit() {
    let used = measured(async |socket, _room, mut peer| {
        let mut rooms = Vec::new();
        for number in 0..100 {
            let room = socket.channel(format!("room:{number}")).join();
            let (room, _) = tokio::join!(room, answer(&mut peer, "ok", 200 * KIB));
            rooms.push(room.unwrap());
        }
    });
    stayed_within_the_limit(&used, 1);
}

#[test]
fn rejected_channels_hold_no_more_than_the_limit() {
    let used = measured(async |socket, _room, mut peer| {
        let mut rooms = Vec::new();
        for number in 0..100 {
            let room = socket.channel(format!("room:{number}")).create().unwrap();
            rooms.push((room.join(), room));
            answer(&mut peer, "error", 200 * KIB).await;
        }
    });
    // The futures that weren't awaited, and the channels.
    stayed_within_the_limit(&used, 2);
}

#[test]
fn what_nobody_can_read_any_more_is_not_kept() {
    let used = measured(async |_socket, room, mut peer| {
        for number in 0..100 {
            let push = push(&room);
            if number % 2 == 0 {
                drop(push);
                answer(&mut peer, "ok", 200 * KIB).await;
            } else {
                answer(&mut peer, "ok", 200 * KIB).await;
                drop(push);
            }
        }
    });
    stayed_within_the_limit(&used, 0);
}
