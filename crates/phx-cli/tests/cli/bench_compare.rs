//! `phx bench compare`.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Server, phx};

/// A folder with the logs of two runs, the second of which has a slower server and fewer pushes.
struct Runs {
    folder: TempDir,
    before: String,
    after: String,
}

impl Runs {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let (before, after) = (at("before.hdr"), at("after.hdr"));
        let runs = [(&before, "100", &[][..]), (&after, "50", &["--latency", "100ms"])];
        for (path, rate, faults) in runs {
            let server = Server::with(faults).await;
            let bench = ["bench", &server.url, "-d", "1s", "--rate", rate, "--hdr", path];
            phx(&bench).await.measured();
            server.stops_empty().await;
        }
        Runs { folder, before, after }
    }

    /// Takes out of the logs what depends on how busy the machine was.
    fn quieten(&self) {
        for path in [&self.before, &self.after] {
            let log = fs::read_to_string(path).unwrap();
            let (before, rest) = log.split_once("\"generator\":{").unwrap();
            let (_, rest) = rest.split_once('}').unwrap();
            fs::write(path, format!("{before}\"generator\":null{rest}")).unwrap();
        }
    }
}

#[tokio::test]
async fn changes_and_their_limits() {
    let runs = Runs::new().await;
    runs.quieten();
    let page = runs.folder.path().join("both.html").display().to_string();
    let compare = ["bench", "compare", &runs.before, &runs.after];
    let limits = ["--limit", "push count -50%", "--limit", "push echo errors +0%"];
    let kept = phx(&[&compare[..], &limits, &["--json", "-o", &page]].concat()).await;
    assert_eq!(kept.code, Some(0), "{kept:?}");
    assert_eq!(kept.err, "warning: the loads of the two runs differ\n");
    let result: Value = serde_json::from_str(&kept.out).unwrap();
    assert_eq!(
        (&result["complete"], &result["notes"][0]),
        (&json!(true), &json!("the loads of the two runs differ"))
    );
    assert_eq!(result["limits"][0]["change_percent"], -50.0, "{result}");
    assert_eq!(
        (&result["limits"][0]["before"], &result["limits"][0]["after"]),
        (&json!(100.0), &json!(50.0))
    );
    let steps = result["steps"].as_array().unwrap();
    assert_eq!((steps.len(), &steps[0]["name"]), (1, &json!("push echo")), "{result}");
    let median = &steps[0]["figures"]["p50"];
    assert!(median["after"].as_f64().unwrap() >= 100_000.0, "the latency of the server: {median}");
    // The figures are those of the runs alone.
    for (log, when) in [(&runs.before, "before"), (&runs.after, "after")] {
        let alone = phx(&["bench", "merge", log, "--json"]).await.well();
        let alone: Value = serde_json::from_str(&alone).unwrap();
        for figure in ["p50", "p99", "mean"] {
            assert_eq!(
                steps[0]["figures"][figure][when],
                alone["latency_us"][figure].as_f64().unwrap()
            );
        }
    }
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("Within its limit: push count -50%: 100 to 50 (-50.0%)"), "{page}");
    assert!(page.contains("<svg") && page.contains("<th>p99.9</th>"), "{page}");
    for outside in ["http://", "https://", "src=", "<script", "<link", "@import", "url("] {
        assert!(!page.contains(outside), "the page needs nothing from elsewhere: {outside}");
    }

    let missed = ["--limit", "push count -49.9%", "--limit", "push p50 +1%"];
    let missed = phx(&[&compare[..], &missed].concat()).await;
    missed.badly(
        7,
        "2 changes are beyond their limits: push count -49.9%: 100 to 50 (-50.0%), push p50 +1%: ",
    );
    assert!(
        missed.out.contains("limits     beyond  push count -49.9%: 100 to 50 (-50.0%)"),
        "{missed:?}"
    );
    assert!(missed.out.contains("\nrate "), "{missed:?}");
}

#[tokio::test]
async fn what_is_not_a_whole_run_is_said() {
    let runs = Runs::new().await;
    let compare = |before: &str, after: &str, more: &[&str]| {
        let words = [&["bench", "compare", before, after][..], more].concat();
        let words: Vec<String> = words.into_iter().map(String::from).collect();
        async move { phx(&words.iter().map(String::as_str).collect::<Vec<_>>()).await }
    };
    compare(&runs.before, &runs.after, &["--limit", "join p99 +1%"])
        .await
        .badly(2, "the step of --limit number 1 isn't in both runs");
    compare(&runs.before, "missing", &[]).await.badly(2, "can't read missing");
    compare(&runs.before, "/dev/zero", &[]).await.badly(2, "it isn't a plain file");
    phx(&["bench", "compare", &runs.before]).await.badly(2, "required");

    let whole = fs::read_to_string(&runs.after).unwrap();
    let end = whole.find("#[phx end ").unwrap();
    fs::write(&runs.after, &whole[..end]).unwrap();
    let page = runs.folder.path().join("both.html").display().to_string();
    let more = ["--limit", "push p50 +1000000%", "-o", &page, "--json"];
    let died = compare(&runs.before, &runs.after, &more).await;
    died.badly(6, "a part of a run is missing: ");
    died.badly(6, "died: its log stops after ");
    let result: Value = serde_json::from_str(&died.out).unwrap();
    assert_eq!((&result["complete"], &result["limits"][0]["kept"]), (&json!(false), &json!(true)));
    assert!(fs::read_to_string(page).unwrap().contains("A part of a run: "));
}

/// A log may come from anywhere, and so may the name of its file.
#[tokio::test]
async fn names_in_logs_do_not_act_on_a_terminal() {
    let runs = Runs::new().await;
    let hostile = "\\u001b[2J\\u202e<script>\\n";
    let log = fs::read_to_string(&runs.before).unwrap();
    let load = log.find("\"words\":\"").unwrap() + 9;
    let (start, rest) = log.split_at(load);
    let log = format!("{start}{hostile}{rest}")
        .replace("\"name\":\"push echo\"", &format!("\"name\":\"push {hostile}\""));
    let at = |name: &str| runs.folder.path().join(name).display().to_string();
    let (before, page) = (at("\u{1b}[2J\u{202e}<script>"), at("both.html"));
    fs::write(&before, log).unwrap();
    for more in [&[][..], &["--json"], &["--limit", "push p50 +0%"], &["--limit", "a p50 +0%"]] {
        let compare = ["bench", "compare", &before, &runs.after, "-o", &page];
        let ended = phx(&[&compare[..], more].concat()).await;
        for text in [&ended.out, &ended.err] {
            let bad = text.chars().find(|c| *c != '\n' && phx_tokio::Escaped::is_escaped(*c));
            assert_eq!(bad, None, "{text:?}");
        }
    }
    let page = fs::read_to_string(page).unwrap();
    assert!(!page.contains("<script>") && page.contains("&lt;script&gt;"));
}
