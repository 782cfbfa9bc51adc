//! Connections: reuse, closes by the server, failures in the middle.

use std::sync::Arc;
use std::time::Duration;

use phx_client::{CloseCause, Push, PushCause, StreamItem};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::common::TestRuntime;
use crate::server::{Net, answer, broadcast, reply};

#[test]
fn a_session_has_one_connection_for_polls_and_one_for_posts() {
    Net::both(|mut net| async move {
        let (socket, room, mut polls, mut posts) = net.joined().await;
        let mut stream = room.on::<Value>("new_msg");
        for n in 0..3 {
            let (answered, ()) =
                tokio::join!(room.push::<Value>("echo", &json!({ "n": n })), async {
                    let push = posts.post().await.remove(0);
                    polls
                        .messages(&[broadcast("new_msg", &json!(n)), reply(&push, &json!({}))])
                        .await;
                    polls.poll().await;
                });
            answered.unwrap();
            let item = stream.next().await;
            assert!(matches!(&item, Some(StreamItem::Message(m)) if *m == json!(n)), "{item:?}");
        }
        assert!(net.is_quiet());
        socket.disconnect().await;
        polls.closed().await;
        posts.closed().await;
    });
}

#[test]
fn what_comes_with_all_requests() {
    Net::both(|mut net| async move {
        let builder = net.builder().header("x-app", "1").auth_token("secret");
        let (socket, creation) = tokio::join!(builder.connect(), async {
            let mut polls = net.accept().await;
            let creation = polls.create("").await;
            let poll = polls.poll().await;
            for request in [&creation, &poll] {
                assert_eq!(request.values("host"), ["server.test"]);
                assert_eq!(request.values("x-app"), ["1"]);
                assert_eq!(request.values("accept-encoding"), ["gzip"]);
                assert!(request.values("user-agent")[0].starts_with("phx/"));
                assert!(request.values("content-length").is_empty());
            }
            assert!(poll.values("x-phoenix-authtoken").is_empty());
            creation
        });
        assert_eq!(creation.line, "GET /socket/longpoll?vsn=2.0.0 HTTP/1.1");
        assert_eq!(creation.values("x-phoenix-authtoken"), ["secret"]);
        assert!(socket.unwrap().response_headers().get("content-length").is_some());
    });
}

/// A server closes a connection that was idle, or says so with an answer: the next poll has another connection.
#[test]
fn a_poll_goes_to_another_connection_if_the_server_has_closed() {
    Net::both(|mut net| async move {
        let (_socket, room, mut polls, _posts) = net.joined().await;
        let mut stream = room.on::<Value>("new_msg");
        for (n, header) in [(1, "connection: close\r\n"), (2, "")] {
            let body = json!({ "status": 200, "token": "T1",
                "messages": crate::server::texts(&[broadcast("new_msg", &json!(n))]) });
            let body = answer(header, &body);
            polls.say(&body).await;
            if !header.is_empty() {
                drop(polls);
            } else {
                polls.poll().await;
                // The server may have read this one.
                drop(polls);
            }
            polls = net.accept().await;
            polls.poll().await;
            let item = stream.next().await;
            assert!(matches!(&item, Some(StreamItem::Message(m)) if *m == json!(n)), "{item:?}");
        }
        // Bandit gives messages to the request whose connection has gone.
        assert!(matches!(stream.next().await, Some(StreamItem::Gap)));
    });
}

#[test]
fn a_push_goes_to_another_connection_once_if_the_server_has_closed_the_idle_one() {
    Net::both(|mut net| async move {
        let (_socket, room, mut polls, posts) = net.joined().await;
        drop(posts);
        // The client sees the end before this answer.
        polls.messages(&[]).await;
        polls.poll().await;
        let (answered, ()) = tokio::join!(room.push::<Value>("echo", &json!({})), async {
            let mut posts = net.accept().await;
            let push = posts.post().await;
            assert_eq!(push.len(), 1);
            polls.messages(&[reply(&push[0], &json!({}))]).await;
        });
        answered.unwrap();
        assert!(net.is_quiet());
    });
}

