//! The official JavaScript client in a process of Node, which answers questions of one line of JSON each.

use std::io::{self, BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Failure of a question.
pub type Error = Box<dyn std::error::Error>;

/// A running program of Node that answers questions, such as `js/judge.mjs`. Dropping it ends it.
#[derive(Debug)]
pub struct Official {
    node: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Official {
    /// Starts the Node process.
    ///
    /// # Errors
    ///
    /// If Node or the npm packages are missing; the text says how to install them.
    pub fn start() -> Result<Self, Error> {
        Official::run(&scripts()?.join("judge.mjs"))
    }

    /// Starts another program of its kind.
    ///
    /// # Errors
    ///
    /// Node isn't there; the text says what to do.
    pub fn run(script: &Path) -> Result<Self, Error> {
        let spawned =
            Command::new("node").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut node = spawned
            .map_err(|error| format!("Node 18 or newer is needed, https://nodejs.org: {error}"))?;
        let questions = node.stdin.take();
        let answers = node.stdout.take().ok_or("Node has no output")?;
        Ok(Official { node, questions, answers: BufReader::new(answers) })
    }

    /// Asks questions of one kind, and returns the answers in the same order.
    ///
    /// # Errors
    ///
    /// If Node ended, or a question made it fail; the text says how.
    pub fn ask<A: DeserializeOwned>(
        &mut self,
        kind: &str,
        questions: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<A>, Error> {
        let lines: Vec<String> = questions
            .into_iter()
            .map(|mut question| {
                question["kind"] = json!(kind);
                format!("{question}\n")
            })
            .collect();
        let Official { node, questions, answers } = self;
        let input = questions.as_mut().ok_or("Node has ended")?;
        std::thread::scope(|scope| {
            // On a separate thread: Node takes no questions while its answers aren't read.
            let writer = scope.spawn(|| -> io::Result<()> {
                for line in &lines {
                    input.write_all(line.as_bytes())?;
                }
                Ok(())
            });
            let read: Result<Vec<A>, Error> = lines.iter().map(|_| answer(answers)).collect();
            if read.is_err() {
                // Its output may be full of unread answers.
                let _was_running = node.kill();
            }
            match writer.join() {
                Ok(Ok(())) => read,
                Ok(Err(error)) => Err(read.err().unwrap_or_else(|| error.into())),
                Err(_) => Err("the writer of questions panicked".into()),
            }
        })
    }
}

fn answer<A: DeserializeOwned>(answers: &mut impl BufRead) -> Result<A, Error> {
    let mut line = String::new();
    if answers.read_line(&mut line)? == 0 {
        return Err("Node ended without an answer; it says why above".into());
    }
    let answer: Value = serde_json::from_str(&line)?;
    if let Some(failed) = answer.get("failed") {
        return Err(format!("the question failed in Node: {failed}").into());
    }
    Ok(serde_json::from_value(answer)?)
}

impl Drop for Official {
    fn drop(&mut self) {
        // The program ends at the end of its input.
        self.questions = None;
        let _ended = self.node.wait();
    }
}

fn scripts() -> Result<PathBuf, Error> {
    let scripts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("js");
    if !scripts.join("node_modules/phoenix").is_dir() {
        return Err(
            "the npm packages of crates/phx-conformance/js are needed: `cargo xtask tools` \
                    installs them"
                .into(),
        );
    }
    Ok(scripts)
}
