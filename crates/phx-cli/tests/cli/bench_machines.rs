//! Several workers as on several machines: each in a network namespace where the kernel allows that, and otherwise on
//! a loopback address. A table on standard output says which.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::{Ended, PATIENCE, Phx, Server, phx};

/// Number of workers.
const WORKERS: u32 = 3;

/// The load of all workers.
const LOAD: [&str; 9] = ["-s", "6", "-c", "2", "--rate", "300", "-d", "500ms", "--json"];

/// Pushes that are due in that time.
const PUSHES: u64 = 150;

/// A server with an address that all workers reach, and each worker at the other end of a link to it. They begin when
/// their end of the link has come.
const NAMESPACES: &str = r#"
set -eu
cd "$DIR"
ip link set lo up
ip addr add 10.9.9.9/32 dev lo
mkfifo up
"$PHX" serve --host 10.9.9.9 --port 4000 > up 2> serve.err &
exec 3< up
read url <&3
workers=
for i in $(seq "$WORKERS"); do
  ip link add "h$i" type veth peer name "w$i"
  ip addr add "10.9.$i.1/24" dev "h$i"
  ip link set "h$i" up
  mkfifo "pid$i" "go$i"
  i="$i" url="$url" unshare -n sh -eu -c '
    echo $$ > "pid$i"
    read go < "go$i"
    ip addr add "10.9.$i.2/24" dev "w$i"
    ip link set "w$i" up
    ip route add default via "10.9.$i.1"
    exec "$PHX" bench "$url" $LOAD --worker "$i/$WORKERS" --start-at "$START" --hdr "$i.hdr" > "$i.json"
  ' &
  workers="$workers $!"
  read pid < "pid$i"
  ip link set "w$i" netns "$pid"
  echo go > "go$i"
done
for worker in $workers; do wait "$worker"; done
"#;

/// A shell in namespaces of its own, in which everything ends with it.
fn in_namespaces(script: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["-rnpf", "--kill-child", "sh", "-c", script]).kill_on_drop(true);
    command
}

/// Returns true if there can be namespaces with links between them.
async fn has_namespaces() -> bool {
    let script = "ip link add a0 type veth peer name a1 && unshare -n true";
    in_namespaces(script).output().await.is_ok_and(|output| output.status.success())
}

async fn run_in_namespaces(folder: &Path, start: u64) {
    let mut command = in_namespaces(NAMESPACES);
    command.env("DIR", folder).env("PHX", env!("CARGO_BIN_EXE_phx")).env("LOAD", LOAD.join(" "));
    command.env("WORKERS", WORKERS.to_string()).env("START", start.to_string());
    let output = timeout(PATIENCE, command.output()).await.expect("it ends in time").unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn run_on_loopback(folder: &Path, start: u64) {
    let server = Server::start().await;
    let mut workers = Vec::new();
    for number in 1..=WORKERS {
        let (share, start) = (format!("{number}/{WORKERS}"), start.to_string());
        let log = folder.join(format!("{number}.hdr")).display().to_string();
        // Other systems have only one such address.
        let source = if cfg!(target_os = "linux") { number + 1 } else { 1 };
        let source = format!("127.0.0.{source}");
        let bench = [&["bench", &server.url][..], &LOAD].concat();
        let more = ["--worker", &share, "--start-at", &start, "--hdr", &log, "--source", &source];
        workers.push(Phx::start(&[&bench[..], &more].concat()));
    }
    for (number, worker) in (1..).zip(workers) {
        let Ended { code, out, err } = worker.ends().await;
        assert_eq!(code, Some(0), "{err}");
        fs::write(folder.join(format!("{number}.json")), out).unwrap();
    }
    server.stops_empty().await;
}

#[tokio::test]
async fn workers_on_several_machines_make_one_report() {
    let folder = TempDir::new().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let has_namespaces = has_namespaces().await;
    let place = if has_namespaces {
        run_in_namespaces(folder.path(), now + 2).await;
        "network namespaces"
    } else {
        run_on_loopback(folder.path(), now + 2).await;
        "loopback addresses"
    };
    let mut reports: Vec<Value> = Vec::new();
    for number in 1..=WORKERS {
        let text = fs::read_to_string(folder.path().join(format!("{number}.json"))).unwrap();
        reports.push(serde_json::from_str(&text).unwrap());
    }
    let merged = phx(&["bench", "merge", &folder.path().display().to_string(), "--json"]).await;
    assert_eq!(merged.code, Some(0), "{merged:?}");
    let merged: Value = serde_json::from_str(&merged.out).unwrap();

    let mut table = format!("workers in {place}\n  worker  replies  p50_us  p99_us  max_us\n");
    let figure = |report: &Value, name: &str| report["latency_us"][name].as_u64().unwrap();
    let names = (1..=WORKERS).map(|number| format!("{number}/{WORKERS}"));
    for (name, report) in names.chain(["merged".to_owned()]).zip(reports.iter().chain([&merged])) {
        let [p50, p99, max] = ["p50", "p99", "max"].map(|name| figure(report, name));
        table += &format!("  {name:<6}  {:>7}  {p50:>6}  {p99:>6}  {max:>6}\n", report["replies"]);
    }
    // Not by `println!`, whose output is shown of failed tests only.
    std::io::stdout().write_all(table.as_bytes()).unwrap();

    assert_eq!(
        (&merged["replies"], &merged["complete"]),
        (&PUSHES.into(), &true.into()),
        "{table}"
    );
    assert_eq!(merged["errors"], serde_json::json!({}));
    let each = |name: &'static str| reports.iter().map(move |report| figure(report, name));
    assert_eq!(each("min").min(), Some(figure(&merged, "min")), "{table}");
    assert_eq!(each("max").max(), Some(figure(&merged, "max")), "{table}");
    let (least, most) = (each("p50").min().unwrap(), each("p50").max().unwrap());
    assert!((least..=most).contains(&figure(&merged, "p50")), "{table}");
    let url = merged["url"].as_str().unwrap();
    assert_eq!(url.starts_with("ws://10.9.9.9:4000/"), has_namespaces, "{url}");
}
