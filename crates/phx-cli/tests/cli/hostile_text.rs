//! No text of a server can forge a line in the output of `phx` for people, or act on a terminal.

use std::fmt::Debug;

use phx_tokio::Escaped;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::raw::{Answer, Received, raw};
use crate::support::{Ended, Phx, phx, phx_with_input};
use crate::terminal;

/// Text that forges a line, controls a terminal, reverses the direction, and has invisible characters.
pub(crate) const HOSTILE: &str = "a\r\n12:00:00.000  forged\x1b[2J\x1b]0;title\x07\u{9b}2J\0\u{85}\u{7f}\u{2028}\u{2029}\u{202e}\u{2066}\u{2069}\u{200b}\u{200f}\u{feff}\u{ad}\u{e0041}";

#[track_caller]
pub(crate) fn assert_harmless(what: impl Debug, ended: &Ended) {
    for text in [&ended.out, &ended.err] {
        let bad = text.chars().find(|c| *c != '\n' && Escaped::is_escaped(*c));
        assert_eq!(bad, None, "{what:?}: {}", text.escape_debug());
        let is_forged = text.lines().any(|line| line.starts_with("12:00:00.000  forged"));
        assert!(!is_forged, "{what:?}: {text}");
    }
    let shows_it = ended.out.contains("forged") || ended.err.contains("forged");
    assert!(shows_it, "{what:?} shows nothing of it: {ended:?}");
}

/// Answers every message with all kinds of names that a server can send.
fn answers(message: &Received) -> Vec<Answer> {
    let payload = json!({ HOSTILE: HOSTILE, "reason": HOSTILE });
    let presence: Value = json!({ HOSTILE: { "metas": [{ "phx_ref": HOSTILE, "x": HOSTILE }] } });
    match message.event() {
        "phx_join" if message.topic().contains("rejected") => {
            vec![message.reply(HOSTILE, &payload)]
        }
        "phx_join" => vec![
            message.reply("ok", &payload),
            message.event_of("presence_state", &presence),
            message.event_of("presence_diff", &json!({ "joins": {}, "leaves": presence })),
            message.event_of(HOSTILE, &payload),
            message.event_of(HOSTILE, &payload),
            Answer::Text(HOSTILE.to_owned()),
            Answer::Text(json!([null, null, HOSTILE, HOSTILE, payload]).to_string()),
            Answer::Text(json!([HOSTILE, HOSTILE, HOSTILE, "phx_reply", payload]).to_string()),
        ],
        "crash" => vec![message.event_of("phx_error", &payload)],
        "end" => vec![Answer::Close(4000, HOSTILE.chars().take(60).collect())],
        _ => vec![message.reply(HOSTILE, &payload)],
    }
}

#[tokio::test]
async fn of_a_server_that_names_everything_like_that() {
    let url = raw(answers).await;
    for command in [
        &["join", &url, "room:a", "-n", "4", "-v"][..],
        &["join", &url, "room:a", "-n", "4", "--also", "*", "-vv", "--show-secrets"],
        &["join", &url, "room:a", "--json", "-n", "4"],
        &["join", &url, "rejected"],
        &["join", &url, &format!("room:{HOSTILE}"), "-n", "1"],
        &["push", &url, "room:a", "echo", "-v"],
        &["push", &url, "room:a", "echo", "--json"],
        &["push", &url, "rejected", "echo"],
        &["push", &url, "room:a", "end", "--no-reconnect", "-v"],
        &["push", &url, HOSTILE, HOSTILE],
        &["bench", &url, "-d", "100ms"],
        &["bench", &url, "-d", "100ms", "--json"],
        &["presence", &url, "rejected"],
    ] {
        let ended = phx(&without_zeros(command)).await;
        assert_harmless(command, &ended);
    }
    let mut presence = Phx::start(&["presence", &url, "room:a", "--lines"]);
    let mut shown = String::new();
    while !shown.contains("synced") {
        shown.push_str(&format!("{}\n", presence.line().await));
    }
    let ended = presence.interrupted().await;
    assert_harmless("presence", &Ended { out: shown, ..ended });

    let talk = "join room:a\npush . echo\npush . crash\nleave .\njoin rejected\npush . end\nquit\n";
    let repl = ["repl", &url, "--no-history", "--timeout", "300ms"];
    assert_harmless("repl", &phx_with_input(&repl, talk.as_bytes()).await);
    let script = r#"{"do":"connect"}
        {"do":"join","topic":"room:a"}
        {"do":"push","topic":"room:a","event":"echo"}"#;
    let command = ["script", "--url", &url, "-"];
    assert_harmless("script", &phx_with_input(&command, script.as_bytes()).await);
}

/// Removes NUL, which arguments can't hold.
fn without_zeros<'a>(command: &[&'a str]) -> Vec<&'a str> {
    command.iter().map(|word| word.split('\0').next().unwrap_or_default()).collect()
}

#[tokio::test]
async fn of_a_server_that_refuses_like_that() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/socket", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let body = HOSTILE.trim_start_matches("a\r\n");
            let head = format!("HTTP/1.1 500 No\x1b[2J\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    let ended = phx(&["push", &url, "room:a", "echo", "-v"]).await;
    let bad = ended.err.chars().find(|c| *c != '\n' && Escaped::is_escaped(*c));
    assert_eq!((bad, ended.code), (None, Some(3)), "{ended:?}");
}

/// In a terminal there are only this program's escape sequences, and Tab completes no hostile name.
#[tokio::test(flavor = "multi_thread")]
async fn in_a_terminal() {
    let url = raw(answers).await;
    let harmless = |shown: &str| {
        let bad = shown.chars().find(|c| !c.is_ascii_control() && Escaped::is_escaped(*c));
        assert_eq!(bad, None, "{}", shown.escape_debug());
        assert!(!shown.contains("\x1b[2J") && !shown.contains("title\x07"), "{shown:?}");
    };
    let mut presence = terminal::start(&["presence", &url, "room:a"], &[]);
    presence.sees("present");
    presence.sees("forged");
    presence.types(phx_pty::CTRL_C);
    harmless(&presence.ends(0));

    let mut repl = terminal::start(&["repl", &url, "--no-history"], &[]);
    repl.sees("phx> ");
    repl.types("join room:a\r");
    // The name of the last event.
    repl.sees("\\u{202e}");
    repl.sees("phx> ");
    // Only harmless names are completed.
    repl.types("push . \t\t");
    repl.sees("presence_diff   presence_state\r\n");
    repl.types("echo\r");
    repl.sees("presence_echo");
    repl.sees("\\u{202e}");
    repl.sees("phx> ");
    repl.types(phx_pty::CTRL_D);
    harmless(&repl.ends(0));
}
