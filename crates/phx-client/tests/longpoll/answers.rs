//! Answers to polls: lengths, encodings, versions, and their limits.

use std::io::Write;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use phx_client::longpoll::LongPollConfig;
use phx_client::proto::LongPollCause;
use phx_client::websocket::WebSocketConfig;
use phx_client::{Channel, CloseCause, Received, Socket, StreamItem};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::common::soon;
use crate::server::{Conn, Net, broadcast, texts, with_status};

fn body(n: u32) -> String {
    json!({ "status": 200, "token": "T1", "messages": texts(&[broadcast("new_msg", &json!(n))]) })
        .to_string()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn with_head(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[test]
fn bodies_of_all_kinds_are_read() {
    Net::both(|mut net| async move {
        let (_socket, room, mut polls, _posts) = net.joined().await;
        let mut stream = room.on::<Value>("new_msg");
        let json = body(1);
        let (first, rest) = json.split_at(30);
        let chunked = format!(
            "{:x}\r\n{first}\r\n{:X};x=y\r\n{rest}\r\n0\r\na: b\r\n\r\n",
            first.len(),
            rest.len()
        );
        let zipped = gzip(json.as_bytes());
        let of_unknown_length = format!("HTTP/1.1 200 OK\r\n\r\n{json}");
        let old = format!("HTTP/1.0 200 OK\r\n\r\n{json}");
        for (said, ends) in [
            (with_head("", json.as_bytes()), false),
            (with_head("content-encoding: identity\r\n", json.as_bytes()), false),
            (with_head("content-encoding: gzip\r\n", &zipped), false),
            (
                format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunked}").into(),
                false,
            ),
            (of_unknown_length.into_bytes(), true),
            (old.into_bytes(), true),
        ] {
            polls.say(&said).await;
            if ends {
                drop(polls);
                polls = net.accept().await;
            }
            polls.poll().await;
            let item = soon(stream.next()).await;
            assert!(matches!(&item, Some(StreamItem::Message(m)) if *m == json!(1)), "{item:?}");
        }
        assert!(net.is_quiet());
    });
}

#[test]
fn a_body_in_single_bytes_is_read() {
    Net::both(|mut net| async move {
        let (_socket, room, mut polls, _posts) = net.joined().await;
        let mut stream = room.on::<Value>("new_msg");
        let said = with_head("content-encoding: gzip\r\n", &gzip(body(1).as_bytes()));
        for byte in said {
            polls.say([byte]).await;
            tokio::task::yield_now().await;
        }
        polls.poll().await;
        assert!(matches!(soon(stream.next()).await, Some(StreamItem::Message(_))));
    });
}

/// A socket that is joined, and the causes of its connections' ends.
async fn watched(
    net: &mut Net,
    max: usize,
) -> (Socket, Channel, Conn, Conn, mpsc::UnboundedReceiver<CloseCause>) {
    let mut config = LongPollConfig::default();
    config.max_answer_size = max;
    let (sender, causes) = mpsc::unbounded_channel();
    let builder = net.builder_with(config, WebSocketConfig::default());
    let builder = builder.on_close(move |closed| _ = sender.send(closed.cause.clone()));
    let (socket, room, polls, posts) = net.joined_with(builder).await;
    (socket, room, polls, posts, causes)
}

#[tokio::test(start_paused = true)]
async fn answers_that_cannot_be_read_end_the_session() {
    let mut net = Net::pipes();
    let zeros = vec![b'0'; 2 << 20];
    let bomb = gzip(&zeros);
    assert!(bomb.len() < 4 << 10);
    let long = CloseCause::LongPoll(LongPollCause::answer_too_large(1 << 20));
    let bad_gzip = CloseCause::io("the server's answer isn't the gzip that its head announces");
    let zipped = gzip(body(1).as_bytes());
    let half = zipped.split_at(zipped.len() / 2).0;
    let mut broken = zipped.clone();
    *broken.last_mut().unwrap() ^= 1;
    let declared = b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n".to_vec();
    let endless = [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &zeros].concat();
    let encoding =
        CloseCause::io("the server's answer is in an encoding that the client didn't offer");
    for (said, cause) in [
        (declared, &long),
        (endless, &long),
        (with_head("content-encoding: gzip\r\n", &bomb), &long),
        (with_head("content-encoding: gzip\r\n", half), &bad_gzip),
        (with_head("content-encoding: gzip\r\n", &broken), &bad_gzip),
        (with_head("content-encoding: gzip\r\n", b"{}"), &bad_gzip),
        (with_head("content-encoding: br\r\n", b"{}"), &encoding),
        (with_head("content-encoding: gzip, gzip\r\n", b"{}"), &encoding),
    ] {
        let (socket, _room, mut polls, _posts, mut causes) = watched(&mut net, 1 << 20).await;
        // One such answer is a gap; several in a row end the session.
        let ended = loop {
            polls.say(&said).await;
            drop(polls);
            tokio::select! {
                biased;
                cause = causes.recv() => break cause.unwrap(),
                conn = net.accept() => polls = conn,
            }
            polls.poll().await;
        };
        assert_eq!(ended, *cause);
        socket.disconnect().await;
        while !net.is_quiet() {}
    }
}

/// An error has no body that counts; its session goes on, with a gap.
#[test]
fn an_error_to_a_poll_is_a_gap() {
    Net::both(|mut net| async move {
        let (_socket, room, mut polls, _posts) = net.joined().await;
        let mut stream = room.on::<Value>("new_msg");
        let long = with_status("500 Internal Server Error", "", &"x".repeat(100_000));
        polls.say(long).await;
        // The rest of such a body isn't read, and so the connection is over.
        let mut polls = net.accept().await;
        polls.poll().await;
        polls.say(body(2)).await;
        assert!(matches!(soon(stream.next()).await, Some(StreamItem::Gap)));
    });
}

/// The machine was suspended, or its tasks had no time: what has come in the meantime is read before its lateness counts.
#[tokio::test(start_paused = true)]
async fn an_answer_that_has_come_is_not_late() {
    let mut net = Net::pipes();
    let (transport, mut polls) = tokio::join!(net.attempt("ws://server.test/socket"), async {
        let mut polls = net.accept().await;
        polls.create("").await;
        polls
    });
    let mut transport = transport.unwrap();
    let mut receive = || transport.as_mut().poll_receive(&mut Context::from_waker(Waker::noop()));
    assert!(receive().is_pending());
    polls.poll().await;
    let messages = vec!["x".repeat(1000); 50];
    polls.answer(&json!({ "status": 200, "token": "T1", "messages": messages })).await;
    tokio::time::advance(Duration::from_secs(60)).await;
    let received = loop {
        if let Poll::Ready(received) = receive() {
            break received;
        }
    };
    assert!(matches!(received, Ok(Received::Frame(_))), "{received:?}");
}
