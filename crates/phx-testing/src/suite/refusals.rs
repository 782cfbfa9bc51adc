//! Servers that don't upgrade: what each is called, and when it is asked again. They are scripts.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use phx_client::{Backoff, CloseCause, Closed, ConnectFailed};

use super::Adapter;
use super::host::{client, first_end};

/// What the server does once it has the request.
#[derive(Clone, Copy)]
pub(super) enum Then {
    End,
    Wait,
}

/// A server that answers everybody with the same bytes, on a thread that ends with the test program.
pub(super) fn server(answer: impl Into<Vec<u8>>, then: Then) -> String {
    let (listener, answer) = (TcpListener::bind("127.0.0.1:0").unwrap(), answer.into());
    let url = format!("ws://{}/socket", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut waiting = Vec::new();
        for stream in listener.incoming().flatten() {
            waiting.extend(answered(stream, &answer, then));
        }
    });
    url
}

/// The stream, if it is to stay open.
fn answered(mut stream: TcpStream, answer: &[u8], then: Then) -> Option<TcpStream> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).ok()? > 0 {
        head.extend(byte);
    }
    stream.write_all(answer).ok()?;
    matches!(then, Then::Wait).then_some(stream)
}

async fn end<A: Adapter>(answer: impl Into<Vec<u8>>) -> Closed {
    first_end(client::<A>(&server(answer, Then::End))).await
}

async fn refused<A: Adapter>(answer: &str) -> (u16, Closed) {
    let end = end::<A>(answer).await;
    match &end.cause {
        CloseCause::Refused(refusal) => (refusal.status, end),
        other => panic!("not refused: {other:?}"),
    }
}

pub(super) async fn a_refusal_for_good_is_the_error_of_connect<A: Adapter>() {
    for status in [401, 403, 404] {
        let answer = format!("HTTP/1.1 {status} No\r\nContent-Length: 6\r\n\r\nbanned");
        let url = server(answer, Then::End);
        match client::<A>(&url).connect().await {
            Err(ConnectFailed::Closed(CloseCause::Refused(refusal))) => {
                assert_eq!((refusal.status, &*refusal.body), (status, &b"banned"[..]));
            }
            other => panic!("{status}: {other:?}"),
        }
    }
}

pub(super) async fn a_redirect_and_a_page_are_refusals<A: Adapter>() {
    let (status, end) =
        refused::<A>("HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!((status, end.retry_in), (302, None));
    let (status, _) = refused::<A>(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>",
    )
    .await;
    assert_eq!(status, 200);
}

pub(super) async fn retry_after_is_honoured<A: Adapter>() {
    let seconds = "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n";
    let (status, end) = refused::<A>(seconds).await;
    assert_eq!((status, end.retry_in), (429, Some(Duration::from_secs(7))));
    // So far away that the limit of 5 minutes holds.
    let date = "HTTP/1.1 503 Soon\r\nRetry-After: Fri, 01 Jan 2100 00:00:00 GMT\r\n\
                Content-Length: 0\r\n\r\n";
    let (status, end) = refused::<A>(date).await;
    assert_eq!((status, end.retry_in), (503, Some(Duration::from_secs(300))));
}

pub(super) async fn a_server_that_says_nothing_is_given_up<A: Adapter>() {
    let builder = client::<A>(&server("", Then::Wait)).connect_timeout(Duration::from_millis(200));
    assert_eq!(first_end(builder).await.cause, CloseCause::ConnectTimedOut);
}

pub(super) async fn an_answer_that_is_none_is_told<A: Adapter>() {
    let accept = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  Sec-WebSocket-Accept: c3VycHJpc2U=\r\n\r\n";
    let endless = format!("HTTP/1.1 101 OK\r\nX: {}", "x".repeat(100_000));
    for (answer, told) in [
        ("", "ended the connection during the upgrade"),
        ("HTTP/1.1 101 Switching", "ended the connection during the upgrade"),
        (accept, "its Sec-WebSocket-Accept doesn't match"),
        (&*endless, "has too long a head"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "is not HTTP"),
    ] {
        match end::<A>(answer).await.cause {
            CloseCause::Io { error, .. } => assert!(error.contains(told), "{told}: {error}"),
            other => panic!("not lost: {other:?}"),
        }
    }
}

pub(super) async fn a_body_without_an_end_is_cut<A: Adapter>() {
    let mut answer = b"HTTP/1.1 500 Oops\r\n\r\n".to_vec();
    answer.resize(answer.len() + 200_000, b'x');
    let url = server(answer, Then::Wait);
    // Without a retry, so that the thread has one reader only.
    let builder = client::<A>(&url).reconnect(Backoff::steps([Duration::from_secs(60)]));
    match first_end(builder).await.cause {
        CloseCause::Refused(refusal) => {
            assert_eq!((refusal.status, refusal.body.len()), (500, 16 << 10));
        }
        other => panic!("not refused: {other:?}"),
    }
}