#[test]
fn a_post_that_may_have_been_read_is_not_sent_again() {
    Net::both(|mut net| async move {
        let (_socket, room, mut polls, mut posts) = net.joined().await;
        let (failed, ()) = tokio::join!(room.push::<Value>("echo", &json!({})), async {
            posts.request().await;
            drop(posts);
        });
        assert!(matches!(failed.unwrap_err().cause, PushCause::Disconnected));
        // The session ends, and the socket makes another one.
        polls.closed().await;
        let mut polls = net.accept().await;
        polls.create("").await;
        polls.poll().await;
        let mut posts = net.accept().await;
        let join = posts.post().await;
        assert_eq!(join.len(), 1);
        assert_eq!(join[0].event, "phx_join");
    });
}

#[tokio::test(start_paused = true)]
async fn the_connection_for_posts_is_closed_before_the_server_does_it() {
    let mut net = Net::pipes();
    let (_socket, room, _polls, mut posts) = net.joined().await;
    let began = Instant::now();
    posts.closed().await;
    let idle = began.elapsed();
    assert!(
        idle >= Duration::from_millis(3_900) && idle < Duration::from_millis(4_100),
        "{idle:?}"
    );
    // The next push opens one again.
    let _push = room.push::<Value>("echo", &json!({}));
    let mut posts = net.accept().await;
    assert_eq!(posts.post().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn messages_and_the_next_poll_come_at_once_and_an_idle_session_has_three_timers() {
    let mut net = Net::pipes();
    let runtime = TestRuntime::new();
    let builder = net.builder().runtime(Arc::clone(&runtime));
    let (_socket, room, mut polls, mut posts) = net.joined_with(builder).await;
    posts.closed().await;
    let mut stream = room.on::<Value>("new_msg");
    for _ in 0..3 {
        let began = Instant::now();
        polls.messages(&vec![broadcast("new_msg", &json!(1)); 100]).await;
        for _ in 0..100 {
            assert!(matches!(stream.next().await, Some(StreamItem::Message(_))));
        }
        polls.poll().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(runtime.timers() <= 3, "{}", runtime.timers());
        tokio::time::sleep(Duration::from_secs(9)).await;
    }
}

/// In real time, over TCP. Others may take the processor at times, so the median counts.
#[tokio::test]
async fn the_next_poll_is_written_within_a_millisecond_of_the_answer() {
    let mut net = Net::new(true);
    let (_socket, room, mut polls, _posts) = net.joined().await;
    let mut stream = room.on::<Value>("new_msg");
    let messages = vec![broadcast("new_msg", &json!(1)); 10];
    let mut times = Vec::new();
    for _ in 0..101 {
        let began = Instant::now();
        polls.messages(&messages).await;
        polls.poll().await;
        times.push(began.elapsed());
        for _ in &messages {
            assert!(matches!(stream.next().await, Some(StreamItem::Message(_))));
        }
    }
    times.sort_unstable();
    let median = times[times.len() / 2];
    println!("{median:?}");
    // Of a debug build, with the server's part.
    assert!(median < Duration::from_millis(1), "{median:?}");
}

#[tokio::test(start_paused = true)]
async fn a_poll_without_an_answer_ends_the_session() {
    let mut net = Net::pipes();
    let (socket, mut polls) = net.connected().await;
    let began = Instant::now();
    let ended = Arc::new(tokio::sync::Notify::new());
    let notify = ended.clone();
    let _hook = socket.on_close(move |_| notify.notify_one());
    ended.notified().await;
    assert_eq!(began.elapsed().as_secs(), 20);
    polls.closed().await;
}

/// A slow network isn't a dead one: what moves on has more time.
#[tokio::test(start_paused = true)]
async fn an_upload_that_goes_on_is_not_late() {
    let mut net = Net::pipes();
    let (_socket, room, mut polls, mut posts) = net.joined().await;
    let text = "x".repeat(400_000);
    let push: Push<Value> = room.push_with_timeout(Duration::from_secs(200), "echo", &text);
    for second in 1..100 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if second % 15 == 0 {
            assert!(posts.read_more().await);
        }
        if second % 9 == 0 {
            polls.messages(&[]).await;
            polls.poll().await;
        }
    }
    let sent = posts.post().await.remove(0);
    polls.messages(&[reply(&sent, &json!({}))]).await;
    push.await.unwrap();
    assert!(net.is_quiet());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_goes_on_is_late_in_the_end() {
    let mut net = Net::pipes();
    let (sender, mut causes) = tokio::sync::mpsc::unbounded_channel();
    let builder = net.builder().on_close(move |closed| _ = sender.send(closed.cause.clone()));
    let (_socket, room, mut polls, _posts) = net.joined_with(builder).await;
    let mut stream = room.on::<Value>("new_msg");
    let messages = crate::server::texts(&[broadcast("new_msg", &json!(1))]);
    let said = answer("", &json!({ "status": 200, "token": "T1", "messages": messages }));
    let (head, body) = said.split_at(said.len() - 7);
    polls.say(head).await;
    for byte in body.bytes() {
        tokio::time::sleep(Duration::from_secs(15)).await;
        polls.say([byte]).await;
    }
    assert!(matches!(stream.next().await, Some(StreamItem::Message(_))));
    polls.poll().await;
    let began = Instant::now();
    polls.say("HTTP/1.1 200 OK\r\n\r\n").await;
    let cause = loop {
        tokio::select! {
            cause = causes.recv() => break cause.unwrap(),
            () = tokio::time::sleep(Duration::from_secs(15)) => polls.say("x").await,
        }
    };
    assert_eq!(cause.to_string(), "long-poll: the server didn't answer a poll in time");
    assert_eq!(began.elapsed().as_secs(), 120);
}

/// Polls go well, and so nothing else would end such a session: pushes would wait until their own timeouts, for ever.
#[tokio::test(start_paused = true)]
async fn a_connection_for_posts_that_never_opens_ends_the_session() {
    let mut net = Net::pipes();
    let (sender, mut causes) = tokio::sync::mpsc::unbounded_channel();
    let builder = net.builder().on_close(move |closed| _ = sender.send(closed.cause.clone()));
    let (_socket, room, mut polls, mut posts) = net.joined_with(builder).await;
    posts.closed().await;
    net.swallow_dial();
    let began = Instant::now();
    let push: Push<Value> = room.push_with_timeout(Duration::from_secs(60), "echo", &json!({}));
    let cause = loop {
        tokio::select! {
            cause = causes.recv() => break cause.unwrap(),
            () = tokio::time::sleep(Duration::from_secs(9)) => {
                polls.messages(&[]).await;
                polls.poll().await;
            }
        }
        assert!(began.elapsed() < Duration::from_secs(40));
    };
    assert_eq!(cause, CloseCause::io("no connection for a POST in time"));
    assert_eq!(began.elapsed().as_secs(), 20);
    // The push was surely not sent, and goes out in the next session.
    let mut polls = net.accept().await;
    polls.create("").await;
    polls.poll().await;
    let mut posts = net.accept().await;
    let join = posts.post().await.remove(0);
    polls.messages(&[reply(&join, &json!({}))]).await;
    polls.poll().await;
    let sent = posts.post().await;
    assert_eq!(sent.len(), 1);
    polls.messages(&[reply(&sent[0], &json!({}))]).await;
    push.await.unwrap();
}

/// The session goes on, and so does its poll, which would lose messages.
#[tokio::test(start_paused = true)]
async fn a_connection_for_posts_is_tried_some_times() {
    for (refusals, ends) in [(3, false), (4, true)] {
        let mut net = Net::pipes();
        let (sender, mut causes) = tokio::sync::mpsc::unbounded_channel();
        let builder = net.builder().on_close(move |closed| _ = sender.send(closed.cause.clone()));
        let (_socket, room, mut polls, mut posts) = net.joined_with(builder).await;
        posts.closed().await;
        net.refuse(vec![CloseCause::io("refused"); refusals]);
        let began = Instant::now();
        let push: Push<Value> = room.push("echo", &json!({}));
        if ends {
            assert_eq!(causes.recv().await, Some(CloseCause::io("refused")));
        } else {
            let mut posts = net.accept().await;
            let sent = posts.post().await;
            polls.messages(&[reply(&sent[0], &json!({}))]).await;
            push.await.unwrap();
            assert!(causes.try_recv().is_err());
        }
        assert_eq!(began.elapsed().as_millis() / 100, 6);
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_failure_to_dial_is_the_attempts() {
    let net = Net::pipes();
    net.refuse([CloseCause::io("no route")]);
    let failed = net.attempt("ws://server.test/socket").await.unwrap_err();
    assert_eq!(failed, CloseCause::io("no route"));
}

/// A server that accepts and closes is dialled some times, and not without end.
#[tokio::test(start_paused = true)]
async fn a_server_that_closes_at_once_is_not_dialled_without_end() {
    let mut net = Net::pipes();
    let (failed, ()) = tokio::join!(net.attempt("ws://server.test/socket"), async {
        drop(net.accept().await);
    });
    assert_eq!(
        failed.unwrap_err().to_string(),
        "connection lost: the server ended the connection before its answer"
    );
}
