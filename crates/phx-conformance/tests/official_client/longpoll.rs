//! The long-poll transport, and the fallback to it. The stories themselves are `js/longpoll.mjs` and `js/fallback.mjs`.

use phx_testing::UpgradeRejection;
use phx_testing::listener::Listener;
use serde_json::{Value, json};

use crate::story::Story;

#[tokio::test]
async fn the_story_over_long_poll() {
    let server = phx_testing::demo_server().connect(|info| match info.param("user") {
        Some("stranger") => Err(UpgradeRejection::new(403)),
        _ => Ok(None),
    });
    let listener = Listener::bind(server.build()).await.unwrap();
    let mut story = Story::start("longpoll.mjs", listener.url());
    let please = |wish: &str| match wish {
        "cut" => listener.all().cut(),
        "refuse" => {
            listener.refuse_next(UpgradeRejection::new(403));
            listener.all().cut();
        }
        "forget" => listener.drop_connections(),
        other => panic!("nobody does {other}"),
    };
    story.must_report_and(expected(), please).await;
    story.end().await;
    listener.stop().await;
}

fn expected() -> Vec<Value> {
    let ok =
        |step: &str, response: Value| json!({ "step": step, "status": "ok", "response": response });
    let comes_back = |step: &str, attempts: u32| {
        [
            json!({ "step": step, "news": "open", "attempts": attempts }),
            json!({ "step": step, "response": {} }),
            ok(step, json!({ "still": "there" })),
        ]
    };
    let mut lines = vec![
        // 1008 is phoenix.js's own code for the status 403 of Phoenix.
        json!({ "step": "stranger", "code": 1008, "clean": false }),
        json!({ "step": "open", "news": "open", "state": "open" }),
        json!({ "step": "join", "response": {}, "state": "joined" }),
        json!({ "step": "presence", "list": "ann" }),
        json!({ "step": "rejected join", "status": "error", "response": { "reason": "unauthorized" } }),
        ok("push", json!({ "text": "anybody? \u{1f426}" })),
        json!({ "step": "error reply", "status": "error", "response": { "why": "no" } }),
        json!({ "step": "ping", "news": "pong" }),
        json!({ "step": "burst", "replies": 250, "ordered": true }),
        json!({ "step": "first batch", "lines": 100 }),
        json!({ "step": "second batch", "lines": 100 }),
        json!({ "step": "third batch", "lines": 50 }),
        ok("bob", json!({})),
        json!({ "step": "presence", "list": "ann,bob" }),
        json!({ "step": "binary", "bytes": [0, 1, 255] }),
        json!({ "step": "broadcast", "message": { "from": "bob" } }),
        json!({ "step": "broadcast", "message": { "from": "ann" } }),
        json!({ "step": "presence", "list": "ann" }),
        json!({ "step": "crash", "reason": "channel_crash" }),
        json!({ "step": "crash", "response": {} }),
        // What phoenix.js makes of a poll without an answer.
        json!({ "step": "cut", "code": 1011, "clean": false }),
    ];
    lines.extend(comes_back("cut", 2));
    lines.push(json!({ "step": "refuse", "code": 1011, "clean": false }));
    // HTTP 403 is no answer of Phoenix to it.
    lines.push(json!({ "step": "refuse", "code": 1011, "clean": false }));
    lines.extend(comes_back("refuse", 4));
    // Its own code for a session that the server doesn't know.
    lines.push(json!({ "step": "forget", "code": 3410, "clean": false }));
    lines.extend(comes_back("forget", 5));
    lines.push(json!({ "step": "leave", "status": "ok", "response": {}, "state": "closed" }));
    lines.push(json!({ "step": "disconnect", "code": 1005, "clean": true, "state": "closed" }));
    lines
}

#[tokio::test]
async fn the_fallback_to_long_poll() {
    let listener = Listener::bind(phx_testing::demo_server().build()).await.unwrap();
    let mut story = Story::start("fallback.mjs", listener.url());
    let works = |step: &str| {
        [
            json!({ "step": step, "over": "LongPoll" }),
            json!({ "step": step, "status": "ok", "response": {} }),
            json!({ "step": step, "status": "ok", "response": { "n": 1 } }),
        ]
    };
    let mut expected = Vec::new();
    for harm in ["reset", "swallow"] {
        expected.extend(works(harm));
        expected.push(json!({ "step": harm, "remembered": [["phx:fallback:LongPoll", "true"]] }));
        expected.extend(works("remembered"));
    }
    story.must_report(expected).await;
    story.end().await;
    listener.stop().await;
}
