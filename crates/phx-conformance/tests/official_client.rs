//! The official JavaScript client, npm's `phoenix`, tells the story of the quickstart example
//! against the real listener.
//!
//! The story itself is `js/story.mjs`; here is what it must tell, line by line.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use phx_testing::listener::Listener;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// For one line. The story itself gives up earlier, and says where.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn the_story_of_quickstart() {
    let listener = Listener::bind(phx_testing::rooms().build()).await.unwrap();
    let mut story = Story::start("story.mjs", listener.url());
    let mut expected = expected().into_iter();
    while let Some(line) = story.line().await {
        assert_eq!(Some(&line), expected.next().as_ref());
        if line == json!({ "please": "cut" }) {
            listener.drop_connections();
        }
    }
    assert_eq!(expected.next(), None, "the story ended early");
    story.end().await;
    assert_eq!(listener.with(|server, _| server.sockets().count()), 0, "everybody has gone");
    listener.stop().await;
}

fn expected() -> Vec<Value> {
    vec![
        json!({ "step": "open", "news": "open", "state": "open" }),
        json!({ "step": "join", "status": "ok", "response": {}, "state": "joined" }),
        json!({ "step": "presence", "came": "ann" }),
        json!({ "step": "presence", "list": [["ann", 1]] }),
        json!({
            "step": "rejected join", "status": "error", "response": { "reason": "unauthorized" },
        }),
        json!({
            "step": "unmatched join",
            "status": "error",
            "response": { "reason": "unmatched topic" },
        }),
        json!({
            "step": "push",
            "status": "ok",
            "response": { "from": "ann", "text": "anybody here? \u{1f426}" },
        }),
        json!({ "step": "error reply", "status": "error", "response": { "why": "no" } }),
        json!({ "step": "binary push", "status": "ok", "bytes": [0, 1, 255] }),
        json!({ "step": "presence", "came": "bob" }),
        json!({ "step": "presence", "list": [["ann", 1], ["bob", 1]] }),
        json!({ "step": "broadcast", "message": { "from": "bob", "text": "I am!" } }),
        json!({ "step": "own broadcast", "message": { "from": "bob", "text": "I am!" } }),
        json!({ "step": "binary broadcast", "bytes": [7, 8, 9] }),
        json!({ "step": "crash", "news": "error" }),
        json!({ "step": "rejoin", "status": "ok", "response": {}, "state": "joined" }),
        json!({ "step": "presence", "went": "bob" }),
        json!({ "step": "presence", "list": [["ann", 1], ["bob", 1]] }),
        json!({ "please": "cut" }),
        json!({ "step": "cut", "who": "ann", "code": 1006, "clean": false }),
        json!({ "step": "reconnect", "who": "ann", "news": "open" }),
        json!({ "step": "rejoin", "who": "ann", "status": "ok", "response": {} }),
        json!({ "step": "cut", "who": "bob", "code": 1006, "clean": false }),
        json!({ "step": "reconnect", "who": "bob", "news": "open" }),
        json!({ "step": "rejoin", "who": "bob", "status": "ok", "response": {} }),
        json!({ "step": "presence", "list": [["ann", 1], ["bob", 1]] }),
        json!({ "step": "broadcast", "message": { "from": "bob", "text": "still there?" } }),
        json!({ "step": "leave", "status": "ok", "response": {}, "state": "closed" }),
        json!({ "step": "presence", "went": "bob" }),
        json!({ "step": "presence", "list": [["ann", 1]] }),
        json!({ "step": "stop", "news": "closed", "state": "closed" }),
        json!({ "step": "disconnect", "who": "ann", "clean": true, "state": "closed" }),
        json!({ "step": "disconnect", "who": "bob", "clean": true, "state": "closed" }),
    ]
}

/// A program of `js/` that runs and tells lines of JSON. Dropping it kills it.
struct Story {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Story {
    fn start(script: &str, url: &str) -> Self {
        let scripts = scripts();
        let spawned = Command::new("node")
            .arg(scripts.join(script))
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = spawned.unwrap_or_else(|error| {
            panic!("this test needs Node 18 or newer, https://nodejs.org: `node`: {error}")
        });
        let stdout = child.stdout.take().unwrap();
        Story { child, lines: BufReader::new(stdout).lines() }
    }

    async fn line(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        let line = line.expect("the story goes on").unwrap()?;
        Some(serde_json::from_str(&line).expect("a line of JSON"))
    }

    /// It ends by itself: nothing of the client is left running.
    async fn end(mut self) {
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        assert!(status.expect("node ends").unwrap().success());
    }
}

fn scripts() -> PathBuf {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("js");
    assert!(
        scripts.join("node_modules/phoenix").is_dir(),
        "this test needs the npm packages of crates/phx-conformance/js: run `cargo xtask tools`"
    );
    scripts
}
