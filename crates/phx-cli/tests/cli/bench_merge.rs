//! `phx bench --worker` and `phx bench merge`.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Ended, Phx, Server, phx};

/// A folder with the logs of a run of three workers.
struct Run {
    directory: TempDir,
    reports: Vec<Value>,
}

impl Run {
    /// Runs three workers at the same time, each against the server at its address.
    async fn of_three(urls: [&str; 3]) -> Self {
        let directory = TempDir::new().unwrap();
        let mut workers = Vec::new();
        for (number, url) in (1..).zip(urls) {
            let path = directory.path().join(format!("{number}.hdr")).display().to_string();
            let worker = format!("{number}/3");
            let bench = ["bench", url, "-s", "4", "-c", "2", "--rate", "300", "-d", "1s"];
            let more = ["--worker", &worker, "--hdr", &path, "--json"];
            workers.push(Phx::start(&[&bench[..], &more].concat()));
        }
        let mut reports = Vec::new();
        for worker in workers {
            reports.push(serde_json::from_str(&worker.ends().await.measured()).unwrap());
        }
        Run { directory, reports }
    }

    /// Takes out of the logs what depends on how busy the machine was: the workers' starts and their own load.
    fn quieten(&self) {
        for number in 1..=3 {
            let log = fs::read_to_string(self.log(number)).unwrap();
            let (before, rest) = log.split_once("#[StartTime: ").unwrap();
            let (_, rest) = rest.split_once(' ').unwrap();
            let (between, rest) = rest.split_once("\"generator\":{").unwrap();
            let (_, rest) = rest.split_once('}').unwrap();
            let (start, own) = ("#[StartTime: 1000000000.000 ", "\"generator\":null");
            fs::write(self.log(number), format!("{before}{start}{between}{own}{rest}")).unwrap();
        }
    }

    fn log(&self, number: u32) -> String {
        self.directory.path().join(format!("{number}.hdr")).display().to_string()
    }

    async fn merged(&self, numbers: &[u32], more: &[&str]) -> Ended {
        let logs: Vec<String> = numbers.iter().map(|number| self.log(*number)).collect();
        let logs: Vec<&str> = logs.iter().map(String::as_str).collect();
        phx(&[&["bench", "merge"], &logs[..], more].concat()).await
    }
}

#[tokio::test]
async fn the_reports_of_workers_become_one() {
    let server = Server::start().await;
    let run = Run::of_three([&server.url; 3]).await;
    // One socket, one, and two; and the rate goes with them.
    let replies: Vec<u64> =
        run.reports.iter().map(|report| report["replies"].as_u64().unwrap()).collect();
    assert_eq!(replies, [76, 76, 148], "the pushes that are due in a second");
    assert!(run.reports.iter().all(|report| report["complete"] == false));
    assert_eq!(run.reports[1]["worker"], serde_json::json!({ "number": 2, "of": 3 }));

    let page = run.directory.path().join("report.html").display().to_string();
    let conditions = ["--threshold", "push count >= 300", "-o", &page, "--json"];
    let merged = run.merged(&[3, 1, 2], &conditions).await;
    assert_eq!(merged.code, Some(0), "{merged:?}");
    let report: Value = serde_json::from_str(&merged.out).unwrap();
    assert_eq!((&report["replies"], &report["complete"]), (&300.into(), &true.into()));
    assert_eq!((&report["sockets"], &report["rate"]), (&4.into(), &300.0.into()));
    let extreme = |name: &str| {
        let of = |report: &Value| report["latency_us"][name].as_u64().unwrap();
        (of(&report), run.reports.iter().map(of).collect::<Vec<_>>())
    };
    let ((min, mins), (max, maxes)) = (extreme("min"), extreme("max"));
    assert_eq!((Some(min), Some(max)), (mins.into_iter().min(), maxes.into_iter().max()));
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("<svg") && !page.contains("a part of the run"));

    // A folder has the same logs, and can be compared.
    let folder = run.directory.path().display().to_string();
    let merged = phx(&["bench", "merge", &folder, "--json"]).await;
    let whole: Value = serde_json::from_str(&merged.out).unwrap();
    assert_eq!((&whole["latency_us"], &whole["complete"]), (&report["latency_us"], &true.into()));
    let compare = ["bench", "compare", &folder, &folder, "--limit", "push p99 +0%", "--json"];
    let compared = phx(&compare).await;
    assert_eq!(compared.code, Some(0), "{compared:?}");
    let compared: Value = serde_json::from_str(&compared.out).unwrap();
    let before = compared["limits"][0]["before"].as_f64();
    assert_eq!(before, report["latency_us"]["p99"].as_f64(), "{compared}");
    let part = phx(&["bench", "compare", &folder, &run.log(1)]).await;
    part.badly(6, "worker 2/3 has no log here");
    let empty = TempDir::new().unwrap();
    let empty = empty.path().display().to_string();
    phx(&["bench", "merge", &empty]).await.badly(2, "has no logs: expected files *.hdr");

    let missed = run.merged(&[1, 2, 3], &["--threshold", "push count > 300"]).await;
    missed.badly(7, "push count > 300 (300)");
    server.stops_empty().await;
}

