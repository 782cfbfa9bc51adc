//! `phx bench`.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::raw::{Answer, raw};
use crate::support::{PATIENCE, Phx, Server, phx};
use crate::terminal;

#[tokio::test]
async fn as_fast_as_possible_with_a_report() {
    let server = Server::start().await;
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("report.html");
    let bench = ["bench", &server.url, "--sockets", "3", "--channels", "2", "--duration", "2s"];
    let more = ["--size", "100", "--in-flight", "2", "--json", "-o", path.to_str().unwrap()];
    let result = phx(&[&bench[..], &more].concat()).await.measured();
    let result: Value = serde_json::from_str(&result).unwrap();
    let replies = result["replies"].as_u64().unwrap();
    assert!(replies > 12, "{result}");
    assert_eq!((&result["errors"], &result["reconnects"]), (&serde_json::json!({}), &0.into()));
    let sent = result["bytes_sent"].as_u64().unwrap();
    assert!(sent > replies * 100, "payloads of 100 bytes: {result}");
    let latency = |name: &str| result["latency_us"][name].as_u64().unwrap();
    let names = ["min", "p50", "p90", "p99", "p999", "max"].map(latency);
    assert!(names.is_sorted() && names[0] > 0, "{result}");
    let sampled: f64 = result["samples"].as_array().unwrap().len() as f64;
    assert!(sampled >= 5.0, "{result}");

    let page = fs::read_to_string(path).unwrap();
    let plots =
        ["wide", "narrow"].map(|width| page.matches(&format!("<svg class=\"{width}\"")).count());
    assert_eq!(plots, [4, 4], "four plots, each for wide and for narrow screens");
    assert!(page.contains(&server.url));
    for outside in ["http://", "https://", "src=", "<script", "<link", "@import", "url("] {
        assert!(!page.contains(outside), "the page needs nothing from elsewhere: {outside}");
    }
    server.stops_empty().await;
}

#[tokio::test]
async fn at_a_rate() {
    let server = Server::start().await;
    let bench = ["bench", &server.url, "-s", "2", "-c", "2", "--rate", "100", "-d", "1s", "--json"];
    let result: Value = serde_json::from_str(&phx(&bench).await.measured()).unwrap();
    let replies = result["replies"].as_u64().unwrap();
    assert_eq!(replies, 100, "{result}");
    server.stops_empty().await;
}

#[tokio::test]
async fn what_the_machine_allows_is_said_first() {
    let server = Server::start().await;
    let ended = phx(&["bench", &server.url, "-d", "100ms"]).await;
    let allows = "this machine allows ";
    assert!(ended.err.starts_with(allows) && ended.out.contains("replies"), "{ended:?}");
    let nowhere = "ws://127.0.0.1:1/socket";
    let more = ["--source", "127.0.0.2", "--source", "127.0.0.3"];
    let ended = phx(&[&["bench", nowhere][..], &more].concat()).await;
    ended.badly(3, "ports of each of 2 source addresses");
    assert!(ended.err.starts_with(allows), "{ended:?}");
    phx(&["bench", nowhere, "--sockets", "100000"])
        .await
        .badly(2, "100000 connections are too many: this machine allows");
    server.stops_empty().await;
}

