//! Upgrade requests and other requests are answered as in the recordings of raw requests.

use phx_conformance::recordings::{Fact, Recording};
use phx_testing::listener::Listener;
use phx_testing::{Server, UpgradeRejection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client::{UPGRADE, within};

async fn bind() -> Listener {
    let server = Server::builder().auth_token(true).connect(|info| match info.param("token") {
        Some("bad") => Err(UpgradeRejection::new(403)),
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
    answer(&within(exchange).await)
}

fn facts(recording: &str) -> Vec<Fact> {
    Recording::open(recording).unwrap().lines.into_iter().map(|line| line.fact).collect()
}

#[tokio::test]
async fn raw_requests_are_answered_as_recorded() {
    let listener = bind().await;
    let mut compared = 0;
    for fact in facts("handshake_raw") {
        let Fact::RawHandshake { label, req, res } = fact else { continue };
        // Sockets with other settings, one of them with compression.
        if req.contains("/socket_") {
            continue;
        }
        assert_eq!(ask(&listener, &req).await, answer(&res), "{label}");
        compared += 1;
    }
    assert_eq!(compared, 21);
}

#[tokio::test]
async fn requests_that_are_no_upgrade_are_answered_as_recorded() {
    let listener = bind().await;
    let recorded = facts("http_wrong_requests");
    let mut compared = 0;
    for fact in &recorded {
        let Fact::HttpReq { req: asked, method, url, .. } = fact else { continue };
        let expected = recorded.iter().find_map(|fact| match fact {
            Fact::HttpRes { req, answer } if req == asked => Some(answer),
            _ => None,
        });
        let expected = expected.unwrap();
        let text = format!(
            "{method} {} HTTP/1.1\r\nhost: localhost\r\nconnection: keep-alive\r\n\r\n",
            url
        );
        let got = ask(&listener, &text).await;
        assert_eq!((got.status, got.body), (expected.status.to_string(), expected.body.clone()));
        compared += 1;
    }
    assert_eq!(compared, 5);
    assert_eq!(listener.with(|server, _| server.sockets().count()), 0);
}

#[tokio::test]
async fn a_frame_may_come_with_the_request() {
    let listener = bind().await;
    let heartbeat = br#"[null,"1","phoenix","heartbeat",{}]"#;
    // A text frame whose mask is zero.
    let mut bytes = UPGRADE.as_bytes().to_vec();
    bytes.extend_from_slice(&[0x81, 0x80 | u8::try_from(heartbeat.len()).unwrap(), 0, 0, 0, 0]);
    bytes.extend_from_slice(heartbeat);
    let exchange = async {
        let mut stream = TcpStream::connect(listener.address()).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(br#"{"response":{},"status":"ok"}]"#) {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0);
        }
    };
    within(exchange).await;
}

#[tokio::test]
async fn what_of_a_refusal_is_no_http_is_left_out() {
    let listener = bind().await;
    listener.refuse_next(
        UpgradeRejection::new(7)
            .with_header("x-a", "1\r\nupgrade: injected")
            .with_header("upgrade\r\nx", "injected")
            .with_header("content-length", "99")
            .with_header("upgrade", "later")
            .with_body("no"),
    );
    let expected = Answer {
        status: "500".to_owned(),
        headers: vec!["content-length: 2".to_owned(), "upgrade: later".to_owned()],
        body: "no".to_owned(),
    };
    assert_eq!(ask(&listener, UPGRADE).await, expected);
}
