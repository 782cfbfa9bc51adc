//! The chat, driven through pseudo-terminals as people would.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg(unix)]

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use escargot::CargoBuild;
use phx_pty::{CTRL_C, CTRL_D, Terminal};
use phx_testing::listener::Listener;

#[path = "common/build.rs"]
mod build;

use build::built;

#[test]
fn terminals_talk_over_the_embedded_server() {
    let mut ann = chat(&["--name", "ann"]);
    ann.sees("others can join with --server ");
    let url = ann.rest_of_line();
    ann.sees("* here: ann\r\n");

    let mut bob = chat(&["--name", "bob", "--server", &url]);
    bob.sees("* here: ann, bob\r\n");
    ann.sees("* bob joined\r\n");
    bob.types("hello\n");
    ann.sees("bob: hello\r\n");
    ann.types("good morning\n");
    bob.sees("ann: good morning\r\n");
    ann.types("/who\n");
    ann.sees("* here: ann, bob\r\n");

    let mut carl = chat(&["--name", "carl", "--room", "other", "--server", &url]);
    carl.sees("* here: carl\r\n");
    carl.types(CTRL_D);
    carl.ends(0);

    bob.types(CTRL_C);
    bob.sees("* bye\r\n");
    bob.ends(0);
    ann.sees("* bob left\r\n");
    ann.types("/quit\n");
    ann.ends(0);
}

#[test]
fn a_lost_connection_is_reported_and_recovers() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(Listener::bind(phx_testing::demo_server().build())).unwrap();
    let mut ann = chat(&["--name", "ann", "--server", listener.url()]);
    ann.sees("* here: ann\r\n");
    let mut bob = chat(&["--name", "bob", "--server", listener.url()]);
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
    bob.ends(0);
    ann.sees("* bob left\r\n");
    ann.types("/quit\n");
    ann.ends(0);
    assert_eq!(listener.with(|server, _| server.sockets().count()), 0, "everybody has gone");
}

#[test]
fn text_of_others_cannot_act_on_the_terminal() {
    let mut ann = chat(&["--name", "ann"]);
    ann.sees("others can join with --server ");
    let url = ann.rest_of_line();
    ann.sees("* here: ann\r\n");
    let mut eve = chat(&["--name", "e\x1b[2Jve", "--server", &url]);
    eve.sees("* here: ann, e");
    ann.sees("* e\\u{1b}[2Jve joined\r\n");
    // Tabs go through a terminal's line editing as they are.
    eve.types("a\tb\n");
    ann.sees("e\\u{1b}[2Jve: a\\tb\r\n");
    assert!(!ann.output().contains('\x1b'), "{:?}", ann.output());
    eve.types("/quit\n");
    eve.ends(0);
    ann.types("/quit\n");
    ann.ends(0);
}

static CHAT: LazyLock<PathBuf> = LazyLock::new(|| built(CargoBuild::new().example("chat")));

/// The chat in a separate terminal.
fn chat(arguments: &[&str]) -> Terminal {
    let mut command = Command::new(&*CHAT);
    command.args(arguments);
    Terminal::start(command)
}
