//! npm's `phoenix` over long-poll and over compressed connections against `phx serve`: stories of
//! `crates/phx-conformance/js`, which fail by themselves if a reply, a message or an event doesn't come. What it must be
//! line by line is tested there.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::{PATIENCE, Server};

#[tokio::test]
async fn its_long_poll_works_against_phx_serve() {
    follow(Server::start().await, "longpoll.mjs", "quick").await;
}

#[tokio::test]
async fn it_works_compressed_against_phx_serve() {
    for http_server in ["bandit", "cowboy"] {
        let server = Server::with(&["--compress", "--http-server", http_server]).await;
        follow(server, "quickstart.mjs", "compressed").await;
    }
}

/// Runs a story against a server, and does what it asks for.
async fn follow(mut server: Server, script: &str, arg: &str) {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../phx-conformance/js");
    assert!(scripts.join("node_modules/phoenix").is_dir(), "run `cargo xtask tools` before");
    let story = Command::new("node")
        .arg(scripts.join(script))
        .args([&server.url, arg])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut story = story.expect("this test needs Node 18 or newer, https://nodejs.org");
    let mut lines = BufReader::new(story.stdout.take().unwrap()).lines();
    let mut last = Value::Null;
    while let Some(line) = timeout(PATIENCE, lines.next_line()).await.expect("it goes on").unwrap()
    {
        last = serde_json::from_str(&line).unwrap();
        assert_eq!(last.get("failed"), None, "{line}");
        match last.get("please").and_then(Value::as_str) {
            Some("cut") => _ = server.say("drop").await,
            Some("refuse") => {
                server.say("refuse 403").await;
                server.say("drop").await;
            }
            Some(other) => panic!("nothing does {other}"),
            None => {}
        }
    }
    assert_eq!(last["step"], "disconnect", "{last}");
    assert!(story.wait().await.unwrap().success());
}
