//! Runs the cases, some at a time, with a server and a client process for each adapter.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::client::Outcome;
use super::judge;
use super::{Case, server::Report};
use crate::adapters::{Adapter, AsyncStd, Smol, Tokio};

/// They wait more than they work.
const AT_A_TIME: usize = 3;

/// Nothing here takes nearly as long.
const LIMIT: Duration = Duration::from_secs(30);

pub(super) const ADAPTERS: [&str; 3] = [Tokio::NAME, Smol::NAME, AsyncStd::NAME];

/// A run: what it came to, if it came to anything, and what was wrong.
pub(super) struct Run {
    pub(super) adapter: &'static str,
    pub(super) outcome: Option<Outcome>,
    pub(super) failure: Option<String>,
}

/// A case, and its runs in the order of [`ADAPTERS`].
pub(super) struct Row<'a> {
    pub(super) case: &'a Case,
    pub(super) runs: Vec<Run>,
}

pub(super) fn run<'a>(cases: &[&'a Case]) -> anyhow::Result<Vec<Row<'a>>> {
    let all: Vec<(usize, &Case, &'static str)> = cases
        .iter()
        .enumerate()
        .flat_map(|(at, case)| ADAPTERS.map(|adapter| (at, *case, adapter)))
        .collect();
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some((at, case, adapter)) = all.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let run = run_one(case, adapter);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((*at, run));
                }
            });
        }
    });
    let mut rows: Vec<_> = cases.iter().map(|case| Row { case, runs: Vec::new() }).collect();
    for (at, run) in done.into_inner().unwrap_or_else(PoisonError::into_inner) {
        rows.get_mut(at).context("no such row")?.runs.push(run);
    }
    for row in &mut rows {
        row.runs.sort_by_key(|run| ADAPTERS.iter().position(|adapter| *adapter == run.adapter));
    }
    Ok(rows)
}

fn run_one(case: &Case, adapter: &'static str) -> Run {
    match outcome(case, adapter) {
        Ok((outcome, report)) => {
            let checked = judge::check(case, &outcome, Some(&report));
            let failure = checked.err().map(|error| format!("{error:#}"));
            Run { adapter, outcome: Some(outcome), failure }
        }
        Err(error) => Run { adapter, outcome: None, failure: Some(format!("{error:#}")) },
    }
}

fn outcome(case: &Case, adapter: &str) -> anyhow::Result<(Outcome, Report)> {
    let mut server = Process::start(&["hostile-server", case.name])?;
    let address = server.line().context("the server doesn't listen")?;
    let mut client = Process::start(&["hostile-client", adapter, case.name, &address])?;
    let outcome = client.line().and_then(|line| Ok(serde_json::from_str(&line)?));
    let outcome = outcome.with_context(|| format!("the client's process: {}", client.end()))?;
    drop(server.child.stdin.take());
    let report = server.line().and_then(|line| Ok(serde_json::from_str(&line)?));
    Ok((outcome, report.context("the server has nothing to report")?))
}

/// This program in another process, which is killed when this is dropped.
struct Process {
    child: Child,
    output: Option<BufReader<ChildStdout>>,
}

impl Process {
    fn start(args: &[&str]) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("this program has no path")?;
        let mut child = Command::new(program)
            .args(args)
            // One thread for all tasks.
            .env("SMOL_THREADS", "1")
            .env("ASYNC_STD_THREAD_COUNT", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("can't start a process")?;
        let output = child.stdout.take().map(BufReader::new);
        Ok(Process { child, output })
    }

    /// The next line of its output.
    fn line(&mut self) -> anyhow::Result<String> {
        let mut output = self.output.take().context("it has hung before")?;
        let (send, received) = channel();
        thread::spawn(move || {
            let mut line = String::new();
            let read = output.read_line(&mut line);
            // The one who waited may have lost patience.
            let _ = send.send((output, read.map(|_| line)));
        });
        let (output, line) = received.recv_timeout(LIMIT).context("it hung")?;
        self.output = Some(output);
        let line = line?;
        if line.is_empty() {
            bail!("it ended");
        }
        Ok(line.trim().to_owned())
    }

    /// How it ended, and the last line of what it said about that.
    fn end(&mut self) -> String {
        // It may have ended by itself.
        let _ = self.child.kill();
        let status = self.child.wait().map(|status| status.to_string()).unwrap_or_default();
        let mut said = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            // What can't be read is missing.
            let _ = stderr.read_to_string(&mut said);
        }
        format!("{status}, {}", said.lines().next().unwrap_or("without a word"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
