//! Live views in `phx bench --scenario`, against an imitation that answers as a real app did.

use std::fs;

use phx_testing::listener::Listener;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::imitation;
use crate::support::{Ended, PATIENCE, phx};

/// Runs a scenario on the app with one user.
async fn run(steps: &str, options: &[&str]) -> Ended {
    let app = Listener::bind(imitation::app().build()).await.unwrap();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("view.jsonl");
    fs::write(&path, steps).unwrap();
    let url = format!("ws://{}/live", app.address());
    let bench = ["bench", &url, "--scenario", path.to_str().unwrap(), "--passes", "1", "--json"];
    let files = ["page.html", "log.hdr", "series.csv", "figures.prom"];
    let files = files.map(|name| folder.path().join(name).display().to_string());
    let [page, log, series, figures] = &files;
    let outputs = ["-o", page, "--hdr", log, "--series", series, "--prometheus", figures];
    let ended = phx(&[&bench[..], &outputs, options].concat()).await;
    tokio::time::timeout(PATIENCE, app.stop()).await.unwrap();
    for file in &files {
        has_no_secret(&fs::read_to_string(file).unwrap());
    }
    ended
}

#[track_caller]
fn has_no_secret(text: &str) {
    for secret in ["csrf-", "cookie-", "session-", "static-", "upload-token"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[track_caller]
fn steps(ended: &Ended) -> Vec<Value> {
    let result: Value = serde_json::from_str(&ended.out).expect(&ended.out);
    has_no_secret(&ended.out);
    has_no_secret(&ended.err);
    result["steps"].as_array().unwrap().clone()
}

const MOUNTED: &str = r#"{"do": "page", "path": "/views/counter"}
    {"do": "connect"}
    {"do": "mount", "save": {"version": "/liveview_version"}}"#;

#[tokio::test]
async fn users_mount_a_view_and_use_it() {
    let scenario = format!(
        r#"{MOUNTED}
        {{"do": "click", "event": "inc", "save": {{"count": "/diff/0"}}}}
        {{"do": "click", "event": "inc", "cid": 3, "name": "component", "save": {{"count": "/diff/c/3/0"}}}}
        {{"do": "click", "event": "nothing", "type": "keydown", "value": {{"key": "${{count}}"}}}}
        {{"do": "click", "event": "go"}}
        {{"do": "form", "event": "save", "fields": {{"user[name]": "${{version}}"}}, "target": "user[name]", "save": {{"sent": "/diff/1"}}}}
        {{"do": "patch", "path": "/views/counter?page=3"}}
        {{"do": "upload", "bytes": 150000}}
        {{"do": "upload", "bytes": 1, "name": "another upload"}}
        {{"do": "navigate", "path": "/views/other"}}
        {{"do": "click", "event": "leave"}}
        {{"do": "disconnect"}}"#
    );
    let ended = run(&scenario, &["--users", "3"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for step in steps(&ended) {
        let is_performed = step["count"].as_u64() > Some(2) && step["errors"] == json!({});
        assert!(is_performed || step["name"] == "arrival", "{step}");
        if step["name"] == "mount" || step["name"] == "page /views/counter" {
            let bytes = step["bytes"].as_u64().unwrap() / step["count"].as_u64().unwrap();
            assert!(bytes > 100, "what was rendered is measured: {step}");
        }
    }
}

#[tokio::test]
async fn what_a_view_refuses_is_counted_by_class() {
    let mount = |start: &str, more: &str| format!("{start}\n{{\"do\": \"connect\"}}\n{more}");
    let page = r#"{"do": "page", "path": "/views/counter"}"#;
    let cases = [
        (r#"{"do": "page", "path": "/views/moved"}"#.to_owned(), "answered 302"),
        (r#"{"do": "page", "path": "/views/none"}"#.to_owned(), "answered 404"),
        (mount("", r#"{"do": "mount"}"#), "no page"),
        (mount("", r#"{"do": "click", "event": "inc"}"#), "not mounted"),
        // Another page's tokens belong to another visit than the socket's cookie.
        (mount(page, &format!("{page}\n{}", r#"{"do": "mount"}"#)), "stale session"),
        (format!("{MOUNTED}\n{}", r#"{"do": "navigate", "path": "/views/moved"}"#), "redirected"),
        (format!("{MOUNTED}\n{}", r#"{"do": "click", "event": "dance"}"#), "channel crashed"),
        (format!("{MOUNTED}\n{}", r#"{"do": "upload", "bytes": 1000001}"#), "upload refused"),
        (format!("{MOUNTED}\n{}", r#"{"do": "form", "event": "dance"}"#), "channel crashed"),
    ];
    for (scenario, class) in cases {
        let ended = run(&scenario, &[]).await;
        let steps = steps(&ended);
        let failed = steps.iter().filter(|step| step["errors"] != json!({}));
        let classes: Vec<&String> =
            failed.flat_map(|step| step["errors"].as_object().unwrap().keys()).collect();
        assert_eq!(classes, [class], "{scenario}: {ended:?}");
    }
}
