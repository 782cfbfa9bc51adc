//! Lines typed or piped in: reading and parsing.

use std::io::{self, BufRead};
use std::thread;

use phx_tokio::Payload;
use tokio::sync::mpsc;

use crate::failure::chain;

/// Reads the lines of an input on a separate thread, since reading can't be cancelled.
pub(crate) fn lines(
    open: impl FnOnce() -> Box<dyn BufRead> + Send + 'static,
) -> mpsc::Receiver<io::Result<String>> {
    let (send, lines) = mpsc::channel(16);
    thread::spawn(move || {
        for line in open().lines() {
            let is_end = line.is_err();
            if send.blocking_send(line).is_err() || is_end {
                return;
            }
        }
    });
    lines
}

/// The first word of a line, and what follows it.
pub(crate) fn first_word(line: &str) -> (&str, &str) {
    let line = line.trim();
    line.split_once(char::is_whitespace).map_or((line, ""), |(word, rest)| (word, rest.trim()))
}

/// The payload at the end of a line; without any it is `{}`.
pub(crate) fn json(text: &str) -> Result<Payload, String> {
    match text {
        "" => Ok(Payload::empty()),
        text => Payload::from_json_text(text.as_bytes().to_vec()).map_err(|error| chain(&error)),
    }
}
