//! A user with several devices. The client's program is `js/devices.mjs`.

use phx_proto::Payload;
use phx_testing::listener::Listener;
use phx_testing::{Handled, Handlers, Server};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::story::Story;

#[tokio::test]
async fn one_person_with_several_devices() {
    let listener = Listener::bind(server()).await.unwrap();
    let mut story = Story::start("devices.mjs", listener.url());
    story.must_report(expected()).await;
    story.end().await;
    listener.stop().await;
}

#[derive(Clone, Default, Deserialize)]
struct Who {
    name: String,
    device: String,
}

#[derive(Default, Deserialize)]
struct Update {
    state: String,
}

fn server() -> Server {
    Server::builder().channel("team:*", team).build()
}

fn team() -> Handlers {
    let who = std::sync::Arc::new(std::sync::Mutex::new(Who::default()));
    let (joined, tracked, updated) = (who.clone(), who.clone(), who);
    Handlers::new()
        .join(move |ctx, params| {
            *joined.lock().unwrap() = params.decode().unwrap_or_default();
            // The presence state is pushed after the join's reply.
            ctx.send(());
            Ok(Payload::empty())
        })
        .handle_info(move |ctx, _| {
            let Who { name, device } = tracked.lock().unwrap().clone();
            ctx.track(&name, json!({ "device": device })).unwrap();
            let state = Payload::json(&ctx.list()).unwrap();
            ctx.push("presence_state", state);
            Handled::NoReply
        })
        .handle_in("state", move |ctx, payload| {
            let Who { name, device } = updated.lock().unwrap().clone();
            let Update { state } = payload.decode().unwrap_or_default();
            ctx.update(&name, json!({ "device": device, "state": state })).unwrap();
            Handled::ok(&json!({}))
        })
}

fn expected() -> Vec<Value> {
    let came = |step: &str, had: Value, has: &str, updates: u8| json!({ "step": step, "came": "ann", "had": had, "has": [has], "updates": updates });
    let list = |step: &str, anns: &[&str]| {
        let mut list = vec![json!(["ann", anns])];
        list.retain(|_| !anns.is_empty());
        list.push(json!(["watcher", ["desk"]]));
        json!({ "step": step, "list": list })
    };
    let went = |step: &str, had: &str, has: &[&str]| json!({ "step": step, "went": "ann", "had": [had], "has": has });
    vec![
        json!({ "step": "the watcher", "came": "watcher", "had": null, "has": ["desk"], "updates": 0 }),
        json!({
            "step": "the diff",
            "came": "watcher",
            "had": ["desk"],
            "has": ["desk"],
            "updates": 0,
        }),
        list("the state", &[]),
        came("the first device", json!(null), "phone", 0),
        list("the first device", &["phone"]),
        came("the second device", json!(["phone"]), "laptop", 0),
        list("the second device", &["phone", "laptop"]),
        list("the later one's state", &["phone", "laptop"]),
        json!({ "step": "update", "status": "ok", "response": {} }),
        came("update", json!(["phone", "laptop"]), "phone away", 1),
        went("update", "phone", &["laptop", "phone away"]),
        list("update", &["laptop", "phone away"]),
        went("crash", "laptop", &["phone away"]),
        list("crash", &["phone away"]),
        came("rejoin", json!(["phone away"]), "laptop", 0),
        list("rejoin", &["phone away", "laptop"]),
        went("a device goes", "phone away", &["laptop"]),
        list("a device goes", &["laptop"]),
        went("the last one goes", "laptop", &[]),
        list("the last one goes", &[]),
    ]
}
