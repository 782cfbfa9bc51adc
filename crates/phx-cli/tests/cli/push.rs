//! `phx push`.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;

use crate::raw::{Answer, raw};
use crate::support::{Phx, Server, command, phx, phx_with_input};

#[tokio::test]
async fn the_reply_is_printed_and_is_the_exit_code() {
    let server = Server::start().await;
    let url = &*server.url;
    let echo = phx(&["push", url, "room:a", "echo", r#"{"b": [1, 2.0],  "a": null}"#]).await;
    assert_eq!(echo.well(), "{\"b\":[1,2.0],\"a\":null}\n", "as it came, on one line");
    assert_eq!(phx(&["push", url, "room:a", "echo"]).await.well(), "{}\n");
    let pretty = phx(&["push", "--pretty", url, "room:a", "echo", r#"{"a": [1, 2.0]}"#]).await;
    assert_eq!(pretty.well(), "{\n  \"a\": [\n    1,\n    2.0\n  ]\n}\n");
    let fail = phx(&["push", url, "room:a", "fail", r#"{"why": "no"}"#]).await;
    fail.badly(1, "push of `fail` to `room:a`: the reply has the status `error`\n");
    assert_eq!(fail.out, "{\"why\":\"no\"}\n");
    let late = phx(&["push", url, "room:a", "shout", "--timeout", "50ms"]).await;
    late.badly(5, "no reply came in time");
    let rejected = phx(&["push", url, "nothing:a", "echo"]).await;
    rejected.badly(4, "unmatched topic");
    server.stops_empty().await;
}

#[tokio::test]
async fn what_it_cannot_use_is_reported() {
    // None of these opens a connection.
    let url = "ws://127.0.0.1:1/socket";
    phx(&["push", url, "room:a", "echo", "hello"]).await.badly(2, "needs double quotes");
    phx(&["push", url, "room:a", "echo", "@no/such/file"]).await.badly(2, "no/such/file");
    phx(&["push", url, "room:a", "echo", "-j", "x"]).await.badly(2, "NAME=VALUE");
    phx(&["push", "localhost", "room:a", "echo"])
        .await
        .badly(2, "the URL can't be used: the URL's scheme is missing");
    phx(&["push", "127.0.0.1:4000/socket", "room:a", "echo"])
        .await
        .badly(2, "did you mean ws://127.0.0.1:4000/socket?");
    phx(&["push", url, "room:a"]).await.badly(2, "EVENT");
    let v1 = ["push", url, "room:a", "echo", "--vsn", "1.0.0", "--binary", "-"];
    phx(&v1).await.badly(2, "--binary needs --vsn 2.0.0");
    phx(&["push", url, "room:a", "echo"]).await.badly(3, "can't connect");
}

#[tokio::test]
async fn payloads_come_from_files_and_from_standard_input() {
    let server = Server::start().await;
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("payload");
    fs::write(&path, "{\n  \"from\": \"a file\"\n}\n").unwrap();
    let at_path = format!("@{}", path.display());
    let echo = ["push", &server.url, "room:a", "echo"];
    let out = phx(&[&echo[..], &[&at_path]].concat()).await.well();
    assert_eq!(out, "{\"from\":\"a file\"}\n");
    let out = phx_with_input(&[&echo[..], &["-"]].concat(), b"[1]").await.well();
    assert_eq!(out, "[1]\n");
    server.stops_empty().await;
}

#[tokio::test]
async fn bytes_come_back_as_they_are() {
    let server = Server::start().await;
    let echo = ["push", &server.url, "room:a", "echo", "--binary", "-"];
    let out = phx_with_input(&echo, b"\0bytes\n").await.well();
    assert_eq!(out.as_bytes(), b"\0bytes\n");
    let json = phx_with_input(&[&echo[..], &["--json"]].concat(), &[0, 255]).await.well();
    let record: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(record["binary"], "AP8=");
    server.stops_empty().await;
}

#[tokio::test]
async fn a_reply_as_an_object() {
    let server = Server::start().await;
    let fail = phx(&["push", "--json", &server.url, "room:a", "fail", "[1]"]).await;
    assert_eq!(fail.code, Some(1));
    let record: Value = serde_json::from_str(&fail.out).unwrap();
    assert_eq!(record["kind"], "reply");
    assert_eq!((&record["topic"], &record["event"]), (&json!("room:a"), &json!("fail")));
    assert_eq!((&record["payload"], &record["status"]), (&json!([1]), &json!("error")));
    server.stops_empty().await;
}

#[tokio::test]
async fn a_push_that_nobody_waits_for_arrives() {
    let server = Server::start().await;
    let mut join = Phx::joined(&["join", "--json", &server.url, "room:a"]).await;
    let push = ["push", "--no-reply", &server.url, "room:a", "shout", r#"{"n":7}"#];
    assert_eq!(phx(&[&push[..], &["--repeat", "3"]].concat()).await.well(), "");
    let at_a_rate = ["--repeat", "3", "--rate", "1000", "-vv"];
    let ended = phx(&[&push[..], &at_a_rate].concat()).await;
    assert_eq!((ended.code, &*ended.out), (Some(0), ""), "{ended:?}");
    let frame = r#"> ["2",null,"room:a","shout",{"n":7}]"#;
    assert_eq!(ended.err.matches(frame).count(), 3, "no ref: the server owes nothing: {ended:?}");
    for _ in 0..6 {
        assert_eq!(join.record("message").await["payload"], json!({ "n": 7 }));
    }
    join.interrupted().await.well();
    server.stops_empty().await;
}

#[tokio::test]
async fn many_pushes_one_after_another_or_at_a_rate() {
    let server = Server::start().await;
    let echo = ["push", &server.url, "room:a", "echo", "1", "--repeat", "20"];
    assert_eq!(phx(&echo).await.well(), "1\n".repeat(20));
    let echo = [&echo[..], &["--rate", "1000"]].concat();
    assert_eq!(phx(&echo).await.well(), "1\n".repeat(20));
    let fail = ["push", &server.url, "room:a", "fail", "1", "--repeat", "3"];
    let fail = phx(&fail).await;
    fail.badly(1, "status `error`");
    assert_eq!(fail.out, "1\n".repeat(3), "an error doesn't end it");
    server.stops_empty().await;
}

#[tokio::test]
async fn the_end_of_the_connection_is_no_timeout() {
    let mut server = Server::start().await;
    let mut push = Phx::start(&["push", "-v", &server.url, "room:a", "shout"]);
    push.shows_on_stderr("\"shout\"").await;
    server.say("drop").await;
    push.ends().await.badly(6, "the connection ended before the reply came");
    server.stops_empty().await;
}

#[tokio::test]
async fn an_interrupt_leaves_and_disconnects() {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let server = Server::start().await;
        let mut push = Phx::start(&["push", "-v", &server.url, "room:a", "shout"]);
        push.shows_on_stderr("\"shout\"").await;
        push.signal(signal).await;
        let ended = push.ends().await;
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.err.contains("phx_leave"), "{ended:?}");
        assert!(ended.err.contains("closed by the peer with code 1000"), "{ended:?}");
        server.stops_empty().await;
    }
}

#[tokio::test]
async fn frames_are_shown_and_secrets_are_not() {
    let server = Server::with(&["--token", "s3cret"]).await;
    let push =
        ["push", &server.url, "room:a", "echo", r#"{"text":"hi","password":"s3cret"}"#, "-v"];
    let secrets = ["-p", "token=s3cret", "-p", "user=s3cret", "-H", "X-Key: s3cret"];
    let join = ["-j", "access=s3cret", "--auth-token", "s3cret"];
    let masked = phx(&[&push[..], &secrets, &join].concat()).await;
    assert_eq!(masked.code, Some(0), "{masked:?}");
    for shown in [
        " > GET ws://127.0.0.1:",
        "/socket/websocket?token=***&user=***&vsn=2.0.0",
        " > X-Key: ***",
        " < open",
        r#"","room:a","phx_join",{"access":"***"}]"#,
        r#","echo",{"text":"hi","password":"***"}]"#,
        r#""phx_reply",{"response":{"text":"hi","password":"***"},"status":"ok"}]"#,
        " > close 1000",
    ] {
        assert!(masked.err.contains(shown), "{shown} isn't shown: {}", masked.err);
    }
    assert!(!masked.err.contains("s3cret"), "{}", masked.err);

    let open = phx(&[&push[..], &secrets, &join, &["--show-secrets"]].concat()).await;
    for shown in ["token=s3cret&user=s3cret", "X-Key: s3cret", r#"{"access":"s3cret"}"#] {
        assert!(open.err.contains(shown), "{shown} isn't shown: {}", open.err);
    }
    server.stops_empty().await;
}

#[tokio::test]
async fn nothing_is_written_where_nobody_reads() {
    let server = Server::start().await;
    let (ours, theirs) = std::io::pipe().unwrap();
    drop(ours);
    let mut command = command(&["push", &server.url, "room:a", "echo"]);
    let mut child = command.stdout(theirs).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).await.unwrap();
    let status = child.wait().await.unwrap();
    assert_eq!((status.code(), &*err), (Some(0), ""));
    server.stops_empty().await;
}

/// Starts a server whose 101 names no protocol, as with Phoenix 1.7 or without `auth_token: true`.
#[tokio::test]
async fn a_server_that_ignores_the_token_is_a_warning() {
    let url = raw(|message| vec![message.reply("ok", &json!({}))]).await;
    let push = ["push", &url, "room:a", "echo"];
    let warned = phx(&[&push[..], &["--auth-token", "s3cret"]].concat()).await;
    assert_eq!((warned.code, warned.err.lines().count()), (Some(0), 1), "{warned:?}");
    assert!(warned.err.contains("ignored the auth token"), "{warned:?}");
    // With frames shown as well; an empty token counts as none.
    let shown = phx(&[&push[..], &["-v", "--auth-token", "s3cret"]].concat()).await;
    assert!(shown.err.contains("ignored the auth token"), "{shown:?}");
    assert!(!warned.err.contains("s3cret") && !shown.err.contains("s3cret"));
    for without in [&[][..], &["--auth-token", ""]] {
        assert_eq!(phx(&[&push[..], without].concat()).await.err, "", "{without:?}");
    }
}

#[tokio::test]
async fn a_push_that_is_larger_than_the_server_takes_says_1009() {
    let url = raw(|message| match message.event() {
        "phx_join" => vec![message.reply("ok", &json!({}))],
        _ => vec![Answer::Close(1009, String::new())],
    });
    let ended = phx(&["push", &url.await, "room:a", "echo"]).await;
    ended.badly(6, "push of `echo` to `room:a`");
    ended.badly(6, "closed with 1009");
}