#[tokio::test]
async fn a_part_is_never_passed_off_as_the_whole() {
    let server = Server::start().await;
    let run = Run::of_three([&server.url; 3]).await;
    run.quieten();
    let missing = run.merged(&[1, 3], &["--json"]).await;
    missing.badly(6, "a part of the run is missing: worker 2/3 has no log here");
    let report: Value = serde_json::from_str(&missing.out).unwrap();
    assert_eq!((&report["complete"], &report["replies"]), (&false.into(), &224.into()));
    assert_eq!(report["problems"], serde_json::json!(["worker 2/3 has no log here"]));

    // It was killed while it wrote a line.
    let path = run.log(2);
    let whole = fs::read_to_string(&path).unwrap();
    let last = whole.rfind("\nTag=").unwrap();
    fs::write(&path, &whole[..last + 20]).unwrap();
    let page = run.directory.path().join("report.html").display().to_string();
    let died = run.merged(&[1, 2, 3], &["-o", &page, "--threshold", "push count > 0"]).await;
    died.badly(6, "worker 2/3 (");
    died.badly(6, "died: its log stops after ");
    assert!(died.out.contains("a part of the run: worker 2/3 ("), "{died:?}");
    assert!(fs::read_to_string(page).unwrap().contains("a part of the run: worker 2/3 ("));

    let begun = whole.find("#[phx steps").unwrap();
    fs::write(&path, &whole[..begun]).unwrap();
    run.merged(&[1, 2, 3], &[]).await.badly(6, "failed or died before it measured");
    fs::write(&path, &whole).unwrap();
    run.merged(&[1, 2, 3], &[]).await.well();
    server.stops_empty().await;
}

#[tokio::test]
async fn logs_that_do_not_belong_together_are_refused() {
    let server = Server::start().await;
    let run = Run::of_three([&server.url; 3]).await;
    run.merged(&[1, 2, 2], &[]).await.badly(2, "is of worker 2/3, as another log is");
    let whole = fs::read_to_string(run.log(2)).unwrap();
    for (from, to, why) in [
        ("\"of\":3", "\"of\":4", "the number of workers is another"),
        ("\"sockets\":4", "\"sockets\":5", "the load is another"),
        ("\"start_at\":null", "\"start_at\":\"then\"", "the --start-at is another"),
        ("\"name\":\"push echo\"", "\"name\":\"push shout\"", "the list of steps is another"),
        ("{\"number\":2,\"of\":3}", "null", "is a whole run"),
        ("#[phx run ", "#[run ", "expected a log"),
    ] {
        assert!(whole.contains(from), "{from}");
        fs::write(run.log(2), whole.replacen(from, to, 1)).unwrap();
        run.merged(&[1, 2, 3], &[]).await.badly(2, why);
    }
    run.merged(&[1, 3, 9], &[]).await.badly(2, "can't read ");
    phx(&["bench", "merge"]).await.badly(2, "required");
    phx(&["bench", "merge", "/dev/zero"]).await.badly(2, "it isn't a plain file");
    server.stops_empty().await;
}

/// Each arrival is one worker's, and the users have the numbers of the whole run.
#[tokio::test]
async fn workers_share_the_users_and_the_rows_of_a_scenario() {
    let server = Server::start().await;
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let rows: Vec<String> = (0..20).map(|row| format!("r{row}\n")).collect();
    fs::write(at("rows.csv"), format!("row\n{}", rows.concat())).unwrap();
    let scenario = r#"{"do": "data", "file": "rows.csv", "order": "next"}
        {"do": "connect"}
        {"do": "join", "topic": "room:${user}-${row}"}
        {"do": "push", "topic": "room:${user}-${row}", "event": "echo"}
        {"do": "leave", "topic": "room:${user}-${row}"}
        {"do": "disconnect"}"#;
    fs::write(at("users.jsonl"), scenario).unwrap();
    let mut topics = Vec::new();
    for worker in ["1/2", "2/2"] {
        let (scenario, log) = (at("users.jsonl"), at(&format!("{}.hdr", &worker[..1])));
        let bench = ["bench", &server.url, "--scenario", &scenario, "--worker", worker];
        // On a busy machine those who arrive last need some time after the others.
        let stages = ["--stage", "1s:20", "--stage", "0s:0", "--stage", "2s:0"];
        let more = ["--arrival-rate", "20", "--hdr", &log, "-vv"];
        let ended = phx(&[&bench[..], &stages, &more].concat()).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let joins = ended.err.lines().filter(|line| line.contains("\"phx_join\""));
        topics.extend(
            joins.map(|line| {
                line.split('"').find(|word| word.contains("room:")).unwrap().to_owned()
            }),
        );
    }
    topics.sort_unstable();
    let mut all: Vec<String> = (0..20).map(|user| format!("room:{user}-r{user}")).collect();
    all.sort_unstable();
    // The first user of a worker takes its first row.
    assert_eq!(topics.len(), 20, "{topics:?}");
    let rows = |topics: &[String]| {
        let mut rows: Vec<String> =
            topics.iter().map(|topic| topic.split_once('-').unwrap().1.to_owned()).collect();
        rows.sort_unstable();
        rows
    };
    assert_eq!(rows(&topics), rows(&all), "each row once");
    let conditions = ["--threshold", "push echo count >= 20", "--threshold", "join errors <= 0"];
    let logs = [at("1.hdr"), at("2.hdr")];
    let merge = ["bench", "merge", &logs[0], &logs[1]];
    // They ran one after the other, which is noted.
    let merged = phx(&[&merge[..], &conditions].concat()).await;
    assert_eq!(merged.code, Some(0), "{merged:?}");
    assert!(merged.out.contains("up to 20 users a second for 3s"), "{merged:?}");
    server.stops_empty().await;
}

