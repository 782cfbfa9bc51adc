//! Messages on topics that aren't joined.

use serde_json::json;

use crate::raw::{Answer, Received, raw};
use crate::support::{phx, phx_with_input};

/// Starts a server that sends messages on two such topics after each answer to a push or join.
async fn server() -> String {
    raw(|message: &Received| {
        let send = |topic: &str, n: u32| {
            Answer::Text(json!([null, null, topic, "subscription:data", { "n": n }]).to_string())
        };
        let reply = message.reply("ok", &json!({}));
        match message.event() {
            "phx_leave" | "heartbeat" => vec![reply],
            _ => vec![reply, send("__absinthe__:doc:7", 1), send("other", 2)],
        }
    })
    .await
}

#[tokio::test]
async fn join_prints_those_that_are_asked_for() {
    let url = server().await;
    let args = ["join", &url, "room:a", "--also", "__absinthe__:*", "--json", "-n", "1"];
    let ended = phx(&args).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let records = ended.records();
    let messages: Vec<_> = records.iter().filter(|record| record["kind"] == "message").collect();
    assert_eq!(messages.len(), 1, "{ended:?}");
    assert_eq!(messages[0]["topic"], "__absinthe__:doc:7");
    assert_eq!(messages[0]["payload"], json!({ "n": 1 }));
}

#[tokio::test]
async fn join_needs_no_topic_of_its_own_then() {
    let url = server().await;
    let ended = phx(&["join", &url, "--also", "other", "--for", "100ms"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    phx(&["join", &url]).await.badly(2, "<TOPIC>");
}

#[tokio::test]
async fn a_script_listens_and_waits_for_them() {
    let url = server().await;
    let script = r#"{"do": "connect"}
        {"do": "listen", "topic": "__absinthe__:*"}
        {"do": "join", "topic": "room:a"}
        {"do": "push", "topic": "room:a", "event": "doc"}
        {"do": "wait", "topic": "__absinthe__:doc:7", "event": "subscription:data", "payload": {"n": 1}}"#;
    let ended = phx_with_input(&["script", "--url", &url, "-"], script.as_bytes()).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.records().iter().all(|record| record["topic"] != "other"), "{ended:?}");
}
