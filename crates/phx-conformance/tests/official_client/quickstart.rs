//! The quickstart example. The client's program is `js/quickstart.mjs`.

use phx_testing::listener::Listener;
use phx_testing::{HttpServer, ServerBuilder, demo_server};
use serde_json::{Value, json};

use crate::story::Story;

#[tokio::test]
async fn the_story_of_quickstart() {
    the_story(demo_server(), &[]).await;
}

#[tokio::test]
async fn the_story_of_quickstart_compressed() {
    for server in [HttpServer::Bandit, HttpServer::Cowboy] {
        the_story(demo_server().http_server(server).compress(true), &["compressed"]).await;
    }
}

async fn the_story(server: ServerBuilder, args: &[&str]) {
    let listener = Listener::bind(server.build()).await.unwrap();
    let mut story = Story::with("quickstart.mjs", &[&[listener.url()], args].concat());
    let cut = |wish: &str| {
        assert_eq!(wish, "cut");
        listener.drop_connections();
    };
    story.must_report_and(expected(), cut).await;
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
