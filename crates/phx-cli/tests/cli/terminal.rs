//! `phx` in a terminal.

use std::io::{Read as _, Write as _};
use std::process::Child;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};

use crate::support::{PATIENCE, Server, phx};

/// An interrupt and the end of the input, as a keyboard sends them.
pub(crate) const CTRL_C: &str = "\x03";

#[tokio::test]
async fn a_terminal_gets_colours_unless_it_wants_none() {
    let server = Server::start().await;
    let push = ["push", "--no-reply", &server.url, "room:a", "shout", "1"];
    let join = ["join", &server.url, "room:a", "-n", "1"];
    let mut colourful = Terminal::start(&join, &[]);
    colourful.sees("joined");
    phx(&push).await.well();
    colourful.sees("\x1b[32mshout");
    colourful.ends(0);
    for (args, variable) in [(&[][..], &[("NO_COLOR", "1")][..]), (&["--color", "never"], &[])] {
        let mut plain = Terminal::start(&[&join[..], args].concat(), variable);
        plain.sees("room:a  * joined");
        phx(&push).await.well();
        assert!(!plain.ends(0).contains('\x1b'));
    }
    server.stops_empty().await;
}

#[tokio::test]
async fn text_of_others_cannot_act_on_the_terminal() {
    let server = Server::start().await;
    let mut join = Terminal::start(&["join", &server.url, "room:a", "-n", "2"], &[]);
    join.sees("joined");
    let payload = "{\"a\u{7f}\u{202e}\": \"\\u001b[2J\u{9b}2J\"}";
    phx(&["push", "--no-reply", &server.url, "room:a", "shout", payload]).await.well();
    join.sees(r#"{"a\u007f\u202e":"\u001b[2J\u009b2J"}"#);
    phx(&["push", "--no-reply", &server.url, "room:a", "whisper", "2"]).await.well();
    join.sees("whisper");
    join.ends(0);
    server.stops_empty().await;
}

#[tokio::test]
async fn ctrl_c_ends_a_join_properly() {
    let server = Server::start().await;
    let mut join = Terminal::start(&["join", &server.url, "room:a"], &[]);
    join.sees("joined");
    join.types(CTRL_C);
    join.ends(0);
    server.stops_empty().await;
}

#[tokio::test]
async fn bytes_are_not_written_to_a_terminal() {
    let server = Server::start().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), [0, 255]).unwrap();
    let path = file.path().to_str().unwrap();
    let push = ["push", &server.url, "room:a", "echo", "--binary", path];
    let mut push = Terminal::start(&push, &[]);
    push.sees("<2 bytes> AP8=");
    push.ends(0);
    server.stops_empty().await;
}

/// A `phx` in a terminal of its own. Dropping it kills it.
pub(crate) struct Terminal {
    keyboard: Arc<Pty>,
    child: Child,
    screen: Receiver<Vec<u8>>,
    /// Everything that was shown so far.
    output: String,
    /// How much of it was looked at.
    read: usize,
}

impl Terminal {
    pub(crate) fn start(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let (pty, pts) = open().unwrap();
        pty.resize(Size::new(24, 100)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_phx")).args(args);
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "PHX_AUTH_TOKEN", "CI"] {
            command = command.env_remove(name);
        }
        command = command.env("TERM", "xterm-256color");
        for (name, value) in variables {
            command = command.env(name, value);
        }
        let child = command.spawn(pts).unwrap();
        let keyboard = Arc::new(pty);
        let (shown, screen) = channel();
        let pty = Arc::clone(&keyboard);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The end of the program is an error on Linux, and the end of the file elsewhere.
            while let Ok(count @ 1..) = (&*pty).read(&mut buffer) {
                if shown.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Terminal { keyboard, child, screen, output: String::new(), read: 0 }
    }

    pub(crate) fn types(&self, keys: &str) {
        (&*self.keyboard).write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for this text after all that was looked at before.
    pub(crate) fn sees(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.output[self.read..].find(text) {
                self.read += at + text.len();
                return;
            }
            if let Err(error) = self.receive(deadline) {
                panic!("{text:?} isn't shown ({error}): {:?}", self.output);
            }
        }
    }

    /// Waits for the program to end by itself, with this code. All that was shown.
    pub(crate) fn ends(mut self, code: i32) -> String {
        let deadline = Instant::now() + PATIENCE;
        let error = loop {
            if let Err(error) = self.receive(deadline) {
                break error;
            }
        };
        assert_eq!(error, RecvTimeoutError::Disconnected, "it goes on: {:?}", self.output);
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(code), "{:?}", self.output);
        std::mem::take(&mut self.output)
    }

    fn receive(&mut self, deadline: Instant) -> Result<(), RecvTimeoutError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let bytes = self.screen.recv_timeout(left)?;
        self.output.push_str(&String::from_utf8_lossy(&bytes));
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It fails if the program has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
