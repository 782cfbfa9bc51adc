//! Runs other programs. The command line is printed first, and errors name it.

use std::env;
use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use wait_timeout::ChildExt as _;

/// A program and its arguments.
///
/// Its standard input is empty, so that no check waits for a person.
pub(crate) struct Program {
    command: Command,
    shown: String,
}

impl Program {
    pub(crate) fn new(name: &str) -> Self {
        Program::found_at(name, name)
    }

    /// Returns the cargo of the toolchain that runs this program.
    pub(crate) fn cargo() -> Self {
        match env::var_os("CARGO") {
            Some(path) => Program::found_at(path, "cargo"),
            None => Program::new("cargo"),
        }
    }

    /// Returns a program that has been built, with its name for the line that shows the call.
    pub(crate) fn built(path: &str, name: &str) -> Self {
        Program::found_at(path, name)
    }

    /// Returns the cargo of another toolchain, by rustup's name.
    pub(crate) fn cargo_of(toolchain: &str) -> Self {
        Program::new("rustup").args(["run", toolchain, "cargo"])
    }

    fn found_at(path: impl AsRef<OsStr>, shown: &str) -> Self {
        let mut command = Command::new(path);
        command.stdin(Stdio::null());
        // Set by the cargo that runs this program. A build script that depends on one of them, as that of `ring` does,
        // would run again whenever a test or a person builds without them.
        for (name, _) in env::vars_os() {
            let of_cargo = ["CARGO_PKG_", "CARGO_MANIFEST_"];
            if name.to_str().is_some_and(|name| of_cargo.iter().any(|it| name.starts_with(it))) {
                command.env_remove(&name);
            }
        }
        Program { command, shown: shown.to_owned() }
    }

    pub(crate) fn args<'a>(mut self, args: impl IntoIterator<Item = &'a str>) -> Self {
        for arg in args {
            self.command.arg(arg);
            self.shown.push(' ');
            self.shown.push_str(arg);
        }
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self.shown.insert_str(0, &format!("{name}={value:?} "));
        self
    }

    /// Runs it with its output visible; any exit code but 0 is an error.
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        println!("$ {}", self.shown);
        let status = self.command.status().with_context(|| self.cannot_start())?;
        if !status.success() {
            bail!("`{}` ended with {status}", self.shown);
        }
        Ok(())
    }

    /// Runs it with its output visible, and kills it at the deadline.
    pub(crate) fn run_within(mut self, deadline: Duration) -> anyhow::Result<()> {
        println!("$ {}", self.shown);
        let mut child = self.command.spawn().with_context(|| self.cannot_start())?;
        let waited = child.wait_timeout(deadline);
        match waited.with_context(|| format!("can't wait for `{}`", self.shown))? {
            Some(status) if status.success() => Ok(()),
            Some(status) => bail!("`{}` ended with {status}", self.shown),
            None => {
                child.kill().with_context(|| format!("can't kill `{}`", self.shown))?;
                child.wait().with_context(|| format!("can't wait for `{}`", self.shown))?;
                bail!("`{}` didn't end within {} s", self.shown, deadline.as_secs());
            }
        }
    }

    /// Runs it with its output captured, and returns what it wrote to standard output.
    pub(crate) fn output(mut self) -> anyhow::Result<String> {
        let output = self.command.output().with_context(|| self.cannot_start())?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!("`{}` ended with {}: {}", self.shown, output.status, errors.trim());
        }
        String::from_utf8(output.stdout)
            .with_context(|| format!("`{}` wrote something that isn't UTF-8", self.shown))
    }

    /// Runs it with its output captured, and returns how it ended, with all that it wrote: standard output comes first.
    pub(crate) fn transcript(mut self) -> anyhow::Result<(ExitStatus, String)> {
        let output = self.command.output().with_context(|| self.cannot_start())?;
        let text = [output.stdout, output.stderr].concat();
        Ok((output.status, String::from_utf8_lossy(&text).into_owned()))
    }

    /// Runs it with its output captured; `None` if there is no such program or it fails. For questions about what is
    /// installed.
    pub(crate) fn output_if_any(mut self) -> io::Result<Option<String>> {
        match self.command.output() {
            Ok(output) if output.status.success() => {
                Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()))
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn cannot_start(&self) -> String {
        format!("can't start `{}`", self.shown)
    }
}

