//! Programs that run beside the test, and what they print.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// For anything to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A program that runs. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    pub(crate) fn start(program: &Path, args: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("can't start {}, see `cargo xtask tools`: {error}", program.display())
        });
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Process { stdin: child.stdin.take().unwrap(), lines, child }
    }

    /// Reads until a line has this in it, and gives what follows there.
    pub(crate) async fn line_with(&mut self, text: &str) -> String {
        loop {
            let line = timeout(PATIENCE, self.lines.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("{text:?} isn't printed")).unwrap();
            let line = line.unwrap_or_else(|| panic!("it ended before {text:?}"));
            if let Some((_, rest)) = line.split_once(text) {
                return rest.to_owned();
            }
        }
    }

    pub(crate) async fn types(&mut self, line: &str) {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        self.stdin.flush().await.unwrap();
    }

    /// Ends its input, and waits for it to end well.
    pub(crate) async fn ends(mut self) {
        drop(self.stdin);
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it ends in time");
        assert!(status.unwrap().success());
    }
}
