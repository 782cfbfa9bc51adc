//! The chat, driven through pseudo-terminals as people would.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg(unix)]

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use escargot::CargoBuild;
use phx_testing::listener::Listener;
use pty_process::blocking::{Command, Pty, open};

/// For anything to be seen.
const PATIENCE: Duration = Duration::from_secs(30);

/// An interrupt and the end of the input, as a keyboard sends them.
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";

#[test]
fn terminals_talk_over_the_embedded_server() {
    let mut ann = Terminal::start(&["--name", "ann"]);
    ann.sees("others can join with --server ");
    let url = ann.rest_of_line();
    ann.sees("* here: ann\r\n");

    let mut bob = Terminal::start(&["--name", "bob", "--server", &url]);
    bob.sees("* here: ann, bob\r\n");
    ann.sees("* bob joined\r\n");
    bob.types("hello\n");
    ann.sees("bob: hello\r\n");
    ann.types("good morning\n");
    bob.sees("ann: good morning\r\n");
    ann.types("/who\n");
    ann.sees("* here: ann, bob\r\n");

    let mut carl = Terminal::start(&["--name", "carl", "--room", "other", "--server", &url]);
    carl.sees("* here: carl\r\n");
    carl.types(CTRL_D);
    carl.ends();

    bob.types(CTRL_C);
    bob.sees("* bye\r\n");
    bob.ends();
    ann.sees("* bob left\r\n");
    ann.types("/quit\n");
    ann.ends();
}

#[test]
fn a_lost_connection_is_told_and_mended() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(Listener::bind(phx_testing::rooms().build())).unwrap();
    let mut ann = Terminal::start(&["--name", "ann", "--server", listener.url()]);
    ann.sees("* here: ann\r\n");
    let mut bob = Terminal::start(&["--name", "bob", "--server", listener.url()]);
    ann.sees("* bob joined\r\n");
    bob.sees("* here: ann, bob\r\n");

    listener.drop_connections();
    for terminal in [&mut ann, &mut bob] {
        terminal.sees("* connection lost, reconnecting\r\n");
        terminal.sees("* reconnected\r\n");
        terminal.sees("* back in the room; messages may be missing here\r\n");
    }
    bob.types("still there?\n");
    ann.sees("bob: still there?\r\n");

    bob.types("/quit\n");
    bob.ends();
    ann.sees("* bob left\r\n");
    ann.types("/quit\n");
    ann.ends();
    assert_eq!(listener.with(|server, _| server.sockets().count()), 0, "everybody has gone");
}

#[test]
fn text_of_others_cannot_act_on_the_terminal() {
    let mut ann = Terminal::start(&["--name", "ann"]);
    ann.sees("others can join with --server ");
    let url = ann.rest_of_line();
    ann.sees("* here: ann\r\n");
    let mut eve = Terminal::start(&["--name", "e\x1b[2Jve", "--server", &url]);
    eve.sees("* here: ann, e");
    ann.sees("* e\\u{1b}[2Jve joined\r\n");
    // Tabs go through a terminal's line editing as they are.
    eve.types("a\tb\n");
    ann.sees("e\\u{1b}[2Jve: a\\tb\r\n");
    assert!(!ann.output.contains('\x1b'), "{:?}", ann.output);
    eve.types("/quit\n");
    eve.ends();
    ann.types("/quit\n");
    ann.ends();
}

/// Built here, so that the test never runs an old one; with the features of `cargo xtask test`, so that
/// there it is built already.
static CHAT: LazyLock<PathBuf> = LazyLock::new(|| {
    let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let build = CargoBuild::new().manifest_path(workspace).example("chat");
    build.all_features().args(["--workspace", "--locked"]).run().unwrap().path().to_owned()
});

/// The chat in a terminal of its own. Dropping it kills the chat.
struct Terminal {
    keyboard: Arc<Pty>,
    chat: Child,
    screen: Receiver<Vec<u8>>,
    /// Everything that was shown so far.
    output: String,
    /// How much of it was looked at.
    read: usize,
}

impl Terminal {
    fn start(arguments: &[&str]) -> Self {
        let (pty, pts) = open().unwrap();
        let chat = Command::new(&*CHAT).args(arguments).spawn(pts).unwrap();
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
        Terminal { keyboard, chat, screen, output: String::new(), read: 0 }
    }

    fn types(&self, keys: &str) {
        (&*self.keyboard).write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for this text after all that was looked at before.
    fn sees(&mut self, text: &str) {
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

    fn rest_of_line(&mut self) -> String {
        let start = self.read;
        self.sees("\r\n");
        self.output[start..self.read].trim_end().to_owned()
    }

    /// Waits for the program to end by itself, and well.
    fn ends(mut self) {
        let deadline = Instant::now() + PATIENCE;
        let error = loop {
            if let Err(error) = self.receive(deadline) {
                break error;
            }
        };
        assert_eq!(error, RecvTimeoutError::Disconnected, "it goes on: {:?}", self.output);
        let status = self.chat.wait().unwrap();
        assert!(status.success(), "{status}: {:?}", self.output);
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
        // It fails if the chat has ended.
        let _ = self.chat.kill();
        let _ = self.chat.wait();
    }
}
