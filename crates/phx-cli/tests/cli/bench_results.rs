//! What `phx bench` makes of its figures: thresholds, and files.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::raw::{Answer, raw};
use crate::support::{PATIENCE, Phx, Server, phx};

#[tokio::test]
async fn thresholds_have_an_exit_code_of_their_own() {
    let server = Server::start().await;
    let bench = ["bench", &server.url, "-d", "200ms", "--rate", "100"];
    let met = ["--threshold", "push p99 < 1h", "--threshold", "push echo errors <= 0"];
    let text = phx(&[&bench[..], &met].concat()).await.measured();
    assert!(text.contains("thresholds   met     push p99 < 3600 s: "), "{text}");
    assert!(text.contains("             met     push echo errors <= 0: 0"), "{text}");

    let missed = ["--threshold", "push count > 1000000", "--threshold", "push errors < 1%"];
    let ended = phx(&[&bench[..], &missed, &["--json"]].concat()).await;
    ended.badly(7, "a threshold was missed: push count > 1000000 (20)");
    let result: Value = serde_json::from_str(&ended.out).unwrap();
    let thresholds = result["thresholds"].as_array().unwrap();
    let met: Vec<&Value> = thresholds.iter().map(|threshold| &threshold["met"]).collect();
    assert_eq!(met, [false, true]);
    assert_eq!((&thresholds[0]["value"], &thresholds[0]["unit"]), (&20.0.into(), &"count".into()));
    assert_eq!(result["complete"], true);
    server.stops_empty().await;
}

#[tokio::test]
async fn a_mistake_in_a_threshold_is_found_before_anything_runs() {
    let nowhere = "ws://127.0.0.1:1/socket";
    for (threshold, expected) in [
        ("push p99 = 200ms", "such as 'push p99 < 200ms'"),
        ("push p99 < 200", "such as 200ms"),
        ("push fastest < 200ms", "p99.9"),
        ("join p99 < 200ms", "expected one of these, or its first word: push echo"),
    ] {
        let ended = phx(&["bench", nowhere, "--threshold", threshold]).await;
        ended.badly(2, expected);
        assert!(!ended.err.contains("can't connect"), "{ended:?}");
    }
}

/// A share of errors is one of all attempts, and replies with another status count among them.
#[tokio::test]
async fn errors_count_in_thresholds() {
    let url = raw(|message| {
        let status = if message.event() == "phx_join" { "ok" } else { "error" };
        vec![message.reply(status, &serde_json::json!({}))]
    })
    .await;
    let bench = ["bench", &url, "-d", "200ms", "--threshold", "push errors < 5%"];
    let ended = phx(&bench).await;
    // The run itself failed, which comes first.
    ended.badly(6, "no push was replied to with ok");
    assert!(ended.out.contains("missed  push errors < 5%: 100%"), "{ended:?}");
}

#[tokio::test]
async fn the_log_is_in_the_standard_format_and_merge_says_the_same() {
    let server = Server::start().await;
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("run.hdr").display().to_string();
    let bench = ["bench", &server.url, "-s", "2", "-d", "500ms", "--rate", "200", "--json"];
    let live = phx(&[&bench[..], &["--hdr", &path]].concat()).await.measured();
    let live: Value = serde_json::from_str(&live).unwrap();
    let log = fs::read_to_string(&path).unwrap();
    for line in log.lines().filter(|line| !line.starts_with(['#', '"'])) {
        let columns: Vec<&str> = line.split(',').collect();
        assert_eq!(columns.len(), 5, "{line}");
        assert!(columns[0].starts_with("Tag=push_echo"), "{line}");
        assert!(columns[1..4].iter().all(|column| column.parse::<f64>().is_ok()), "{line}");
        assert!(columns[4].starts_with("HISTFAAA"), "{line}");
    }
    assert!(log.starts_with("#[") && log.contains("\n#[StartTime: "), "{log:.300}");

    let merged = phx(&["bench", "merge", &path, "--json"]).await.measured();
    let merged: Value = serde_json::from_str(&merged).unwrap();
    for figure in ["replies", "latency_us", "errors", "url", "event", "rate", "size", "complete"] {
        assert_eq!(merged[figure], live[figure], "{figure}");
    }
    server.stops_empty().await;
}

/// The columns of a line, without those of other names: no name here has a comma.
fn columns(line: &str) -> Vec<&str> {
    line.split(',').collect()
}

