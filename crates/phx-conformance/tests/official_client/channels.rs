//! Ends of channels, and messages without a channel. The client's program is `js/channels.mjs`.

use std::time::Duration;

use phx_proto::{Payload, Status};
use phx_testing::listener::Listener;
use phx_testing::{Handled, Handlers, Server, SocketRef};
use serde_json::{Value, json};

use crate::story::Story;

#[tokio::test]
async fn the_ends_of_channels() {
    let listener = Listener::bind(server()).await.unwrap();
    let mut story = Story::start("channels.mjs", listener.url());
    story.must_report(expected()).await;
    story.end().await;
    listener.stop().await;
}

fn server() -> Server {
    let desk = || {
        Handlers::new()
            .handle_in("echo", |_, payload| Handled::Reply(Status::Ok, payload))
            .handle_in("custom", |_, payload| Handled::Reply(Status::from("busy"), payload))
            .handle_in("slow", |ctx, _| {
                let asked = ctx.socket_ref();
                ctx.send_after(Duration::from_millis(30), asked);
                Handled::NoReply
            })
            .handle_info(|ctx, message| {
                if let Ok(asked) = message.downcast::<SocketRef>() {
                    ctx.reply(&asked, Status::Ok, Payload::empty());
                }
                Handled::NoReply
            })
            .handle_in("hello", |ctx, payload| {
                ctx.broadcast("hello", payload);
                Handled::NoReply
            })
            .handle_in("stop", |_, _| Handled::Stop)
    };
    Server::builder().channel("desk:*", desk).build()
}

fn expected() -> Vec<Value> {
    let ok = |response: Value| json!({ "status": "ok", "response": response });
    let reply = |join: Value, reference: &str, payload: Value| json!({ "event": "phx_reply", "join": join, "ref": reference, "payload": payload });
    vec![
        json!({ "step": "join", "status": "ok", "response": {} }),
        json!({
            "step": "stop",
            "wire": { "event": "phx_close", "join": "own", "ref": "join's", "payload": {} },
        }),
        json!({ "step": "stop", "news": "closed", "state": "closed" }),
        json!({
            "step": "crash",
            "wire": {
                "event": "phx_error",
                "join": "own",
                "ref": "join's",
                "payload": { "reason": "channel_crash" },
            },
        }),
        json!({ "step": "crash", "reason": { "reason": "channel_crash" }, "state": "errored" }),
        json!({ "step": "rejoin", "news": "joined", "state": "joined" }),
        json!({ "step": "custom status", "response": { "n": 1 } }),
        json!({ "step": "order", "news": ["fast", "slow"] }),
        json!({ "step": "bytes", "length": 0, "status": "ok", "same": true }),
        json!({ "step": "bytes", "length": 100_000, "status": "ok", "same": true }),
        json!({
            "step": "stale push",
            "wire": reply(json!("own"), "push's", ok(json!({ "stale": false }))),
        }),
        json!({ "step": "leave of nothing", "wire": reply(json!("other"), "push's", ok(json!({}))) }),
        json!({
            "step": "push to nothing",
            "wire": reply(
                json!(null),
                "push's",
                json!({ "status": "error", "response": { "reason": "unmatched topic" } }),
            ),
        }),
        json!({ "step": "joined twice", "wire": reply(json!("other"), "join's", ok(json!({}))) }),
        json!({
            "step": "joined twice",
            "wire": { "event": "phx_close", "join": "own", "ref": "join's", "payload": {} },
        }),
        json!({ "step": "joined twice", "news": "closed", "state": "closed" }),
        json!({ "step": "second channel", "status": "ok", "response": {} }),
        json!({ "step": "second channel", "news": "closed", "states": ["closed", "joined"] }),
        json!({ "step": "second channel", "message": { "to": "all" }, "first": 0 }),
        json!({
            "step": "leave",
            "wire": [
                reply(json!("own"), "push's", ok(json!({}))),
                { "event": "phx_close", "join": "own", "ref": "join's", "payload": {} },
            ],
        }),
    ]
}
