//! The examples for custom loops, and for each runtime, do what they say.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use escargot::CargoBuild;

#[path = "common/build.rs"]
mod build;

use build::built;

/// For an example to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the example prints. It must end by itself, with exit code 0.
fn output(example: &str) -> String {
    let (succeeded, text) = run(example, &[]);
    assert!(succeeded, "{example} failed: {text}");
    text
}

/// Runs the example with these arguments. Returns true if it succeeds, and its output.
fn run(example: &str, args: &[&str]) -> (bool, String) {
    let mut command = Command::new(built(CargoBuild::new().example(example)));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let (sender, read) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).unwrap();
        sender.send(text).unwrap();
    });
    let Ok(text) = read.recv_timeout(PATIENCE) else {
        child.kill().unwrap();
        panic!("{example} doesn't end");
    };
    (child.wait().unwrap().success(), text)
}

#[test]
fn a_bare_loop_stops_at_a_403() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/socket", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    let (succeeded, printed) = run("bare_loop", &[&url]);
    assert!(!succeeded && printed.contains("403"), "{printed}");
}

#[test]
fn one_thread_drives_many_sockets() {
    let printed = "50 sockets on one thread: 50 replies, all disconnected\n";
    assert_eq!(output("mio_loop"), printed);
}

#[test]
fn a_game_sees_every_move_that_it_sent() {
    let printed = output("game_loop");
    assert!(printed.contains("positions seen"), "{printed}");
}

#[test]
fn calls_block_until_their_reply() {
    let printed = "the reply is one\nthe reply is two\ndisconnected\n";
    assert_eq!(output("blocking"), printed);
}

#[test]
fn a_simulation_is_the_same_each_time() {
    let printed = output("simulation");
    assert_eq!(printed, output("simulation"));
    for line in [
        "ann: the heartbeat had no reply in time",
        "ann: joined again",
        "bob: hears \"I was away\"",
    ] {
        assert!(printed.contains(line), "no {line:?} in\n{printed}");
    }
}

#[test]
fn a_session_without_a_standard_library() {
    assert_eq!(
        output("no_std_smoke"),
        "opens ws://gateway.local/socket/websocket?vsn=2.0.0\n\
         sends phx_join to sensor:1\nsends temperature to sensor:1\n\
         closes with 1000\nthe reply is 21.5\n"
    );
}

#[test]
fn the_same_program_on_every_runtime() {
    let smol = output("smol");
    assert!(smol.ends_with("disconnected\n"), "{smol}");
    assert_eq!(smol, output("async_std"));
}

#[test]
fn a_proxy_is_asked_for_the_server() {
    let printed = output("proxy");
    assert!(printed.starts_with("the proxy is asked for 127.0.0.1:"), "{printed}");
    assert!(printed.ends_with("the reply is there and back\n"), "{printed}");
}
