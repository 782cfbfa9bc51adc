//! Long-poll over real connections.

use flate2::read::GzDecoder;
use phx_testing::listener::Listener;
use phx_testing::{HttpServer, Payload, UpgradeRejection, demo_server};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client::{JOIN, bind, connect, within};

const ENDPOINT: &str = "/socket/longpoll?vsn=2.0.0";

/// A connection that carries one request behind the other.
struct Http {
    stream: TcpStream,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Http {
    async fn connect(listener: &Listener) -> Self {
        let stream = TcpStream::connect(listener.address()).await.unwrap();
        Http { stream, buffer: Vec::new() }
    }

    async fn write(&mut self, method: &str, headers: &str, body: &str) {
        let text = format!(
            "{method} {ENDPOINT} HTTP/1.1\r\nhost: here\r\ncontent-length: {}\r\n{headers}\r\n{body}",
            body.len()
        );
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    async fn ask(&mut self, method: &str, headers: &str, body: &str) -> Answer {
        self.write(method, headers, body).await;
        self.read().await.expect("an answer")
    }

    /// Writes a poll; [`read`](Self::read) reads its answer.
    async fn poll(&mut self, token: &str) {
        self.write("GET", &format!("x-phoenix-longpoll-token: {token}\r\n"), "").await;
    }

    async fn get(&mut self, token: &str) -> Answer {
        self.poll(token).await;
        self.read().await.expect("an answer")
    }

    async fn post(&mut self, token: &str, body: &str) -> Answer {
        let headers =
            format!("x-phoenix-longpoll-token: {token}\r\ncontent-type: application/x-ndjson\r\n");
        self.ask("POST", &headers, body).await
    }

    /// Creates a session, and returns its token.
    async fn open(&mut self) -> String {
        let answer = self.ask("GET", "", "").await.json();
        assert_eq!(answer["status"], 410);
        answer["token"].as_str().unwrap().to_owned()
    }

    /// Creates a session, and joins `room:a`.
    async fn join(&mut self) -> String {
        let token = self.open().await;
        assert_eq!(self.post(&token, JOIN).await.json()["status"], 200);
        assert_eq!(self.get(&token).await.json()["messages"].as_array().unwrap().len(), 1);
        token
    }

    /// Reads an answer; `None` if the connection ends first.
    async fn read(&mut self) -> Option<Answer> {
        within(async {
            let head_end = loop {
                if let Some(at) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                    break at + 4;
                }
                if !matches!(self.stream.read_buf(&mut self.buffer).await, Ok(1..)) {
                    return None;
                }
            };
            let head = String::from_utf8(self.buffer.drain(..head_end).collect()).unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.expect("a length").parse().unwrap();
            while self.buffer.len() < length {
                assert_ne!(self.stream.read_buf(&mut self.buffer).await.unwrap(), 0);
            }
            let body = self.buffer.drain(..length).collect();
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            Some(Answer { status, head, body })
        })
        .await
    }
}

#[tokio::test]
async fn both_transports_share_a_port_and_the_topics() {
    let listener = bind().await;
    let mut http = Http::connect(&listener).await;
    let token = http.join().await;
    let mut socket = within(connect(&listener)).await.unwrap();
    super::client::send(&mut socket, JOIN).await;
    super::client::receive(&mut socket).await;
    super::client::send(&mut socket, r#"["1","2","room:a","shout",{"a":1}]"#).await;
    let answer = http.get(&token).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["messages"][0], r#"[null,null,"room:a","shout",{"a":1}]"#);
    assert!(answer.head.contains("access-control-allow-origin: *\r\n"), "{}", answer.head);
}

#[tokio::test]
async fn a_poll_waits_for_a_message() {
    let listener = bind().await;
    let mut http = Http::connect(&listener).await;
    let token = http.join().await;
    http.poll(&token).await;
    let mut other = Http::connect(&listener).await;
    let pushed = r#"["1","2","room:a","shout",{}]"#;
    assert_eq!(other.post(&token, pushed).await.json()["status"], 200);
    assert_eq!(http.read().await.unwrap().json()["status"], 200);
}

#[tokio::test(start_paused = true)]
async fn a_poll_ends_after_its_window() {
    let listener = bind().await;
    let mut http = Http::connect(&listener).await;
    let token = http.open().await;
    http.poll(&token).await;
    let asked = tokio::time::Instant::now();
    let mut first = [0];
    http.stream.read_exact(&mut first).await.unwrap();
    assert_eq!(asked.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn chunks_and_expectations_are_understood() {
    let listener = bind().await;
    let mut http = Http::connect(&listener).await;
    let token = http.open().await;
    let head = format!(
        "POST {ENDPOINT} HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\nexpect: 100-continue\r\n\
         x-phoenix-longpoll-token: {token}\r\ncontent-type: application/x-ndjson\r\n\r\n"
    );
    http.stream.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    within(http.stream.read_exact(&mut go_on)).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    let (first, second) = JOIN.split_at(5);
    let body = format!("5\r\n{first}\r\n{:x};a=b\r\n{second}\r\n0\r\nx: y\r\n\r\n", second.len());
    http.stream.write_all(body.as_bytes()).await.unwrap();
    assert_eq!(http.read().await.unwrap().json()["status"], 200);
    assert_eq!(http.get(&token).await.json()["messages"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let listener = bind().await;
    let mut http = Http::connect(&listener).await;
    http.write("OPTIONS", "", "").await;
    http.write("PUT", "", "x").await;
    http.write("GET", "", "").await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(http.read().await.unwrap().status);
    }
    assert_eq!(statuses, [200, 400, 200]);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_the_connection_ends() {
    let listener = bind().await;
    let mut http = Http::connect(&listener).await;
    let token = http.open().await;
    let answer = http.post(&token, &"x".repeat(9_000_000)).await;
    assert_eq!(
        (answer.status, answer.json()["errors"]["detail"].as_str()),
        (400, Some("400.json"))
    );
    assert!(http.read().await.is_none());
}

#[tokio::test]
async fn a_refusal_is_for_the_next_session_too() {
    let listener = bind().await;
    let mut http = Http::connect(&listener).await;
    let token = http.open().await;
    listener.refuse_next(UpgradeRejection::new(503).with_header("retry-after", "7"));
    // A session that is there isn't an attempt.
    assert_eq!(http.post(&token, JOIN).await.json()["status"], 200);
    assert_eq!(http.get(&token).await.json()["status"], 200);
    let refused = http.ask("GET", "", "").await;
    assert_eq!(refused.status, 503);
    assert!(refused.head.contains("retry-after: 7\r\n"));
    http.open().await;
}

#[tokio::test]
async fn an_error_ends_a_connection_without_a_word() {
    for (server, goes_on) in [(HttpServer::Bandit, false), (HttpServer::Cowboy, true)] {
        let listener = Listener::bind(demo_server().http_server(server).build()).await.unwrap();
        let mut http = Http::connect(&listener).await;
        let token = http.open().await;
        let answer = http.post(&token, "%").await;
        assert_eq!(answer.status, 500);
        assert!(!answer.head.contains("connection:"), "{}", answer.head);
        if goes_on {
            http.open().await;
        } else {
            assert!(http.read().await.is_none());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_as_its_server_does() {
    for (server, seconds) in [(HttpServer::Bandit, 60), (HttpServer::Cowboy, 5)] {
        let listener = Listener::bind(demo_server().http_server(server).build()).await.unwrap();
        let mut http = Http::connect(&listener).await;
        http.open().await;
        let answered = tokio::time::Instant::now();
        assert_eq!(http.stream.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(answered.elapsed().as_secs(), seconds);
    }
}

#[tokio::test]
async fn cowboy_answers_a_thousand_requests_on_one_connection() {
    let server = demo_server().http_server(HttpServer::Cowboy);
    let listener = Listener::bind(server.build()).await.unwrap();
    let mut http = Http::connect(&listener).await;
    for number in 1..=1_000 {
        let answer = http.ask("OPTIONS", "", "").await;
        assert_eq!(answer.head.contains("connection: close\r\n"), number == 1_000);
    }
    assert!(http.read().await.is_none());
}

#[tokio::test]
async fn idle_connections_are_closed_on_command_and_others_are_not() {
    let listener = bind().await;
    let mut polling = Http::connect(&listener).await;
    let token = polling.join().await;
    let mut idle = Http::connect(&listener).await;
    idle.ask("OPTIONS", "", "").await;
    polling.poll(&token).await;
    within(listener.wait_for_polls(1)).await;
    listener.close_idle();
    assert!(idle.read().await.is_none());
    listener.broadcast("room:a", "shout", Payload::empty());
    assert_eq!(polling.read().await.unwrap().json()["status"], 200);
}

#[tokio::test]
async fn polls_are_aborted_on_command_and_their_messages_are_the_web_servers_business() {
    for (server, kept) in [(HttpServer::Bandit, 0), (HttpServer::Cowboy, 1)] {
        let listener = Listener::bind(demo_server().http_server(server).build()).await.unwrap();
        let mut polling = Http::connect(&listener).await;
        let token = polling.join().await;
        polling.poll(&token).await;
        within(listener.wait_for_polls(1)).await;
        listener.abort_polls();
        assert!(polling.read().await.is_none());
        listener.broadcast("room:a", "shout", Payload::empty());
        let mut next = Http::connect(&listener).await;
        next.poll(&token).await;
        if kept == 0 {
            within(listener.wait_for_polls(1)).await;
            listener.broadcast("room:a", "later", Payload::empty());
        }
        let answer = next.read().await.unwrap().json();
        let event = if kept == 0 { "later" } else { "shout" };
        assert_eq!(answer["messages"][0], format!(r#"[null,null,"room:a","{event}",{{}}]"#));
    }
}

#[tokio::test]
async fn a_stop_ends_the_connections_of_polls() {
    let listener = bind().await;
    let mut polling = Http::connect(&listener).await;
    let token = polling.join().await;
    polling.poll(&token).await;
    let mut idle = Http::connect(&listener).await;
    idle.ask("OPTIONS", "", "").await;
    within(listener.wait_for_polls(1)).await;
    within(listener.stop()).await;
    assert!(polling.read().await.is_none());
    assert!(idle.read().await.is_none());
}

#[tokio::test]
async fn bandit_compresses_answers_for_those_who_accept_it_and_cowboy_does_not() {
    for (server, compresses) in [(HttpServer::Bandit, true), (HttpServer::Cowboy, false)] {
        let listener = Listener::bind(demo_server().http_server(server).build()).await.unwrap();
        let mut http = Http::connect(&listener).await;
        let answer = http.ask("GET", "accept-encoding: deflate, gzip\r\n", "").await;
        assert_eq!(answer.head.contains("content-encoding: gzip\r\n"), compresses);
        let body = if compresses {
            let mut body = Vec::new();
            std::io::Read::read_to_end(&mut GzDecoder::new(&*answer.body), &mut body).unwrap();
            body
        } else {
            answer.body
        };
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["status"], 410);
        // No client asks for it without saying so.
        assert!(!http.ask("GET", "", "").await.head.contains("content-encoding"));
    }
}

#[tokio::test]
async fn a_cut_resets_the_connections_of_a_session_and_not_the_session() {
    let listener = bind().await;
    let mut polling = Http::connect(&listener).await;
    let token = polling.join().await;
    let session = listener.with(|server, _| server.sockets().next()).unwrap();
    let mut other = Http::connect(&listener).await;
    let others = other.join().await;
    polling.poll(&token).await;
    other.poll(&others).await;
    within(listener.wait_for_polls(2)).await;
    listener.connection(session).cut();
    assert!(polling.read().await.is_none());
    listener.broadcast("room:a", "shout", Payload::empty());
    assert_eq!(other.read().await.unwrap().json()["status"], 200);
    assert_eq!(listener.with(|server, _| server.sockets().count()), 2);
    // It goes on over another connection.
    let mut again = Http::connect(&listener).await;
    again.poll(&token).await;
    within(listener.wait_for_polls(1)).await;
    listener.broadcast("room:a", "shout", Payload::empty());
    assert_eq!(again.read().await.unwrap().json()["status"], 200);
}

#[tokio::test]
async fn bodies_without_an_end_take_no_more_than_their_limit() {
    let listener = bind().await;
    let mut http = Http::connect(&listener).await;
    let token = http.open().await;
    let head = format!(
        "POST {ENDPOINT} HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\
         x-phoenix-longpoll-token: {token}\r\n\r\n"
    );
    http.stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("100000\r\n{}\r\n", "x".repeat(0x0010_0000));
    for _ in 0..8 {
        http.stream.write_all(chunk.as_bytes()).await.unwrap();
    }
    assert_eq!(http.read().await.unwrap().status, 400);

    // Lengths that aren't clear, and chunks that are none, end the connection.
    let bad = ["content-length: 1\r\ncontent-length: 2\r\n\r\n", "content-length: x\r\n\r\n"];
    let endless = format!("transfer-encoding: chunked\r\n\r\n1;{}", "x".repeat(2_000));
    for bad in bad.into_iter().chain([endless.as_str(), "transfer-encoding: gzip\r\n\r\n"]) {
        let mut http = Http::connect(&listener).await;
        let request = format!("POST {ENDPOINT} HTTP/1.1\r\nhost: here\r\n{bad}");
        http.stream.write_all(request.as_bytes()).await.unwrap();
        assert!(http.read().await.is_none(), "{bad:.40}");
    }
}
