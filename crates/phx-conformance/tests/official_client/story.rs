//! Programs with the official client over real sockets, and their output.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Time limit for one line. The program has a shorter one, and prints where it waited.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running program of `js/`, which prints lines of JSON. Dropping it kills it.
pub(crate) struct Story {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Story {
    pub(crate) fn start(script: &str, url: &str) -> Self {
        Story::with(script, &[url])
    }

    pub(crate) fn with(script: &str, args: &[&str]) -> Self {
        let scripts = scripts();
        let spawned = Command::new("node")
            .arg(scripts.join(script))
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = spawned.unwrap_or_else(|error| {
            panic!("this test needs Node 18 or newer, https://nodejs.org: `node`: {error}")
        });
        let stdout = child.stdout.take().unwrap();
        Story { child, lines: BufReader::new(stdout).lines() }
    }

    pub(crate) async fn line(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        let line = line.expect("the story goes on").unwrap()?;
        Some(serde_json::from_str(&line).expect("a line of JSON"))
    }

    /// Checks that the output is these lines and no others. Requests, `{"please": ..}`, don't count.
    pub(crate) async fn must_report(&mut self, expected: Vec<Value>) {
        self.must_report_and(expected, |wish| panic!("nobody does {wish}")).await;
    }

    /// As [`must_report`](Self::must_report), with a function that handles the requests.
    pub(crate) async fn must_report_and(
        &mut self,
        expected: Vec<Value>,
        mut please: impl FnMut(&str),
    ) {
        let mut expected = expected.into_iter();
        while let Some(line) = self.line().await {
            match line.get("please").and_then(Value::as_str) {
                Some(wish) => please(wish),
                None => assert_eq!(Some(line), expected.next()),
            }
        }
        assert_eq!(expected.next(), None, "the story ended early");
    }

    /// Waits for the program's end, which shows that the client leaves nothing running.
    pub(crate) async fn end(mut self) {
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        assert!(status.expect("node ends").unwrap().success());
    }
}

fn scripts() -> PathBuf {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("js");
    assert!(
        scripts.join("node_modules/phoenix").is_dir(),
        "this test needs the npm packages of crates/phx-conformance/js: run `cargo xtask tools`"
    );
    scripts
}
