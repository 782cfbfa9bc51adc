//! Programs in pseudo-terminals, for tests that type and look at the screen.
//!
//! There are none of this kind on Windows, where this crate is empty.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "it is for tests, which fail by panicking"
)]

mod modes;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{self, open};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, kill_process};
use rustix::termios::{Action, tcflow, tcgetattr};

pub use rustix::process::Signal;

use modes::private_modes;

/// An interrupt, as a keyboard sends it.
pub const CTRL_C: &str = "\x03";

/// The end of the input, as a keyboard sends it.
pub const CTRL_D: &str = "\x04";

/// Time for text to appear.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program in a terminal. Dropping it kills the program.
///
/// Output is read only while a test waits for something, so in between it must fit into the terminal's buffer of
/// a few thousand characters.
#[derive(Debug)]
pub struct Terminal {
    program: Program,
    terminal: File,
    /// The terminal's settings, before the program had it.
    settings: String,
    /// All output that was read so far.
    output: String,
    /// Bytes of it that were looked at.
    read: usize,
}

impl Terminal {
    /// Starts the program in a terminal of 24 rows and 100 columns.
    #[must_use]
    pub fn start(command: Command) -> Self {
        Terminal::start_with(command, 100, |command| command)
    }

    /// Starts the program in a terminal of 24 rows and this many columns.
    #[must_use]
    pub fn start_sized(command: Command, columns: u16) -> Self {
        Terminal::start_with(command, columns, |command| command)
    }

    /// The same, but that the program's output isn't the terminal: it goes into a pipe.
    #[must_use]
    pub fn start_piped(command: Command) -> (Self, ChildStdout) {
        let mut terminal =
            Terminal::start_with(command, 100, |command| command.stdout(Stdio::piped()));
        let output = terminal.program.0.stdout.take().unwrap();
        (terminal, output)
    }

    fn start_with(
        mut command: Command,
        columns: u16,
        change: impl FnOnce(blocking::Command) -> blocking::Command,
    ) -> Self {
        let (pty, pts) = open().unwrap();
        pty.resize(Size::new(24, columns)).unwrap();
        let terminal = File::from(OwnedFd::from(pty));
        let settings = settings(&terminal);
        command.env("TERM", "xterm-256color");
        let program = Program(change(blocking::Command::from(command)).spawn(pts).unwrap());
        Terminal { program, terminal, settings, output: String::new(), read: 0 }
    }

    /// Types these characters.
    pub fn types(&self, keys: &str) {
        (&self.terminal).write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for this text after all that was looked at before.
    pub fn sees(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.output[self.read..].find(text) {
                self.read += at + text.len();
                return;
            }
            assert!(
                self.receive(deadline),
                "{text:?} isn't shown, it has ended: {:?}",
                self.output
            );
        }
    }

    /// Waits for the end of the line, and returns the text up to it that wasn't looked at before.
    pub fn rest_of_line(&mut self) -> String {
        let start = self.read;
        self.sees("\r\n");
        self.output[start..self.read].trim_end().to_owned()
    }

    /// Everything that was received of what was shown.
    #[must_use]
    pub fn output(&self) -> &str {
        &self.output
    }

    /// Sends the program a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.program.pid(), signal).unwrap();
    }

    /// Waits for the program to end by itself, with this code, and to leave the terminal as it was. All that
    /// was shown.
    #[expect(
        clippy::must_use_candidate,
        reason = "most tests have seen already what they wait for"
    )]
    pub fn ends(self, code: i32) -> String {
        self.ends_with_one_of(&[code])
    }

    /// The same, where either code is right.
    #[expect(
        clippy::must_use_candidate,
        reason = "most tests have seen already what they wait for"
    )]
    pub fn ends_with_one_of(mut self, codes: &[i32]) -> String {
        let deadline = Instant::now() + PATIENCE;
        while self.receive(deadline) {}
        let status = self.program.0.wait().unwrap();
        let is_right = status.code().is_some_and(|code| codes.contains(&code));
        assert!(is_right, "{status}, and not {codes:?}: {:?}", self.output);
        assert_eq!(settings(&self.terminal), self.settings, "after {:?}", self.output);
        assert_eq!(private_modes(&self.output), [""; 0], "after {:?}", self.output);
        std::mem::take(&mut self.output)
    }

    /// Closes the terminal, and waits for the program to end by itself because of that, with this code.
    pub fn is_closed(self, code: i32) {
        let Terminal { program, terminal, output, .. } = self;
        drop(terminal);
        program.ends(&[code], &output);
    }

    /// Stops all output, as Ctrl-S does: writers wait.
    pub fn stops_output(&self) {
        tcflow(&self.terminal, Action::OOff).unwrap();
    }

    /// Waits for the program to end by itself, with this code, whether or not it shows anything.
    pub fn is_gone(self, code: i32) {
        self.is_gone_with_one_of(&[code]);
    }

    /// The same, where either code is right.
    pub fn is_gone_with_one_of(self, codes: &[i32]) {
        self.program.ends(codes, &self.output);
    }

    /// Waits for something to be shown, and reads it; whether it was not the end.
    fn receive(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::new(&self.terminal, PollFlags::IN)];
        let ready = match poll(&mut fds, Some(&left.try_into().unwrap())) {
            // A signal came, such as that a program has ended: the caller asks again.
            Err(Errno::INTR) => return true,
            ready => ready.unwrap(),
        };
        assert_ne!(ready, 0, "nothing comes after {:?}", self.output);
        let mut buffer = [0; 4096];
        // The end of the program is an error on Linux, and the end of the file elsewhere.
        let Ok(count @ 1..) = self.terminal.read(&mut buffer) else { return false };
        self.output.push_str(&String::from_utf8_lossy(&buffer[..count]));
        true
    }
}

/// The program. Dropping it kills it.
#[derive(Debug)]
struct Program(Child);

impl Program {
    fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    fn ends(mut self, codes: &[i32], output: &str) {
        let pid = self.pid();
        let (sender, ended) = channel();
        thread::spawn(move || sender.send(self.0.wait()));
        let Ok(status) = ended.recv_timeout(PATIENCE) else {
            kill_process(pid, Signal::KILL).unwrap();
            panic!("it goes on after {output:?}");
        };
        let status = status.unwrap();
        let is_right = status.code().is_some_and(|code| codes.contains(&code));
        assert!(is_right, "{status}, and not {codes:?}, after {output:?}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It fails if the program has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// All settings of the terminal, to be compared.
fn settings(terminal: &File) -> String {
    format!("{:?}", tcgetattr(terminal).unwrap())
}
