//! The stories of one client, and what each must report.

use serde_json::{Value, json};

use crate::judge::{Language, Project};

const SUBSCRIBED: &str = "Subscribed to PostgreSQL";

fn row(id: u32) -> Value {
    json!(["change", { "type": "INSERT", "new": { "id": id, "body": "hello" } }])
}

fn own(event: &str, payload: &Value) -> Value {
    json!({ "event": event, "payload": payload, "meta": null })
}

#[tokio::test]
async fn supabase_judge_javascript() {
    let sent = |event: &str, payload: Value| json!(["sent", { "result": "ok", "own": own(event, &payload) }]);
    let cursor =
        |payload: Value| json!({ "event": "cursor", "payload": payload, "meta": { "id": "m1" } });
    let project = Project::start().await;
    let saw = project.judge(Language::JavaScript, "story").await;
    let expected = [
        json!(["status", "SUBSCRIBED"]),
        json!(["system", { "status": "ok", "message": SUBSCRIBED }]),
        sent("json", json!({ "x": 1, "text": "hé ✓" })),
        sent("bytes", json!({ "bytes": [0, 1, 255] })),
        sent("empty", json!({})),
        json!(["broadcast json", cursor(json!({ "x": 2 }))]),
        json!(["broadcast bytes", cursor(json!({ "bytes": [1, 2, 255] }))]),
        json!(["broadcast text", cursor(json!({ "x": 2 }))]),
        json!(["track", "ok"]),
        json!(["presences", { "js": [1] }]),
        json!(["track", "ok"]),
        json!(["presences", { "js": [2] }]),
        json!(["untrack", "ok"]),
        json!(["presences", {}]),
        row(6),
        sent("after the token", json!({})),
        json!(["status", "CHANNEL_ERROR"]),
        json!(["status", "SUBSCRIBED"]),
        sent("after the rejoin", json!({})),
        json!(["system", { "status": "ok", "message": SUBSCRIBED }]),
        row(7),
        json!(["unsubscribe", "ok"]),
        json!(["status", "CLOSED"]),
    ];
    assert_eq!(saw, expected);
    assert_eq!(project.tokens(), ["first token", "second token", "second token"]);
    project.listener.stop().await;
}

#[tokio::test]
async fn supabase_judge_python() {
    let sent = |event: &str, payload: Value| json!(["sent", { "own": own(event, &payload) }]);
    let cursor = json!({ "event": "cursor", "payload": { "x": 2 }, "meta": { "id": "m1" } });
    let project = Project::start().await;
    let saw = project.judge(Language::Python, "story").await;
    let expected = [
        json!(["status", "SUBSCRIBED"]),
        json!(["system", { "status": "ok", "message": SUBSCRIBED }]),
        sent("json", json!({ "x": 1, "text": "hé ✓" })),
        json!(["broadcast json", cursor]),
        json!(["broadcast text", cursor]),
        json!(["presences", { "py": [1] }]),
        json!(["presences", { "py": [2] }]),
        json!(["presences", {}]),
        row(6),
        sent("after the token", json!({})),
        json!(["status", "CHANNEL_ERROR"]),
        json!(["status", "SUBSCRIBED"]),
        sent("after the rejoin", json!({})),
        json!(["system", { "status": "ok", "message": SUBSCRIBED }]),
        row(7),
        json!(["status", "CLOSED"]),
    ];
    assert_eq!(saw, expected);
    assert_eq!(project.tokens(), ["first token", "second token", "second token"]);
    project.listener.stop().await;
}
