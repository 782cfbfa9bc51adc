//! `phx serve`, and its faults on command.

use std::time::{Duration, Instant};

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
