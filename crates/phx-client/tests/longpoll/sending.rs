//! Frames that go out: batches, order, and the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use phx_client::{CloseCode, Frame, Push};
use serde_json::{Value, json};

use crate::always_ready::Wakes;
use crate::server::{Net, reply, with_status};

#[test]
fn a_burst_goes_out_in_batches_of_a_hundred() {
    Net::both(|mut net| async move {
        let (_socket, room, _polls, mut posts) = net.joined().await;
        let pushes: Vec<Push<Value>> =
            (0..10_000).map(|n| room.push("echo", &json!({ "n": n }))).collect();
        let (mut sent, mut count) = (Vec::new(), 0);
        while sent.len() < pushes.len() {
            let batch = posts.post().await;
            assert!(batch.len() <= 100);
            sent.extend(batch);
            count += 1;
        }
        assert!(count <= 101, "{count}");
        let numbers = sent.iter().map(|push| push.payload.decode::<Value>().unwrap()["n"].clone());
        assert!(numbers.eq((0..10_000).map(|n| json!(n))));
    });
}

/// Without a connection for POSTs, and while one is under way, pushes stay where they can be taken back.
#[test]
fn pushes_wait_in_the_socket_while_a_post_is_under_way() {
    Net::both(|mut net| async move {
        let (_socket, room, mut polls, mut posts) = net.joined().await;
        let first: Push<Value> = room.push("echo", &json!({ "n": 0 }));
        let post = posts.request().await;
        assert_eq!(post.messages().len(), 1);
        let rest: Vec<Push<Value>> =
            (1..4).map(|n| room.push("echo", &json!({ "n": n }))).collect();
        polls.messages(&[reply(&post.messages()[0], &json!({}))]).await;
        first.await.unwrap();
        polls.poll().await;
        // The session ends. What was in the socket is sent in the next one.
        posts.say(with_status("500 Internal Server Error", "", "")).await;
        let mut polls = net.accept().await;
        polls.create("").await;
        polls.poll().await;
        let mut posts = net.accept().await;
        let join = posts.post().await.remove(0);
        polls.messages(&[reply(&join, &json!({}))]).await;
        polls.poll().await;
        let pushes = posts.post().await;
        assert_eq!(pushes.len(), 3);
        let replies: Vec<_> = pushes.iter().map(|push| reply(push, &json!({}))).collect();
        polls.messages(&replies).await;
        for push in rest {
            push.await.unwrap();
        }
    });
}

#[test]
fn a_disconnect_waits_for_what_was_sent() {
    Net::both(|mut net| async move {
        let (socket, room, mut polls, mut posts) = net.joined().await;
        let _push: Push<Value> = room.push("last", &json!({}));
        let ((), ()) = tokio::join!(
            async {
                socket.disconnect().await;
            },
            async {
                let post = posts.request().await;
                assert_eq!(post.messages()[0].event, "last");
                posts.answer(&json!({ "status": 200 })).await;
                posts.closed().await;
                polls.closed().await;
            }
        );
    });
}

/// A server that doesn't answer holds a disconnect up no longer than the socket's limit.
#[tokio::test(start_paused = true)]
async fn a_disconnect_has_a_limit() {
    let mut net = Net::pipes();
    let (socket, room, mut polls, mut posts) = net.joined().await;
    let _push: Push<Value> = room.push("last", &json!({}));
    posts.request().await;
    let began = tokio::time::Instant::now();
    socket.disconnect().await;
    assert!(began.elapsed() <= Duration::from_secs(10));
    polls.closed().await;
}

/// Messages that come while a transport closes are dropped. An answer may have millions.
#[tokio::test(start_paused = true)]
async fn a_close_drops_so_many_messages_at_a_time() {
    let mut net = Net::pipes();
    let (transport, mut polls) = tokio::join!(net.attempt("ws://server.test/socket"), async {
        let mut polls = net.accept().await;
        polls.create("").await;
        polls
    });
    let mut transport = transport.unwrap();
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(transport.as_mut().poll_ready(cx).is_pending());
    transport.as_mut().prepare_send(cx);
    assert!(transport.as_mut().poll_ready(cx).is_ready());
    transport.as_mut().start_send(Frame::text("[1]")).unwrap();
    while transport.as_mut().poll_flush(cx).is_pending() {}
    let mut posts = net.accept().await;
    posts.request().await;
    polls.poll().await;
    let messages = vec![""; 4096];
    polls.answer(&json!({ "status": 200, "token": "T1", "messages": messages })).await;

    let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
    let waker = Waker::from(wakes.clone());
    let mut close =
        || transport.as_mut().poll_close(&mut Context::from_waker(&waker), CloseCode::NORMAL, "");
    let mut times = 0;
    loop {
        assert_eq!(close(), Poll::Pending, "the POST has no answer");
        if wakes.0.swap(0, Ordering::Relaxed) == 0 {
            break;
        }
        times += 1;
    }
    assert!((4..8).contains(&times), "{times}");
    posts.answer(&json!({ "status": 200 })).await;
    assert!(close().is_ready());
}