/// A running program, with lines in both directions. It is killed when this is dropped.
pub(crate) struct Session {
    child: Child,
    shown: String,
    lines: Receiver<String>,
    /// Lines that it has printed, on standard output and standard error.
    printed: Vec<String>,
}

impl Session {
    pub(crate) fn start(path: &str, args: &[&str]) -> anyhow::Result<Self> {
        let shown = format!("{path} {}", args.join(" "));
        println!("$ {shown}");
        let piped = Command::new(path)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = piped.with_context(|| format!("can't start `{shown}`"))?;
        let (sender, lines) = mpsc::channel();
        if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
            forward(stdout, sender.clone());
            forward(stderr, sender);
        }
        Ok(Session { child, shown, lines, printed: Vec::new() })
    }

    /// Waits for a line that contains `text`, and returns it. Lines before it are skipped; those of standard output
    /// and standard error have no order.
    pub(crate) fn wait_for(&mut self, text: &str, patience: Duration) -> anyhow::Result<String> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                let printed = self.printed.join("\n");
                bail!("`{}` didn't print `{text}`, but\n{printed}", self.shown);
            };
            self.printed.push(line.clone());
            if line.contains(text) {
                return Ok(line);
            }
        }
    }

    /// Writes a line to its standard input.
    pub(crate) fn say(&mut self, line: &str) -> anyhow::Result<()> {
        let stdin = self.child.stdin.as_mut().context("there is no standard input")?;
        writeln!(stdin, "{line}").with_context(|| format!("`{}` reads nothing", self.shown))
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        let waited = self.child.wait_timeout(patience);
        let status = waited.with_context(|| format!("can't wait for `{}`", self.shown))?;
        status.with_context(|| format!("`{}` didn't end", self.shown))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Fails if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Forwards each line on another thread, until the end or until the session is dropped.
fn forward(from: impl Read + Send + 'static, to: Sender<String>) {
    thread::spawn(move || {
        let lines = BufReader::new(from).lines();
        lines.map_while(Result::ok).try_for_each(|line| to.send(line))
    });
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_and_its_exit_code() {
        let error = Program::new("sh").args(["-c", "exit 3"]).run().unwrap_err().to_string();
        assert!(error.contains("sh -c exit 3") && error.contains('3'), "{error}");
    }

    #[test]
    fn captured_errors_are_part_of_the_failure() {
        let error = Program::new("sh").args(["-c", "echo why >&2; exit 1"]).output().unwrap_err();
        assert!(error.to_string().ends_with(": why"), "{error}");
    }

    #[test]
    fn a_transcript_has_the_output_of_a_failure() {
        let failed = Program::new("sh").args(["-c", "echo first; echo why >&2; exit 3"]);
        let (status, text) = failed.transcript().unwrap();
        assert_eq!((status.code(), &*text), (Some(3), "first\nwhy\n"));
    }

    #[test]
    fn what_does_not_end_is_killed_at_the_deadline() {
        // Without the kill it would wait until its parent is gone.
        let hangs = Program::new("sleep").args(["600"]);
        let error = hangs.run_within(Duration::from_millis(20)).unwrap_err().to_string();
        assert!(error.contains("didn't end"), "{error}");
    }

    #[test]
    fn a_session_hears_and_is_heard() {
        let patience = Duration::from_secs(10);
        // It waits between its two outputs, which are read on different threads: lines of both have no order.
        let script = "read line; echo \"heard $line\"; read line; echo why >&2; exit 3";
        let mut session = Session::start("sh", &["-c", script]).unwrap();
        session.say("this").unwrap();
        assert_eq!(session.wait_for("heard", patience).unwrap(), "heard this");
        session.say("that").unwrap();
        session.wait_for("why", patience).unwrap();
        assert_eq!(session.wait(patience).unwrap().code(), Some(3));
        let error = session.wait_for("more", Duration::from_millis(1)).unwrap_err().to_string();
        assert!(error.contains("didn't print `more`") && error.contains("heard this"), "{error}");
    }

    #[test]
    fn a_program_that_is_missing_is_not_one_that_fails() {
        let missing = Program::new("no-such-program-anywhere");
        assert_eq!(missing.output_if_any().unwrap(), None);
        let error = Program::new("no-such-program-anywhere").run().unwrap_err().to_string();
        assert!(error.contains("can't start"), "{error}");
    }
}
