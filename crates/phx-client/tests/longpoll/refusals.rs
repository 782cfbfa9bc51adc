//! Servers that refuse the session, or are none.

use std::time::Duration;

#[cfg(feature = "tls")]
use phx_client::TlsCauseKind;
use phx_client::{CloseCause, UpgradeRejection};
use serde_json::json;
use tokio::time::Instant;

use crate::server::{Net, answer, with_status};

/// What comes of an attempt to which the server says this to the first request, before it closes.
async fn attempt(net: &mut Net, said: impl AsRef<[u8]>) -> CloseCause {
    let (attempted, ()) = tokio::join!(net.attempt("ws://server.test/socket"), async {
        let mut conn = net.accept().await;
        conn.request().await;
        conn.say(said).await;
    });
    attempted.expect_err("it isn't a session")
}

async fn rejection(net: &mut Net, said: impl AsRef<[u8]>) -> UpgradeRejection {
    match attempt(net, said).await {
        CloseCause::UpgradeRejected(rejection) => rejection,
        cause => panic!("{cause}"),
    }
}

#[test]
fn a_refusal_is_the_same_as_that_of_an_upgrade() {
    Net::both(|mut net| async move {
        let said = with_status("503 Service Unavailable", "retry-after: 7\r\nx-a: b\r\n", "wait");
        let refusal = rejection(&mut net, said).await;
        assert_eq!(refusal.status, 503);
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(7)));
        assert_eq!(refusal.headers.get("x-a"), Some(&b"b"[..]));
        assert_eq!(&refusal.body[..], b"wait");

        // The status that Phoenix has in the body.
        let body = json!({ "status": 403, "token": "", "messages": [] });
        let refusal = rejection(&mut net, answer("x-a: b\r\n", &body)).await;
        assert_eq!(refusal.status, 403);
        assert_eq!(refusal.headers.get("x-a"), Some(&b"b"[..]));
    });
}

/// No credentials go to where a redirect leads.
#[test]
fn redirects_are_refusals() {
    Net::both(|mut net| async move {
        for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"] {
            let said = with_status(status, "location: ws://other.test/socket/longpoll\r\n", "");
            let refusal = rejection(&mut net, said).await;
            assert_eq!(refusal.status.to_string(), status[..3]);
            assert!(net.is_quiet());
        }
    });
}

/// The beginning of a body is kept; the rest isn't read, nor waited for.
#[tokio::test(start_paused = true)]
async fn the_body_of_a_refusal_is_limited_in_bytes_and_time() {
    let mut net = Net::pipes();
    let long = with_status("500 Internal Server Error", "", &"x".repeat(100_000));
    assert_eq!(rejection(&mut net, long).await.body.len(), 16 << 10);

    let began = Instant::now();
    let (refused, _conn) = tokio::join!(net.attempt("ws://server.test/socket"), async {
        let mut conn = net.accept().await;
        conn.request().await;
        conn.say("HTTP/1.1 500 Oh\r\ncontent-length: 10\r\n\r\nhalf").await;
        conn
    });
    assert!(began.elapsed() >= Duration::from_secs(2) && began.elapsed() < Duration::from_secs(3));
    match refused.unwrap_err() {
        CloseCause::UpgradeRejected(refusal) => assert_eq!(&refusal.body[..], b"half"),
        cause => panic!("{cause}"),
    }
}

#[test]
fn peers_that_are_no_such_server() {
    Net::both(|mut net| async move {
        for (said, cause) in [
            (
                &b"\x15\x03\x03\x00\x02\x02\x46"[..],
                "connection lost: the server speaks TLS at this port: is it `wss://`?",
            ),
            (b"SSH-2.0-OpenSSH_9.6\r\n", "connection lost: the server's answer is not HTTP"),
            (b"HTTP/1.1 OK\r\n\r\n", "connection lost: the server's answer is not HTTP"),
            (b"", "connection lost: the server ended the connection before its answer"),
            (
                b"HTTP/1.1 200 OK\r\ncontent-le",
                "connection lost: the server ended the connection before its answer",
            ),
        ] {
            assert_eq!(attempt(&mut net, said).await.to_string(), cause);
        }
        let html = with_status("200 OK", "content-type: text/html\r\n", "<html></html>");
        assert!(matches!(attempt(&mut net, html).await, CloseCause::LongPoll(_)));
    });
}

#[test]
fn heads_are_bounded() {
    Net::both(|mut net| async move {
        for (headers, cause) in [
            ("a: b\r\n".repeat(129), "the server's answer has too many headers"),
            (format!("a: {}\r\n", "x".repeat(33_000)), "the server's answer has too long a head"),
        ] {
            let failed = attempt(&mut net, with_status("200 OK", &headers, "")).await;
            assert_eq!(failed, CloseCause::io(cause));
        }
        // Such are taken.
        for (headers, len) in
            [("a: b\r\n".repeat(127), 1), (format!("a: {}\r\n", "x".repeat(32_000)), 32_000)]
        {
            let refusal = rejection(&mut net, with_status("403 No", &headers, "")).await;
            assert_eq!(refusal.headers.get("a").map(<[u8]>::len), Some(len));
        }
    });
}

/// As many as before the answer to an upgrade, and no more.
#[tokio::test(start_paused = true)]
async fn interim_answers_are_skipped() {
    let mut net = Net::pipes();
    let said = |count| {
        let interim = "HTTP/1.1 103 Early Hints\r\na: b\r\n\r\n".repeat(count);
        interim + &with_status("403 No", "", "")
    };
    assert_eq!(rejection(&mut net, said(16)).await.status, 403);
    let cause = CloseCause::io("the server's answer comes after too many interim ones");
    assert_eq!(attempt(&mut net, said(17)).await, cause);
}

/// TLS that fails is the same cause as with WebSocket.
#[cfg(feature = "tls")]
#[tokio::test(start_paused = true)]
async fn plain_http_at_a_tls_port_is_a_cause_of_tls() {
    let mut net = Net::pipes();
    let (attempted, ()) = tokio::join!(net.attempt("wss://server.test/socket"), async {
        let mut conn = net.accept().await;
        conn.say("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    });
    match attempted.unwrap_err() {
        CloseCause::Tls(cause) => {
            assert_eq!(cause.kind, TlsCauseKind::Protocol);
            assert!(cause.error.contains("does the server speak `ws://`"), "{cause}");
        }
        cause => panic!("{cause}"),
    }
}