#[tokio::test]
async fn a_payload_of_ones_own() {
    let server = Server::start().await;
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("payload.json");
    fs::write(&path, r#"{"a": [1, 2]}"#).unwrap();
    let in_file = format!("@{}", path.display());
    for payload in [r#"{"a": [1, 2]}"#, &in_file] {
        let bench = ["bench", &server.url, "-d", "10s", "-v", "--payload", payload];
        let mut bench = Phx::start(&bench);
        bench.shows_on_stderr(r#","echo",{"a":[1,2]}]"#).await;
        let ended = bench.interrupted().await;
        assert_eq!(ended.code, Some(130), "{ended:?}");
        assert!(ended.out.contains("payloads of 13 bytes"), "{ended:?}");
    }
    let bench = ["bench", &server.url, "--payload"];
    phx(&[&bench[..], &["{a"]].concat()).await.badly(2, "--payload isn't JSON");
    phx(&[&bench[..], &["1", "--size", "64"]].concat()).await.badly(2, "cannot be used with");
    server.stops_empty().await;
}

#[tokio::test]
async fn what_goes_wrong_is_counted() {
    let mut server = Server::start().await;
    let mut bench = Phx::start(&["bench", &server.url, "-d", "30s", "-v"]);
    bench.shows_on_stderr("\"echo\"").await;
    server.say("drop").await;
    // The first record was printed before the part that the test has read.
    bench.shows_on_stderr("< open").await;
    // With one push in flight a reply is counted before the next push is made.
    bench.shows_on_stderr(r#""phx_reply",{"response":{"data""#).await;
    bench.shows_on_stderr("\"echo\"").await;
    let bench = bench.interrupted().await;
    assert_eq!(bench.code, Some(130), "interrupted, and the result is there all the same");
    assert!(bench.out.contains("reconnects   1"), "{}", bench.out);
    assert!(bench.out.contains("p99.9"), "{}", bench.out);

    let fail = ["bench", &server.url, "-d", "100ms", "--event", "fail"];
    let failed = phx(&fail).await;
    failed.badly(6, "no push was replied to with ok");
    assert!(failed.out.contains("replied error"), "{failed:?}");
    phx(&["bench", "ws://127.0.0.1:1/socket"]).await.badly(3, "can't connect");
    let topic = ["bench", &server.url, "--topic", "nothing:{socket}"];
    phx(&topic).await.badly(4, "nothing:0");
    server.stops_empty().await;
}

#[tokio::test]
async fn a_terminal_shows_how_far_it_is() {
    let server = Server::start().await;
    let bench = ["bench", &server.url, "-d", "1500ms", "--color", "never"];
    let mut bench = terminal::start(&bench, &[]);
    bench.sees(" 0 of 2 s\r\n");
    bench.sees(" 1 of 2 s\r\n1 sockets  ");
    bench.sees("/s  p50 ");
    bench.sees("reconnects   0");
    let shown = bench.ends(0);
    let (_, report) = shown.rsplit_once("\x1b[2A\r\x1b[J").expect("it is erased");
    // On a machine with other work the figures may be doubtful, and are said to be so first.
    let is_doubt = |line: &&str| line.starts_with("warning: ") || line.starts_with("doubtful: ");
    let head = report.lines().find(|line| !is_doubt(line)).unwrap_or_default();
    assert!(head.starts_with("1 sockets x 1 channels, "), "{report:?}");
    assert!(!report.contains('\x1b'), "no colours are wanted: {report:?}");
    server.stops_empty().await;
}

/// The server's words don't act on the terminal, and a warning has a separate line.
#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_shows_stages_steps_and_errors() {
    let hostile = format!("no\u{1b}]0;title\u{7}\u{1b}[2J\r\n\u{202e}{}", "x".repeat(500));
    let url = raw(move |message| match message.event() {
        "odd" => vec![message.reply(&hostile, &json!({}))],
        "bad" => vec![Answer::Text("not a message".to_owned()), message.reply("ok", &json!({}))],
        _ => vec![message.reply("ok", &json!({}))],
    })
    .await;
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("users.jsonl").display().to_string();
    let scenario = r#"{"do": "connect"}
        {"do": "join", "topic": "room:a"}
        {"do": "push", "topic": "room:a", "event": "odd"}
        {"do": "push", "topic": "room:a", "event": "bad"}
        {"do": "sleep", "ms": 80000000}"#;
    fs::write(&path, scenario).unwrap();
    let stages = ["--stage", "0s:3", "--stage", "1h:3"];
    let page = directory.path().join("report.html").display().to_string();
    let bench = [&["bench", &url, "--scenario", &path, "-o", &page][..], &stages].concat();
    let mut bench = terminal::start(&bench, &[("NO_COLOR", "1")]);
    bench.sees("warning: ");
    bench.sees(" of 3600 s  stage 2 of 2, 1h:3\r\n3 users  ");
    bench.sees("errors  3 replied no\\u{1b}]0;title");
    bench.sees("count  per second");
    bench.sees("join ");
    bench.sees("push odd ");
    bench.types(phx_pty::CTRL_C);
    let shown = bench.ends(130);
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("<h2>Stages <small>users, as wanted</small></h2>"), "{page}");
    assert!(page.contains("<tr><th>push odd</th><td>0</td><td class=\"bad\">3</td>"), "{page}");
    assert!(!page.contains(['\u{1b}', '\u{202e}']), "{page}");
    let others = shown.replace("\x1b[", "").contains('\x1b');
    assert!(!others && !shown.contains("\x1b[2J") && !shown.contains('\u{202e}'), "{shown:?}");
    // It is erased before the line.
    let (before, _) = shown.split_once("warning: ").unwrap();
    assert!(before.ends_with("\x1b[J") || before.ends_with("\r\n"), "{before:?}");
    assert!(before.matches("\x1b[J").count() <= before.matches(" of 3600 s").count());
}

/// Starts a server that gives a different answer each time.
#[tokio::test]
async fn statuses_without_end_are_counted_together() {
    let next = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&next);
    let url = raw(move |message| {
        let status = match message.event() {
            "phx_join" => "ok".to_owned(),
            _ => format!("{}\u{1b}[2J\n{}", counter.fetch_add(1, Relaxed), "x".repeat(10_000)),
        };
        vec![message.reply(&status, &json!({}))]
    })
    .await;
    let failed = phx(&["bench", &url, "--duration", "100ms"]).await;
    failed.badly(6, "no push was replied to with ok");
    // On a busy machine a given time isn't enough for more kinds than the limit.
    let ends_with = async |more: &[&str]| {
        let enough = next.load(Relaxed) + 200;
        let bench = ["bench", &url, "--duration", "1h", "--in-flight", "8"];
        let bench = Phx::start(&[&bench[..], more].concat());
        let answered = async {
            while next.load(Relaxed) < enough {
                yield_now().await;
            }
        };
        timeout(PATIENCE, answered).await.expect("so many statuses in time");
        bench.interrupted().await
    };
    let text = ends_with(&[]).await;
    assert!(text.out.len() < 20_000 && text.out.contains(" other"), "{text:?}");
    assert!(!text.out.contains('\u{1b}'), "{text:?}");
    let result: Value = serde_json::from_str(&ends_with(&["--json"]).await.out).unwrap();
    let errors = result["errors"].as_object().unwrap();
    assert!(errors.len() > 10 && errors.len() < 70, "{} kinds", errors.len());
    assert!(errors.keys().all(|name| name.len() < 200), "{errors:?}");
}
