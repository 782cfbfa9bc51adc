//! Requests for an upgrade, and others, are answered as in the recordings of raw requests.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![cfg(feature = "listener")]

use std::time::Duration;

use phx_testing::listener::Listener;
use phx_testing::{Refusal, Server};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const RAW: &str = include_str!("../transcripts/handshake_raw.jsonl");
const WRONG: &str = include_str!("../transcripts/http_wrong_requests.jsonl");

async fn bind() -> Listener {
    let server = Server::builder().auth_token(true).connect(|info| match info.param("token") {
        Some("bad") => Err(Refusal::new(403)),
        _ => Ok(None),
    });
    Listener::bind(server.build()).await.unwrap()
}

/// Status, the headers that count, and the body.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: String,
    headers: Vec<String>,
    body: String,
}

fn answer(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
    let (line, headers) = head.split_once("\r\n").unwrap();
    let counts = ["upgrade:", "sec-websocket-protocol:", "content-length:"];
    let headers = headers.to_ascii_lowercase();
    let headers =
        headers.split("\r\n").filter(|line| counts.iter().any(|name| line.starts_with(name)));
    let status = line.split(' ').nth(1).unwrap().to_owned();
    Answer { status, headers: headers.map(str::to_owned).collect(), body: body.to_owned() }
}

async fn ask(listener: &Listener, request: &str) -> Answer {
    let exchange = async {
        let mut stream = TcpStream::connect(listener.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = Vec::new();
        // An upgraded connection stays open: its head is all that comes.
        while !(text.starts_with(b"HTTP/1.1 101") && text.ends_with(b"\r\n\r\n")) {
            if stream.read_buf(&mut text).await.unwrap() == 0 {
                break;
            }
        }
        String::from_utf8(text).unwrap()
    };
    let text = tokio::time::timeout(Duration::from_secs(10), exchange).await;
    answer(&text.expect("it took too long"))
}

fn lines(recording: &'static str) -> impl Iterator<Item = Value> {
    recording.lines().map(|line| serde_json::from_str(line).unwrap())
}

#[tokio::test]
async fn raw_requests_are_answered_as_recorded() {
    let listener = bind().await;
    let mut compared = 0;
    for line in lines(RAW).filter(|line| line["kind"] == "raw-handshake") {
        let (request, label) = (line["req"].as_str().unwrap(), line["label"].as_str().unwrap());
        // Sockets with settings of their own, one of them with compression.
        if request.contains("/socket_") {
            continue;
        }
        let expected = answer(line["res"].as_str().unwrap());
        assert_eq!(ask(&listener, request).await, expected, "{label}");
        compared += 1;
    }
    assert_eq!(compared, 21);
}

#[tokio::test]
async fn requests_that_are_no_upgrade_are_answered_as_recorded() {
    let listener = bind().await;
    let recorded: Vec<Value> = lines(WRONG).collect();
    let mut compared = 0;
    for request in recorded.iter().filter(|line| line["kind"] == "http-req") {
        let of_request =
            |line: &&Value| line["kind"] == "http-res" && line["req"] == request["req"];
        let response = recorded.iter().find(of_request).unwrap();
        let (method, url) = (request["method"].as_str().unwrap(), request["url"].as_str().unwrap());
        let text =
            format!("{method} {url} HTTP/1.1\r\nhost: localhost\r\nconnection: keep-alive\r\n\r\n");
        let got = ask(&listener, &text).await;
        let expected = (response["status"].to_string(), response["body_text"].as_str().unwrap());
        assert_eq!((got.status, &*got.body), expected, "{method} {url}");
        compared += 1;
    }
    assert_eq!(compared, 5);
    assert_eq!(listener.with(|server, _| server.sockets().count()), 0);
}