/// Machines whose clocks differ, or that began at different times.
#[tokio::test]
async fn workers_that_begin_apart_are_noted() {
    let server = Server::start().await;
    let run = Run::of_three([&server.url; 3]).await;
    run.quieten();
    let whole = fs::read_to_string(run.log(2)).unwrap();
    let (before, rest) = whole.split_once("#[StartTime: ").unwrap();
    let (_, rest) = rest.split_once(' ').unwrap();
    fs::write(run.log(2), format!("{before}#[StartTime: 1000000005.5 {rest}")).unwrap();
    let merged = run.merged(&[1, 2, 3], &["--json"]).await;
    assert_eq!(merged.code, Some(0), "{merged:?}");
    assert!(merged.err.contains("warning: the workers began to measure up to "), "{merged:?}");
    let report: Value = serde_json::from_str(&merged.out).unwrap();
    assert_eq!((&report["replies"], &report["complete"]), (&300.into(), &true.into()));
    assert!(report["notes"][0].as_str().unwrap().contains("by their clocks"), "{report}");
    server.stops_empty().await;
}

#[tokio::test]
async fn a_run_begins_when_it_is_told_to() {
    let server = Server::start().await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let past = (now - 100).to_string();
    phx(&["bench", &server.url, "--start-at", &past]).await.badly(2, "--start-at has passed 10");
    let far = (now + 8 * 86_400).to_string();
    phx(&["bench", &server.url, "--start-at", &far]).await.badly(2, "seven days");
    let none = ["bench", &server.url, "-s", "2", "--worker", "1/3"];
    phx(&none).await.badly(2, "worker 1/3 has none of 2 sockets");

    let start = (now + 2).to_string();
    let bench = ["bench", &server.url, "-d", "100ms", "--start-at", &start, "--json"];
    assert_eq!(phx(&bench).await.code, Some(0));
    let ended = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    assert!(ended >= (now + 2) as f64 + 0.1, "{ended} is before {start}");

    let waiting = ["bench", &server.url, "--start-at", &(now + 3_600).to_string()];
    let mut waiting = Phx::start(&waiting);
    waiting.shows_on_stderr("waiting ").await;
    let waiting = waiting.interrupted().await;
    assert_eq!((waiting.code, &*waiting.out), (Some(130), ""), "{waiting:?}");
    server.stops_empty().await;
}

/// A log may come from anywhere.
#[tokio::test]
async fn names_in_a_log_do_not_act_on_a_terminal() {
    let server = Server::start().await;
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("run.hdr").display().to_string();
    let page = directory.path().join("report.html").display().to_string();
    phx(&["bench", &server.url, "-d", "100ms", "--hdr", &path]).await.measured();
    let hostile = "\\u001b[2J\\u202e<script>\\n";
    let log = fs::read_to_string(&path).unwrap();
    let log = log
        .replace("\"name\":\"push echo\"", &format!("\"name\":\"push {hostile}\""))
        .replace("\"event\":\"echo\"", &format!("\"event\":\"{hostile}\""))
        .replacen("\"errors\":{}", &format!("\"errors\":{{\"push_echo\":{{\"{hostile}\":1}}}}"), 1);
    fs::write(&path, log).unwrap();
    for more in [&[][..], &["--json"], &["--threshold", "join p99 < 1s"]] {
        let ended = phx(&[&["bench", "merge", &path, "-o", &page], more].concat()).await;
        for text in [&ended.out, &ended.err] {
            let bad = text.chars().find(|c| *c != '\n' && phx_tokio::Escaped::is_escaped(*c));
            assert_eq!(bad, None, "{text:?}");
        }
        assert!(ended.out.contains("u{1b}") || ended.err.contains("u{1b}"), "{ended:?}");
    }
    let page = fs::read_to_string(page).unwrap();
    assert!(!page.contains("<script>") && page.contains("&lt;script&gt;"));
    server.stops_empty().await;
}
