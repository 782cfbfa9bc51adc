//! The official JavaScript client in a process of Node that answers questions, one line of JSON each.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What can go wrong on the way to an answer.
pub type Error = Box<dyn std::error::Error>;

/// Questions that are asked at once: Node works on some while the answers to others are read.
const BATCH: usize = 16;

/// A running `js/judge.mjs`. Dropping it ends it.
#[derive(Debug)]
pub struct Judge {
    node: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Judge {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// Node or the npm packages aren't there; the text says what to do.
    pub fn start() -> Result<Self, Error> {
        let scripts = scripts()?;
        let spawned = Command::new("node")
            .arg(scripts.join("judge.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut node = spawned
            .map_err(|error| format!("Node 18 or newer is needed, https://nodejs.org: {error}"))?;
        let questions = node.stdin.take();
        let answers = node.stdout.take().ok_or("Node has no output")?;
        Ok(Judge { node, questions, answers: BufReader::new(answers) })
    }

    /// Asks questions of one kind, and returns the answers in the same order.
    ///
    /// # Errors
    ///
    /// Node ended, or a question made it fail; the text says how.
    pub fn ask<A: DeserializeOwned>(
        &mut self,
        kind: &str,
        questions: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<A>, Error> {
        let mut answers = Vec::new();
        let mut asked = 0_usize;
        for mut question in questions {
            question["kind"] = json!(kind);
            let input = self.questions.as_mut().ok_or("Node was told to end")?;
            writeln!(input, "{question}")?;
            asked += 1;
            if asked - answers.len() >= BATCH {
                answers.push(self.answer()?);
            }
        }
        while answers.len() < asked {
            answers.push(self.answer()?);
        }
        Ok(answers)
    }

    fn answer<A: DeserializeOwned>(&mut self) -> Result<A, Error> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err("Node ended without an answer; it says why above".into());
        }
        let answer: Value = serde_json::from_str(&line)?;
        if let Some(failed) = answer.get("failed") {
            return Err(format!("the question failed in Node: {failed}").into());
        }
        Ok(serde_json::from_value(answer)?)
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        // The end of its input is the end of the program.
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
