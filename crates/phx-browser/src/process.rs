//! Programs that run beside a test, and what they print.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// Time limit of each wait.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Program that runs beside a test. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts a program with its input and output connected. A failure is a panic, as those below.
    #[must_use]
    pub fn start(program: &Path, args: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("can't start {}, see `cargo xtask tools`: {error}", program.display())
        });
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Process { stdin: child.stdin.take().unwrap(), lines, child }
    }

    /// Reads lines until one contains `text`, and returns what follows it there.
    pub async fn line_with(&mut self, text: &str) -> String {
        loop {
            let line = timeout(PATIENCE, self.lines.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("{text:?} isn't printed")).unwrap();
            let line = line.unwrap_or_else(|| panic!("it ended before {text:?}"));
            if let Some((_, rest)) = line.split_once(text) {
                return rest.to_owned();
            }
        }
    }

    /// Writes a line to its input.
    pub async fn types(&mut self, line: &str) {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        self.stdin.flush().await.unwrap();
    }

    /// Ends its input, and waits until it exits with 0.
    pub async fn ends(mut self) {
        drop(self.stdin);
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it ends in time");
        assert!(status.unwrap().success());
    }
}