#[tokio::test]
async fn a_time_series_has_all_that_was_measured() {
    let server = Server::start().await;
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("run.csv").display().to_string();
    let bench = ["bench", &server.url, "-s", "2", "-d", "1500ms", "--rate", "100", "--json"];
    let result = phx(&[&bench[..], &["--series", &path]].concat()).await.measured();
    let result: Value = serde_json::from_str(&result).unwrap();
    assert_eq!(result["replies"], 150, "{result}");
    assert!(result["samples"].as_array().unwrap().len() > 2, "they are as without: {result}");
    let series = fs::read_to_string(&path).unwrap();
    let (head, rows) = series.split_once('\n').unwrap();
    let names = columns(head);
    let rows: Vec<Vec<&str>> = rows.lines().map(columns).collect();
    assert!(rows.iter().all(|row| row.len() == names.len()), "{series}");
    let place = |name| names.iter().position(|known| *known == name).unwrap();
    for step in ["*", "push echo"] {
        let of_step = || rows.iter().filter(|row| row[place("step")] == step);
        assert!(of_step().count() >= 2, "{series}");
        let sum = |name| of_step().map(|row| row[place(name)].parse::<f64>().unwrap()).sum::<f64>();
        assert_eq!((sum("count"), sum("errors")), (150.0, 0.0), "{series}");
        assert!((sum("seconds") - result["took_s"].as_f64().unwrap()).abs() < 0.01, "{series}");
        let max = of_step().filter_map(|row| row[place("max_us")].parse::<u64>().ok()).max();
        assert_eq!(max, result["latency_us"]["max"].as_u64(), "{series}");
        assert_eq!(of_step().next().unwrap()[place("users")], "2", "{series}");
    }
    server.stops_empty().await;
}

/// A sample of the text format.
fn metric(text: &str, name: &str) -> Option<f64> {
    let of_name = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
    text.lines().find_map(of_name)
}

#[tokio::test]
async fn metrics_are_replaced_while_the_run_goes_on() {
    let server = Server::start().await;
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("run.prom").display().to_string();
    let bench = ["bench", &server.url, "-s", "2", "-d", "1h", "--rate", "100", "--json"];
    let bench = Phx::start(&[&bench[..], &["--prometheus", &path]].concat());
    let count = r#"phx_bench_latency_seconds_count{step="push echo"}"#;
    let read = || fs::read_to_string(&path).unwrap_or_default();
    let is_written = async {
        while metric(&read(), count).unwrap_or(0.0) == 0.0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, is_written).await.expect("figures in time");
    let running = read();
    assert_eq!(metric(&running, "phx_bench_running"), Some(1.0), "{running}");
    assert_eq!(metric(&running, "phx_bench_users"), Some(2.0), "{running}");
    let ended = bench.interrupted().await;
    let result: Value = serde_json::from_str(&ended.out).unwrap();
    let last = read();
    assert_eq!(metric(&last, count), result["replies"].as_f64(), "{last}");
    assert_eq!(metric(&last, "phx_bench_running"), Some(0.0), "{last}");
    let infinite = r#"phx_bench_latency_seconds_bucket{step="push echo",le="+Inf"}"#;
    assert_eq!(metric(&last, infinite), result["replies"].as_f64(), "{last}");
    let files = fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(files, 1, "nothing is left beside it");
    server.stops_empty().await;
}

/// Sends a request, and returns the answer. What fails is an empty one: the endpoint may have closed the connection.
async fn http(address: &str, request: &str) -> String {
    let mut answer = String::new();
    if let Ok(mut stream) = TcpStream::connect(address).await {
        let _ = stream.write_all(request.as_bytes()).await;
        let _ = stream.read_to_string(&mut answer).await;
    }
    answer
}

#[tokio::test]
async fn metrics_are_served_while_the_run_goes_on() {
    let server = Server::start().await;
    let bench = ["bench", &server.url, "-s", "2", "-d", "1h", "--rate", "100"];
    let mut bench = Phx::start(&[&bench[..], &["--prometheus-listen", "0"]].concat());
    let said = bench.shows_on_stderr("/metrics\n").await;
    let (_, address) = said.split_once("metrics are on http://").unwrap();
    let address = address.trim_end().strip_suffix("/metrics").unwrap();
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    let get = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
    let count = r#"phx_bench_latency_seconds_count{step="push echo"}"#;
    let has_figures = async {
        while metric(&http(address, get).await, count).unwrap_or(0.0) == 0.0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, has_figures).await.expect("figures in time");
    for path in ["/", "/metrics/", "/metrics/x", "//metrics"] {
        let answer = http(address, &format!("GET {path} HTTP/1.1\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 404 ") && !answer.contains("phx_bench"), "{answer}");
    }
    // As long as a head may be, and it isn't whole.
    let long = "GET /metrics HTTP/1.1\r\nA: ".to_owned();
    let long = long.clone() + &"x".repeat((8 << 10) - long.len());
    assert!(http(address, &long).await.starts_with("HTTP/1.1 431 "));
    let taken = ["bench", &server.url, "--prometheus-listen", address];
    phx(&taken).await.badly(2, &format!("can't listen on {address}: "));

    // As many as there may be, which say nothing; the run goes on all the same.
    let mut idle = Vec::new();
    for _ in 0..8 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    let mut further = TcpStream::connect(address).await.unwrap();
    let closed = timeout(PATIENCE, further.read(&mut [0; 1])).await.expect("it is closed");
    assert!(!matches!(closed, Ok(1..)), "{closed:?}");
    drop(idle);
    let has_figures = async {
        while metric(&http(address, get).await, count).is_none() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, has_figures).await.expect("places become free");
    let ended = bench.interrupted().await;
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.out.contains("errors       0"), "{ended:?}");
    assert!(TcpStream::connect(address).await.is_err(), "it ends with the run");
    server.stops_empty().await;
}

