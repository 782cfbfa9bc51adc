//! Wrong answers to an upgrade have different errors, and none opens a connection.

use phx_tokio::CloseCause;

use crate::common::{answering, listen, switching};

/// Returns the cause after `change` of the right answer.
async fn changed(change: impl Fn(String) -> String) -> CloseCause {
    let answer = |head: &str| change(format!("{}\r\n", switching(head))).into_bytes();
    answering(listen().await, answer).await.unwrap_err()
}

/// Returns the cause of this answer.
async fn answered(answer: &str) -> CloseCause {
    answering(listen().await, |_| answer.into()).await.unwrap_err()
}

fn wrong(what: &str) -> CloseCause {
    CloseCause::io(format!("the server's answer 101 is wrong: {what}"))
}

#[tokio::test]
async fn the_accept_key_must_match() {
    let expected = wrong("its Sec-WebSocket-Accept doesn't match");
    let other_key = changed(|answer| answer.replace("Accept: ", "Accept: AAAA")).await;
    assert_eq!(other_key, expected);
    let no_key = changed(|answer| answer.replace("Sec-WebSocket-Accept", "X-Accept")).await;
    assert_eq!(no_key, expected);
}

#[tokio::test]
async fn it_must_upgrade_the_connection_to_websocket() {
    let other_upgrade = changed(|answer| answer.replace("WebSocket\r\n", "h2c\r\n")).await;
    assert_eq!(other_upgrade, wrong("it doesn't upgrade to WebSocket"));
    let kept = changed(|answer| answer.replace("keep-alive, Upgrade", "keep-alive")).await;
    assert_eq!(kept, wrong("it doesn't upgrade the connection"));
}

#[tokio::test]
async fn an_extension_that_was_not_offered_is_refused() {
    let extended = changed(|answer| {
        answer.replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
    });
    assert_eq!(extended.await, wrong("it names an extension that wasn't offered"));
}

#[tokio::test]
async fn only_http_1_1_upgrades() {
    let old = changed(|answer| answer.replace("HTTP/1.1", "HTTP/1.0")).await;
    assert_eq!(old, wrong("it is HTTP/1.0, which has no upgrade"));
    for version in ["HTTP/0.9", "HTTP/1.2", "HTTP/2", "HTTP/2.0", "ICY"] {
        let other = changed(|answer| answer.replace("HTTP/1.1", version)).await;
        assert_eq!(other, CloseCause::io("the server's answer is not HTTP"), "{version}");
    }
    // The first frame of an HTTP/2 server: its settings.
    let cause = answered("\0\0\0\x04\0\0\0\0\0\n").await;
    assert_eq!(cause, CloseCause::io("the server's answer is not HTTP"));
}

#[tokio::test]
async fn headers_that_are_missing_or_come_twice() {
    let without = |name: &'static str| {
        changed(move |answer| {
            let lines = answer.split_inclusive("\r\n").filter(|line| !line.starts_with(name));
            lines.collect()
        })
    };
    let upgrade = wrong("it doesn't upgrade to WebSocket");
    let accept = wrong("its Sec-WebSocket-Accept doesn't match");
    assert_eq!(without("Upgrade").await, upgrade);
    assert_eq!(without("Connection").await, wrong("it doesn't upgrade the connection"));
    assert_eq!(without("Sec-WebSocket-Accept").await, accept);

    let with = |line: &'static str| {
        changed(move |answer| answer.replace("\r\n\r\n", &format!("\r\n{line}\r\n\r\n")))
    };
    assert_eq!(with("Upgrade: h2c").await, upgrade);
    assert_eq!(with("upgrade: websocket").await, upgrade);
    assert_eq!(with("Sec-WebSocket-Accept: AAAA").await, accept);
    assert_eq!(with("Sec-WebSocket-Accept:").await, accept);
    // One of two tokens is another protocol, which RFC 6455 doesn't allow.
    let two = changed(|answer| answer.replace("Upgrade: WebSocket", "Upgrade: websocket, h2c"));
    assert_eq!(two.await, upgrade);
}

/// They don't count as absent.
#[tokio::test]
async fn headers_that_are_no_text() {
    for (name, what) in [
        ("Sec-WebSocket-Accept", "its Sec-WebSocket-Accept doesn't match"),
        ("Sec-WebSocket-Extensions", "it names an extension that wasn't offered"),
        ("Sec-WebSocket-Protocol", "it names a subprotocol that wasn't offered"),
    ] {
        let answer =
            |head: &str| [switching(head).as_bytes(), name.as_bytes(), b": \xff\r\n\r\n"].concat();
        assert_eq!(answering(listen().await, answer).await.unwrap_err(), wrong(what));
    }
}

#[tokio::test]
async fn the_head_is_bounded() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(129));
    let cause = answered(&many).await;
    assert_eq!(cause, CloseCause::io("the server's answer has too many headers"));
}
