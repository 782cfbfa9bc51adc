//! `phx bench` watches itself.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Phx, Server, phx};

/// The generator is stopped for the time that another run takes.
#[tokio::test]
async fn a_generator_that_stood_still_is_not_to_be_believed() {
    let server = Server::start().await;
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let (page, log) = (at("report.html"), at("run.hdr"));
    let bench = ["bench", &server.url, "-d", "1s", "--rate", "20", "-v"];
    let more = ["--json", "-o", &page, "--hdr", &log];
    let mut bench = Phx::start(&[&bench[..], &more].concat());
    bench.shows_on_stderr("\"echo\"").await;
    bench.signal("STOP").await;
    phx(&["bench", &server.url, "-d", "300ms", "--rate", "20"]).await.measured();
    bench.signal("CONT").await;
    let ended = bench.ends().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");

    let doubt = "the generator was too busy to be believed: its timers were ";
    let warnings = ended.err.lines().filter(|line| line.contains("generator"));
    let warnings: Vec<&str> = warnings.collect();
    assert!(matches!(warnings[..], [warning] if warning.contains(doubt)), "{warnings:?}");
    let result: Value = serde_json::from_str(&ended.out).unwrap();
    let generator = &result["generator"];
    assert_eq!(generator["believable"], false, "{generator}");
    assert!(generator["lag_us"]["p99"].as_u64().unwrap() > 200_000, "{generator}");
    assert!(generator["cpu_percent"].as_f64().unwrap() > 0.0, "{generator}");
    assert!(generator["cores"].as_u64().unwrap() > 0, "{generator}");
    assert!(result["notes"][0].as_str().unwrap().starts_with(doubt), "{result}");
    assert_eq!(result["complete"], true, "doubtful isn't incomplete");
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains(&format!("Doubtful: {doubt}")));

    let merged = phx(&["bench", "merge", &log]).await;
    assert_eq!(merged.code, Some(0), "{merged:?}");
    assert!(merged.err.contains(&format!("warning: {doubt}")), "{merged:?}");
    assert!(merged.out.starts_with(&format!("doubtful: {doubt}")), "{merged:?}");
    assert!(merged.out.contains("\ngenerator    timers late p99 "), "{merged:?}");
    server.stops_empty().await;
}

/// The logs are those of one worker, with the numbers of seven.
#[tokio::test]
async fn workers_that_were_too_busy_are_named_up_to_five() {
    let server = Server::start().await;
    let directory = TempDir::new().unwrap();
    let at = |name: u32| directory.path().join(format!("{name}.hdr")).display().to_string();
    let bench = ["bench", &server.url, "-s", "7", "-d", "100ms", "--worker", "1/7"];
    phx(&[&bench[..], &["--hdr", &at(1)]].concat()).await.measured();
    let log = fs::read_to_string(at(1)).unwrap();
    let (before, figures) = log.split_once("\"lag_p99_us\":").unwrap();
    let (_, after) = figures.split_once(',').unwrap();
    let late = format!("{before}\"lag_p99_us\":23000,{after}");
    let logs: Vec<String> = (1..=7).map(at).collect();
    for (number, path) in (1..).zip(&logs) {
        let numbered = format!("\"number\":{number},\"of\":7");
        fs::write(path, late.replacen("\"number\":1,\"of\":7", &numbered, 1)).unwrap();
    }
    let logs: Vec<&str> = logs.iter().map(String::as_str).collect();
    let merged = phx(&[&["bench", "merge", "--json"], &logs[..]].concat()).await;
    assert_eq!(merged.code, Some(0), "{merged:?}");
    let merged: Value = serde_json::from_str(&merged.out).unwrap();
    let notes: Vec<&str> =
        merged["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap()).collect();
    assert_eq!(notes.len(), 6, "{notes:?}");
    for (number, note) in (1..).zip(&notes[..5]) {
        let doubt = "the generator was too busy to be believed: its timers were 23.0 ms late";
        assert!(note.starts_with(&format!("worker {number}/7 (")), "{notes:?}");
        assert!(note.contains(doubt), "{notes:?}");
    }
    assert_eq!(notes[5], "2 more workers were too busy to be believed");
    server.stops_empty().await;
}

/// Logs of versions before this figure are read.
#[tokio::test]
async fn a_log_without_the_figures_has_none_in_its_report() {
    let server = Server::start().await;
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("run.hdr").display().to_string();
    phx(&["bench", &server.url, "-d", "100ms", "--hdr", &path]).await.measured();
    let log = fs::read_to_string(&path).unwrap();
    let (before, figures) = log.split_once(",\"generator\":{").unwrap();
    let (_, after) = figures.split_once('}').unwrap();
    fs::write(&path, format!("{before}{after}")).unwrap();
    let merged = phx(&["bench", "merge", &path, "--json"]).await.well();
    let merged: Value = serde_json::from_str(&merged).unwrap();
    assert_eq!(merged["generator"], Value::Null);
    server.stops_empty().await;
}
