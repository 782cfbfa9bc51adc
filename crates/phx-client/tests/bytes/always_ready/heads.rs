//! Answers in HTTP and of proxies that never end.

use std::time::Duration;

use phx_client::dial::{Dialer, HttpProxy, Socks5Proxy};
use phx_client::websocket::{self, WebSocketConfig};
use phx_client::{CloseCause, ProxyCause, ResponseHeaders, UpgradeRejection};

use crate::peer::{Peer, SWITCHING, attempt};

const INTERIM: &str = "HTTP/1.1 103 Early Hints\r\n\r\n";

/// Returns the cause with which an upgrade fails, after more than one poll if bytes arrive one by one.
fn refused(peer: &Peer) -> CloseCause {
    let (attempt, config) = (attempt(), WebSocketConfig::default());
    let upgrading = websocket::upgrade(peer.stream(), &attempt, &config);
    let (upgraded, polls) = peer.in_turns(10_000, upgrading);
    assert!(polls > 1, "all in one poll");
    upgraded.expect("it ends").unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn interim_answers_without_end() {
    let cause = refused(&Peer::new("", INTERIM, 1));
    let expected = "the server's answer comes after too many interim ones";
    assert_eq!(cause, CloseCause::io(expected));
}

#[tokio::test(start_paused = true)]
async fn sixteen_interim_answers_may_come_before_the_final_one() {
    let (attempt, config) = (attempt(), WebSocketConfig::default());
    for (count, accepted) in [(16, true), (17, false)] {
        let peer = Peer::new(INTERIM.repeat(count) + SWITCHING, "", 1);
        let upgrading = websocket::upgrade(peer.stream(), &attempt, &config);
        let (upgraded, _) = peer.in_turns(1_000, upgrading);
        assert_eq!(upgraded.unwrap().is_ok(), accepted, "{count}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_without_end() {
    let too_long = CloseCause::io("the server's answer has too long a head");
    assert_eq!(refused(&Peer::new("HTTP/1.1 200 OK\r\nX: ", "x", 1)), too_long);
    // Empty lines may come first.
    assert_eq!(refused(&Peer::new("", "\r\n", 1)), too_long);
}

#[tokio::test(start_paused = true)]
async fn a_body_without_end() {
    let mut config = WebSocketConfig::default();
    config.max_refusal_body = usize::MAX;
    config.refusal_timeout = Duration::from_secs(3_600);
    for (head, again, piece) in [
        ("HTTP/1.1 503 Nope\r\n\r\n", "x", 1),
        ("HTTP/1.1 503 Nope\r\n\r\n", "x", usize::MAX),
        ("HTTP/1.1 503 Nope\r\nContent-Length: 1000000000\r\n\r\n", "x", 7),
        ("HTTP/1.1 503 Nope\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", 1),
        ("HTTP/1.1 503 Nope\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", usize::MAX),
    ] {
        let (peer, attempt) = (Peer::new(head, again, piece), attempt());
        let upgrading = websocket::upgrade(peer.stream(), &attempt, &config);
        let (upgraded, _) = peer.in_turns(100, upgrading);
        assert!(upgraded.is_none(), "{upgraded:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxys_answer_without_end() {
    for (once, again) in [("", INTERIM), ("HTTP/1.1 200 OK\r\nX: ", "x"), ("", "\r\n")] {
        let peer = Peer::new(once, again, 1);
        let dialing = HttpProxy::new(peer.clone(), "proxy.test", 3128).dial("a.test", 443);
        let (dialed, polls) = peer.in_turns(10_000, dialing);
        let failure = dialed.expect("it ends").map(drop).unwrap_err();
        assert_eq!(failure, CloseCause::Proxy(ProxyCause::Malformed));
        assert!(polls > 1, "all in one poll");
    }
}

#[tokio::test(start_paused = true)]
async fn a_socks_proxys_answer_byte_by_byte() {
    let answer = [&[5, 0, 5, 0, 0, 3, 255][..], &[b'a'; 255], &[1, 187]].concat();
    let peer = Peer::new(answer, "", 1);
    let dialing = Socks5Proxy::new(peer.clone(), "proxy.test", 1080).dial("a.test", 443);
    let (dialed, polls) = peer.in_turns(1_000, dialing);
    assert!(dialed.expect("it ends").is_ok());
    assert!(polls > 8, "{polls} polls");
}

#[tokio::test(start_paused = true)]
async fn the_same_comes_of_an_answer_whatever_its_pieces() {
    let headers = |bytes: usize| {
        let line = format!("X: {}\r\n", "x".repeat(995));
        let rest = bytes - line.len() * (bytes / line.len() - 1);
        line.repeat(bytes / line.len() - 1) + &format!("X: {}\r\n", "x".repeat(rest - 5))
    };
    let longest = (32 << 10) - "HTTP/1.1 404 Not Found\r\n\r\n".len();
    let chunk = |extension: usize| {
        let extension = "y".repeat(extension);
        format!("HTTP/1.1 503 Nope\r\nTransfer-Encoding: chunked\r\n\r\n1;{extension}\r\nx")
    };
    let parsed = |lines: &str| {
        ResponseHeaders::new(lines.lines().map(|line| line.split_once(": ").expect("a header")))
    };
    let chunked = parsed("Transfer-Encoding: chunked");
    let (refused, kept) = (CloseCause::UpgradeRejected, UpgradeRejection::new(503).with_body("x"));
    for (answer, expected) in [
        // Bytes behind the last line aren't read before that line has ended.
        (
            "HTTP/1.1 200 OK\r\nbad header{".to_owned(),
            CloseCause::io("the server ended the connection before its answer"),
        ),
        (
            format!("HTTP/1.1 404 Not Found\r\n{}\r\n", headers(longest)),
            refused(UpgradeRejection::new(404).with_headers(parsed(&headers(longest)))),
        ),
        (
            format!("HTTP/1.1 404 Not Found\r\n{}\r\n", headers(longest + 1)),
            CloseCause::io("the server's answer has too long a head"),
        ),
        (chunk(252), refused(kept.with_headers(chunked.clone()))),
        (chunk(253), refused(UpgradeRejection::new(503).with_headers(chunked))),
    ] {
        for piece in [usize::MAX, 1, 7, 1_000] {
            let (attempt, config) = (attempt(), WebSocketConfig::default());
            let peer = Peer::new(&*answer, "", piece);
            peer.ends();
            let upgrading = websocket::upgrade(peer.stream(), &attempt, &config);
            let outcome = peer.in_turns(10_000, upgrading).0.expect("it ends").unwrap_err();
            assert_eq!(outcome, expected, "in pieces of {piece}");
        }
    }
}
