//! This program as separate processes.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};

/// Time limit of every wait, far above the usual.
const LIMIT: Duration = Duration::from_secs(30);

/// This program in another process, which is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    output: Option<BufReader<ChildStdout>>,
}

impl Process {
    pub(crate) fn start(args: &[&str]) -> anyhow::Result<Self> {
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

    /// Returns the next line of its output.
    pub(crate) fn line(&mut self) -> anyhow::Result<String> {
        let mut output = self.output.take().context("it has hung before")?;
        let (send, received) = channel();
        thread::spawn(move || {
            let mut line = String::new();
            let read = output.read_line(&mut line);
            // The receiver may have timed out.
            let _ = send.send((output, read.map(|_| line)));
        });
        let (output, line) = received.recv_timeout(LIMIT).context("it hung")?;
        self.output = Some(output);
        let line = line?;
        ensure!(!line.is_empty(), "it ended");
        Ok(line.trim().to_owned())
    }

    /// Closes the process's input.
    pub(crate) fn end_input(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Kills the process. Returns its exit status, and the first line of its standard error.
    pub(crate) fn end(&mut self) -> String {
        // Fails if it has ended already.
        let _ = self.child.kill();
        let status = self.child.wait().map(|status| status.to_string()).unwrap_or_default();
        let mut said = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            // Output that can't be read is missing from the report.
            let _ = stderr.read_to_string(&mut said);
        }
        format!("{status}, {}", said.lines().next().unwrap_or("without a word"))
    }

    /// Stops the process as `kill -STOP` does, or continues it.
    #[cfg(unix)]
    pub(crate) fn stop(&self, stops: bool) -> anyhow::Result<()> {
        use rustix::process::{Pid, Signal, kill_process};

        let signal = if stops { Signal::STOP } else { Signal::CONT };
        kill_process(Pid::from_child(&self.child), signal).context("can't signal the process")
    }

    #[cfg(not(unix))]
    pub(crate) fn stop(&self, _: bool) -> anyhow::Result<()> {
        anyhow::bail!("processes can't be stopped here")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
