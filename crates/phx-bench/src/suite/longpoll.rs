//! Messages over long-poll beside those over a WebSocket.

use anyhow::ensure;

use super::host::Server;
use crate::counts;

/// The scenario over a WebSocket and over long-poll, its second argument, and what an answer or POST of it has 100 of.
const PAIRS: [(&str, &str, &str, &str); 2] = [
    ("flood", "polled", "80", "message received"),
    ("echo", "posted", "100", "push with its reply"),
];

/// Largest ratio of instructions to those over a WebSocket.
const GOAL: f64 = 2.0;

/// Messages of the shorter run and of the longer one: instructions are those of the difference.
const SHORT_RUN: u64 = 4_000;
const LONG_RUN: u64 = 12_000;

/// Returns the instructions of the client's process for a message over each transport, as a table in Markdown. Other than
/// times they are nearly the same on every run; the kernel's aren't among them.
pub(crate) fn instructions() -> anyhow::Result<String> {
    let server = Server::start()?;
    let count = |scenario, size| {
        let variables = [("PERF_PORT", server.port())];
        counts::instructions_with(&["counted", scenario, size], SHORT_RUN, LONG_RUN, &variables)
    };
    let mut text =
        "| 100 at a time | WebSocket | long-poll | ratio | goal |\n|---|---|---|---|---|\n"
            .to_owned();
    let mut is_met = true;
    for (over_web_socket, over_long_poll, size, what) in PAIRS {
        let (web_socket, long_poll) = (count(over_web_socket, size)?, count(over_long_poll, size)?);
        let ratio = long_poll as f64 / web_socket as f64;
        is_met &= ratio <= GOAL;
        text += &format!("| {what} | {web_socket} | {long_poll} | {ratio:.2} | {GOAL} |\n");
    }
    ensure!(is_met, "more than the goals:\n{text}");
    Ok(text)
}