#[tokio::test]
async fn metrics_for_other_machines_come_with_a_warning() {
    let server = Server::start().await;
    let open = ["bench", &server.url, "-d", "100ms", "--prometheus-listen", "0.0.0.0:0"];
    let ended = phx(&open).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.err.contains("metrics are on http://0.0.0.0:"), "{ended:?}");
    assert!(ended.err.contains("can be reached from other machines"), "{ended:?}");
    phx(&["bench", &server.url, "--prometheus-listen", "localhost:1"]).await.badly(2, "a port");
    server.stops_empty().await;
}

/// A scenario's data, variables and answers aren't in it, and it can be used while the run goes on.
#[tokio::test]
async fn a_time_series_of_a_scenario_has_no_values() {
    let server = Server::start().await;
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    fs::write(at("people.csv"), "name\nhush\n").unwrap();
    let scenario = r#"{"do": "data", "file": "people.csv"}
        {"do": "set", "variables": {"word": "hush"}}
        {"do": "connect", "params": {"token": "${word}"}}
        {"do": "join", "topic": "room:${name}"}
        {"do": "push", "topic": "room:${name}", "event": "fail", "payload": "${word}"}
        {"do": "push", "topic": "room:${name}", "event": "echo", "payload": "${word}", "name": "=\"x\",y"}
        {"do": "sleep", "ms": 80000000}"#;
    fs::write(at("users.jsonl"), scenario).unwrap();
    let (scenario, path) = (at("users.jsonl"), at("run.csv"));
    let bench = ["bench", &server.url, "--scenario", &scenario, "-d", "1h", "--series", &path];
    let bench = Phx::start(&[&bench[..], &["--prometheus", &at("run.prom")]].concat());
    let is_written = async {
        while fs::read_to_string(&path).unwrap_or_default().lines().count() < 9 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, is_written).await.expect("a second's rows in time");
    let ended = bench.interrupted().await;
    assert_eq!(ended.code, Some(130), "{ended:?}");
    let series = fs::read_to_string(&path).unwrap();
    assert!(!series.contains("hush"), "{series}");
    let metrics = fs::read_to_string(at("run.prom")).unwrap();
    let failed = r#"phx_bench_errors_total{step="push fail",class="replied error"}"#;
    assert_eq!(metric(&metrics, failed), Some(1.0), "{metrics}");
    assert!(!metrics.contains("hush"), "{metrics}");
    let failed = series.lines().filter(|line| line.contains(",1,push fail,0,0.000,1,0,,"));
    assert_eq!(failed.count(), 1, "{series}");
    assert!(series.contains(r#",1,"'=""x"",y",1,"#), "{series}");
    server.stops_empty().await;
}

#[tokio::test]
async fn files_are_written_through_no_link_and_before_anything_runs() {
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let (target, link) = (at("target"), at("link"));
    fs::write(&target, "kept").unwrap();
    symlink(&target, &link).unwrap();
    let nowhere = "ws://127.0.0.1:1/socket";
    for path in [&*link, "/dev/null", "no/such/directory/file"] {
        let ended = phx(&["bench", nowhere, "--hdr", path]).await;
        ended.badly(2, "can't write ");
        phx(&["bench", nowhere, "--prometheus", path]).await.badly(2, "can't write ");
        phx(&["bench", nowhere, "--series", path]).await.badly(2, "can't write ");
    }
    for other in ["--hdr", "--output", "--prometheus"] {
        let ended = phx(&["bench", nowhere, "--series", &at("run"), other, &at("run")]).await;
        ended.badly(2, "two outputs have the same file");
    }
    let server = Server::start().await;
    phx(&["bench", &server.url, "-d", "100ms", "-o", &link]).await.badly(2, "a symbolic link");
    assert_eq!(fs::read_to_string(&target).unwrap(), "kept");
    server.stops_empty().await;
}

/// The peer answers joins and pushes, and neither leaves nor close frames.
#[tokio::test]
async fn ctrl_c_ends_it_with_a_report_though_the_server_says_nothing() {
    let url = raw(|message| match message.event() {
        "phx_leave" => Vec::<Answer>::new(),
        _ => vec![message.reply("ok", &serde_json::json!({}))],
    })
    .await;
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("run.hdr").display().to_string();
    let bench = ["bench", &url, "-d", "1h", "-v", "--close-timeout", "1h", "--hdr", &path];
    let mut bench = Phx::start(&bench);
    bench.shows_on_stderr("phx_reply").await;
    bench.shows_on_stderr("\"echo\"").await;
    bench.shows_on_stderr("\"echo\"").await;
    // `PATIENCE` is far below the hour; the time itself is measured by hand.
    let ended = bench.interrupted().await;
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.out.contains("a part of the run: it was interrupted after "), "{ended:?}");
    assert!(ended.out.contains("p99.9"), "{ended:?}");
    let merged = phx(&["bench", "merge", &path]).await;
    merged.badly(6, "was interrupted after");
    assert!(merged.out.contains("a part of the run: the run ("), "{merged:?}");
}
