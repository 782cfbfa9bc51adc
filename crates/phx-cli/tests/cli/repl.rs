//! `phx repl`.

use std::fs;

use phx_pty::{CTRL_C, CTRL_D};
use tempfile::TempDir;

use crate::support::{Phx, Server, phx, phx_with_input};
use crate::terminal;

const TAB: &str = "\t";
const UP: &str = "\x1b[A";

#[tokio::test]
async fn a_conversation_in_a_terminal() {
    let mut server = Server::start().await;
    let home = TempDir::new().unwrap();
    let state = [("XDG_STATE_HOME", home.path().to_str().unwrap()), ("NO_COLOR", "1")];
    let mut repl = terminal::start(&["repl", &server.url], &state);
    repl.sees("* connected");
    repl.sees("phx> ");
    repl.types("join room:a {\"name\": \"ann\"}\r");
    repl.sees("room:a  * joined        {}");
    repl.sees("presence_state");
    repl.sees("phx> ");
    repl.types("push . echo {\"b\": 1}\r");
    repl.sees("room:a  echo            ok  {\"b\":1}");
    repl.sees("phx> ");
    // Messages that arrive during typing are printed above the prompt.
    repl.types("send room:a sh");
    repl.sees("send room:a sh");
    server.say(r#"broadcast room:a shout {"from": "above"}"#).await;
    repl.sees("shout           {\"from\":\"above\"}\r\n");
    repl.sees("phx> send room:a sh");
    // Now the event's name can be completed.
    repl.types(TAB);
    repl.sees("out");
    repl.types("{\"from\": \"us\"}\r");
    repl.sees("shout           {\"from\":\"us\"}");
    repl.types("push room:a fail 1\r");
    repl.sees("error  1");
    repl.types("ping\r");
    repl.sees("* pong          after ");
    repl.types("state\r");
    repl.sees("Open");
    repl.sees("room:a  Joined");
    repl.types("dance\r");
    repl.sees("* failed        there is no `dance`");
    repl.types("leave .\r");
    repl.sees("room:a  * left");
    repl.types("push room:a echo\r");
    repl.sees("`room:a` isn't joined");
    repl.types("join nothing:a\r");
    repl.sees("unmatched topic");
    repl.types("disconnect\r");
    repl.sees("* disconnected");
    repl.types("connect\r");
    repl.sees("* connected");
    repl.types("join room:b {\"token\": \"s3cret\"}\r");
    repl.sees("room:b  * joined");
    repl.types("help\r");
    repl.sees("how long a round trip");
    repl.sees("phx> ");
    repl.types(CTRL_D);
    repl.ends(0);
    server.stops_empty().await;

    let history = fs::read_to_string(home.path().join("phx/history")).unwrap();
    assert!(history.contains("push . echo"), "{history}");
    assert!(!history.contains("s3cret"), "{history}");

    let server = Server::start().await;
    let mut again = terminal::start(&["repl", &server.url], &state);
    again.sees("phx> ");
    again.types(UP);
    again.sees("help");
    again.types("\r");
    again.sees("how long a round trip");
    again.sees("phx> ");
    again.types(CTRL_C);
    again.ends(0);
    server.stops_empty().await;
}

#[tokio::test]
async fn ctrl_c_gives_up_what_a_command_waits_for() {
    let server = Server::start().await;
    let mut repl = terminal::start(&["repl", &server.url, "--no-history"], &[("NO_COLOR", "1")]);
    repl.sees("phx> ");
    repl.types("join room:a\r");
    repl.sees("joined");
    repl.sees("phx> ");
    repl.types("push . shout {\"n\": 1}\r");
    repl.sees("shout           {\"n\":1}");
    repl.types(CTRL_C);
    repl.sees("given up");
    repl.sees("phx> ");
    repl.types("quit\r");
    repl.ends(0);
    server.stops_empty().await;
}

#[tokio::test]
async fn ctrl_c_clears_the_line_and_a_second_one_ends_it() {
    let server = Server::start().await;
    let mut repl = terminal::start(&["repl", &server.url, "--no-history"], &[("NO_COLOR", "1")]);
    repl.sees("phx> ");
    repl.types("join room:secret");
    repl.sees("secret");
    repl.types(CTRL_C);
    repl.sees("phx> ");
    // The line was cleared: the next text is a line by itself.
    repl.types("join room:a\r");
    repl.sees("room:a  * joined");
    repl.sees("phx> ");
    repl.types("half");
    repl.sees("half");
    repl.types(CTRL_C);
    repl.sees("phx> ");
    repl.types(CTRL_C);
    let shown = repl.ends(0);
    assert!(!shown.contains("room:secret  *"), "{shown}");
    server.stops_empty().await;
}

#[tokio::test]
async fn channels_are_replaced_and_rejoin_with_other_params() {
    let server = Server::start().await;
    let talk = b"join room:a\njoin room:a\nreplace . {\"name\": \"ann\"}\npush . echo 1\nparams . {\"name\": \"bob\"}\ndisconnect\nconnect\npush . echo 2\npush . echo 3\n";
    let out = phx_with_input(&["repl", &server.url], talk).await.well();
    assert!(out.contains("`room:a` is joined already: `replace room:a`"), "{out}");
    assert!(out.contains("presence_state  {\"ann\":"), "{out}");
    assert!(out.contains("presence_state  {\"bob\":"), "{out}");
    assert!(out.contains("room:a  * rejoined"), "{out}");
    server.stops_empty().await;
}

#[tokio::test]
async fn without_a_terminal_it_reads_lines() {
    let server = Server::start().await;
    let out =
        phx_with_input(&["repl", &server.url], b"join room:a\n\npush . echo 7\n").await.well();
    let lines: Vec<_> = out.lines().map(|line| line.split_once("  ").unwrap().1).collect();
    assert!(lines[0].ends_with("* connected"), "{out}");
    assert!(lines[1].contains("* joined"), "{out}");
    assert!(lines[2].ends_with("ok  7"), "{out}");
    phx(&["repl", "ws://127.0.0.1:1/socket"]).await.badly(3, "can't connect");
    server.stops_empty().await;
}

#[tokio::test]
async fn input_that_stays_open_keeps_no_signal_from_ending_it() {
    let server = Server::start().await;
    for signal in ["INT", "TERM", "HUP"] {
        let mut repl = Phx::start(&["repl", &server.url]);
        repl.line().await;
        repl.say("join room:a").await;
        assert!(repl.line().await.contains("* joined"));
        repl.signal(signal).await;
        repl.ends().await.well();
    }
    server.stops_empty().await;
}
