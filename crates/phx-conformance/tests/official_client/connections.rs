//! Connections: params, refusals, heartbeats, ends. The client's program is `js/connections.mjs`.

use phx_proto::{Payload, Status};
use phx_testing::listener::Listener;
use phx_testing::{Handled, Handlers, Server, UpgradeRejection};
use serde_json::{Value, json};

use crate::story::Story;

#[tokio::test]
async fn what_happens_to_connections() {
    let listener = Listener::bind(server()).await.unwrap();
    let mut story = Story::start("connections.mjs", listener.url());
    let please = |wish: &str| match wish {
        "refuse" => {
            listener.refuse_next(UpgradeRejection::new(503));
            listener.drop_connections();
        }
        "drain" => listener.drain(),
        "disconnect" => listener.disconnect("user:ann"),
        "half-open" => listener.all().half_open(),
        other => panic!("nobody does {other}"),
    };
    story.must_report_and(expected(), please).await;
    story.end().await;
    listener.stop().await;
}

/// Accepts connections with the token. The join's reply has the user and the number of the attempt.
fn server() -> Server {
    Server::builder()
        .auth_token(true)
        .connect(|info| match (info.auth_token(), info.param("user")) {
            (Some("s3cr3t-token"), Some(user)) => Ok(Some(format!("user:{user}"))),
            _ => Err(UpgradeRejection::new(401)),
        })
        .channel("room:*", || {
            Handlers::new()
                .join(|ctx, _| {
                    let info = ctx.connect_info();
                    let who = json!([info.param("user"), info.param("attempt")]);
                    Ok(Payload::json(&who).unwrap_or_default())
                })
                .handle_in("echo", |_, payload| Handled::Reply(Status::Ok, payload))
        })
        .build()
}

fn expected() -> Vec<Value> {
    let heartbeat = json!({
        "step": "heartbeat",
        "event": "phx_reply",
        "payload": { "status": "ok", "response": {} },
        "join_ref": null,
    });
    let mut second_heartbeat = heartbeat.clone();
    second_heartbeat["state"] = json!("open");
    vec![
        json!({ "step": "no token", "code": 1006 }),
        json!({ "step": "token", "news": "open" }),
        json!({ "step": "join", "who": ["ann", "1"] }),
        heartbeat,
        second_heartbeat,
        json!({ "step": "refused", "lost": { "code": 1006 } }),
        json!({ "step": "refused", "refused": { "code": 1006 } }),
        json!({ "step": "refused", "reason": "connection_closed" }),
        json!({ "step": "refused", "news": "open" }),
        json!({ "step": "refused", "who": ["ann", "3"] }),
        json!({ "step": "drain", "code": 1012 }),
        json!({ "step": "drain", "news": "open" }),
        json!({ "step": "drain", "who": ["ann", "4"] }),
        json!({ "step": "disconnect by id", "code": 1001 }),
        json!({ "step": "disconnect by id", "news": "open" }),
        json!({ "step": "disconnect by id", "who": ["ann", "5"] }),
        json!({ "step": "half-open", "reason": "heartbeat_timeout" }),
        json!({ "step": "half-open", "news": "open" }),
        json!({ "step": "half-open", "who": ["ann", "6"] }),
        json!({ "step": "push", "status": "ok", "response": { "still": "there" } }),
    ]
}
