//! The examples for loops of one's own, and for each runtime, do what they say.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Read as _;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use escargot::CargoBuild;

/// For an example to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the example prints. It must end by itself, and well.
fn output(example: &str) -> String {
    // As the other tests are built, so that nothing is built twice.
    let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let build = CargoBuild::new().manifest_path(workspace).example(example);
    let run = build.all_features().args(["--workspace", "--locked"]).run().unwrap();
    let mut child = run.command().stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
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
    assert!(child.wait().unwrap().success(), "{example} failed: {text}");
    text
}

#[test]
fn one_thread_drives_many_sockets() {
    let printed = "50 sockets on one thread: 50 replies, all disconnected\n";
    assert_eq!(output("mio_loop"), printed);
}

#[test]
fn a_game_sees_every_move_that_it_told() {
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
