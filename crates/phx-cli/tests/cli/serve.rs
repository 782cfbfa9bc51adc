//! `phx serve`, and its faults on command.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Phx, Server, phx};

#[tokio::test]
async fn who_has_no_token_is_refused() {
    let server = Server::with(&["--token", "s3cret"]).await;
    let push = ["push", &server.url, "room:a", "echo"];
    let refused = phx(&push).await;
    refused.badly(3, "HTTP status 403 (");
    refused.badly(3, "): Forbidden");
    refused.badly(3, "is the token right");
    phx(&[&push[..], &["--auth-token", "other"]].concat()).await.badly(3, "403");
    phx(&[&push[..], &["--auth-token", "s3cret"]].concat()).await.well();
    phx(&[&push[..], &["-p", "token=s3cret"]].concat()).await.well();
    server.stops_empty().await;
}

#[tokio::test]
async fn its_commands_do_what_they_say() {
    let mut server = Server::start().await;
    let mut join = Phx::joined(&["join", "--json", &server.url, "room:a"]).await;
    assert_eq!(server.say("connections").await, "1 connections");
    assert_eq!(server.line().await, "  1: room:a");

    assert_eq!(server.say("stall").await, "stalled 1 connections");
    assert_eq!(server.say("broadcast room:a late").await, "broadcast");
    assert_eq!(server.say("resume").await, "resumed 1 connections");
    assert_eq!(join.record("message").await["event"], "late");

    assert_eq!(server.say("refuse 503").await, "the next attempt to connect is refused with 503");
    assert_eq!(server.say("drain").await, "drained 1 connections");
    assert_eq!(join.record("disconnected").await["code"], 1012);
    let refused = join.record("disconnected").await;
    assert!(refused["detail"].as_str().unwrap().contains("503"), "{refused}");
    join.record("connected").await;
    join.record("rejoined").await;

    assert_eq!(server.say("restart 10ms").await, "restarted, with 1 connections lost");
    assert_eq!(join.record("disconnected").await["code"], 1012);
    join.record("connected").await;
    join.record("rejoined").await;
    join.interrupted().await.well();

    let nothing = server.say("nothing").await;
    assert_eq!(nothing, "not done: there is no `nothing`; `help` lists the commands");
    server.stops_empty().await;
}

#[tokio::test]
async fn a_channel_that_crashes_is_logged_without_its_payload() {
    let mut serve = Phx::start(&["serve", "--port", "0"]);
    let url = serve.line().await;
    let push = ["push", &url, "room:a", "no\u{1b}such", "{\"token\":\"s3cret\"}"];
    phx(&push).await.badly(6, "crashed the channel");
    let ended = serve.interrupted().await;
    assert_eq!(ended.err, "the channel `room:a` crashed at `no\\u{1b}such`\n");
}

#[tokio::test]
async fn faults_by_options() {
    let server = Server::with(&["--latency", "30ms", "--refuse-first", "1"]).await;
    phx(&["push", &server.url, "room:a", "echo"]).await.badly(3, "503");
    let started = Instant::now();
    phx(&["push", &server.url, "room:a", "echo"]).await.well();
    assert!(started.elapsed() > Duration::from_millis(60), "the upgrade alone takes as long");
    server.stops_empty().await;

    let server = Server::with(&["--drop-every", "400ms"]).await;
    let mut join = Phx::start(&["join", "--json", "--reconnect", &server.url, "room:a"]);
    join.ended_up("rejoined").await;
    join.interrupted().await.well();
}

#[tokio::test]
async fn a_port_that_is_taken() {
    let server = Server::start().await;
    let port = server.url.split([':', '/']).nth(4).unwrap();
    phx(&["serve", "--port", port]).await.badly(2, "can't listen on 127.0.0.1:");
    server.stops_empty().await;
}

#[tokio::test]
async fn an_address_that_other_machines_reach_is_warned_of() {
    for host in ["0.0.0.0", "::"] {
        let mut serve = Phx::start(&["serve", "--port", "0", "--host", host]);
        serve.shows_on_stderr("can be reached from other machines").await;
        serve.interrupted().await;
    }
    for host in ["127.0.0.1", "127.0.0.2", "::ffff:127.0.0.1"] {
        let mut serve = Phx::start(&["serve", "--port", "0", "--host", host]);
        serve.line().await;
        serve.interrupted().await.well();
    }
}

#[tokio::test]
async fn long_poll_shares_the_port_and_has_its_faults() {
    let mut server = Server::start().await;
    let mut join = Phx::joined(&["join", "--json", &server.url, "room:a"]).await;
    let address = server.url.split('/').nth(2).unwrap().to_owned();
    let mut http = TcpStream::connect(&address).await.unwrap();
    let created = ask(&mut http, "GET", "", "").await;
    let token = created.split('"').find(|text| text.starts_with("SFMyNTY.")).unwrap().to_owned();
    let token = format!("x-phoenix-longpoll-token: {token}\r\n");
    let posted = r#"["1","1","room:a","phx_join",{}]"#;
    assert!(ask(&mut http, "POST", &token, posted).await.ends_with(r#"{"status":200}"#));
    assert!(ask(&mut http, "GET", &token, "").await.contains("phx_reply"));
    assert_eq!(server.say("connections").await, "2 connections");
    assert_eq!(server.line().await, "  1: room:a");
    assert_eq!(server.line().await, "  2: room:a");

    assert_eq!(server.say("fail-poll").await, "the next poll with messages fails");
    assert_eq!(server.say("broadcast room:a lost").await, "broadcast");
    assert_eq!(join.record("message").await["event"], "lost");
    assert!(ask(&mut http, "GET", &token, "").await.starts_with("HTTP/1.1 500 "));
    // It ended behind that answer.
    let mut http = TcpStream::connect(&address).await.unwrap();
    assert_eq!(server.say("slow-posts 20ms").await, "POSTs take 20ms longer");
    let started = Instant::now();
    ask(&mut http, "POST", &token, r#"[null,"2","phoenix","heartbeat",{}]"#).await;
    assert!(started.elapsed() >= Duration::from_millis(20));
    assert_eq!(server.say("busy 1ms").await, "2 connections are busy");
    assert_eq!(server.say("close-idle").await, "closed the idle connections");
    assert_eq!(http.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(server.say("abort-polls").await, "aborted the polls");
    join.interrupted().await.well();
    // Without polls the session would live for 15 s.
    server.say("drain").await;
    server.stops_empty().await;
}

/// Sends a request and reads its answer.
async fn ask(http: &mut TcpStream, method: &str, headers: &str, body: &str) -> String {
    let request = format!(
        "{method} /socket/longpoll?vsn=2.0.0 HTTP/1.1\r\nhost: here\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    http.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    loop {
        assert_ne!(http.read_buf(&mut answer).await.unwrap(), 0);
        let text = std::str::from_utf8(&answer).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if length.is_some_and(|length| length == body.len().to_string()) {
            return text.to_owned();
        }
    }
}
