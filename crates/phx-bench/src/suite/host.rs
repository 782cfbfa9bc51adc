//! This program as other processes: a server, and a client or floor for each run.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::measure::Cost;

/// A server process on the first core. It is killed when this is dropped.
pub(super) struct Server {
    child: Child,
    port: String,
}

impl Server {
    pub(super) fn start() -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("server").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = on_first_core(|| Ok(command.spawn()?))?;
        let out = child.stdout.take().context("the server has no output")?;
        let mut port = String::new();
        BufReader::new(out).read_line(&mut port)?;
        ensure!(!port.is_empty(), "the server doesn't start");
        Ok(Server { child, port: port.trim().to_owned() })
    }

    /// The port, for clients that are started elsewhere.
    pub(super) fn port(&self) -> &str {
        &self.port
    }

    /// Runs a client or floor to its end; if `pinned`, on the server's core, where no other core must be woken.
    pub(super) fn run(&self, args: &[String], pinned: bool) -> anyhow::Result<Vec<Cost>> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(args).env("PERF_PORT", &self.port);
        // One thread for the tasks, as with tokio.
        command.env("ASYNC_STD_THREAD_COUNT", "1").env("SMOL_THREADS", "1");
        command.stdin(Stdio::null()).stderr(Stdio::inherit()).stdout(Stdio::piped());
        let child =
            if pinned { on_first_core(|| Ok(command.spawn()?))? } else { command.spawn()? };
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "`{}` failed", args.join(" "));
        let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| Ok(serde_json::from_slice(line)?)).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a process on the first core, which it inherits from this thread.
fn on_first_core(start: impl FnOnce() -> anyhow::Result<Child>) -> anyhow::Result<Child> {
    let this = Pid::from_raw(0);
    let before = sched_getaffinity(this)?;
    let first = (0..CpuSet::count()).find(|core| before.is_set(*core).unwrap_or_default());
    let mut only = CpuSet::new();
    only.set(first.context("there is no core")?)?;
    sched_setaffinity(this, &only)?;
    let started = start();
    sched_setaffinity(this, &before)?;
    started
}
