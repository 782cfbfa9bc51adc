//! Steps through a recording: each line of the input shows one more thing that happened.

use std::io::{self, BufRead, ErrorKind, IsTerminal as _, StdinLock, Write};

use crate::terminal::{DIM, styled};

/// Bytes of an input line that are looked at: enough for a `q` among spaces.
const LOOKED_AT: usize = 16;

/// Where the steps come from: keys, or lines of a file or a pipe.
pub(super) struct Steps {
    input: StdinLock<'static>,
    /// On a terminal a line that is shown stays open: the echo of Enter ends it.
    stays_open: bool,
    is_open: bool,
}

/// What a line of the input asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Next,
    End,
}

impl Steps {
    pub(super) fn of_input() -> Self {
        let stays_open = io::stdin().is_terminal() && io::stdout().is_terminal();
        Steps { input: io::stdin().lock(), stays_open, is_open: false }
    }

    /// Says which keys there are, if there are any.
    pub(super) fn begin(&mut self, out: &mut impl Write) -> io::Result<()> {
        if self.stays_open {
            self.show(out, &styled(DIM, "Enter shows what happened next, q ends"))?;
        }
        Ok(())
    }

    /// Waits for a line of the input, and returns `true` if it asks for more.
    pub(super) fn wait(&mut self, out: &mut impl Write) -> io::Result<bool> {
        out.flush()?;
        match asked(&mut self.input)? {
            Some(asked) => {
                self.is_open = false;
                Ok(asked == Asked::Next)
            }
            None => Ok(false),
        }
    }

    /// Shows a line.
    pub(super) fn show(&mut self, out: &mut impl Write, line: &str) -> io::Result<()> {
        if !self.stays_open {
            return writeln!(out, "{line}");
        }
        self.is_open = true;
        write!(out, "{line}  ")
    }

    /// Ends the line that is open.
    pub(super) fn end(self, out: &mut impl Write) -> io::Result<()> {
        if self.is_open { writeln!(out) } else { Ok(()) }
    }
}

/// Reads a line, of any length; `None` at the end of the input.
fn asked(input: &mut impl BufRead) -> io::Result<Option<Asked>> {
    let mut start = Vec::with_capacity(LOOKED_AT);
    let mut is_empty = true;
    loop {
        let bytes = match input.fill_buf() {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            bytes => bytes?,
        };
        if bytes.is_empty() && is_empty {
            return Ok(None);
        }
        is_empty = false;
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let line = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        start.extend(line.iter().take(LOOKED_AT.saturating_sub(start.len())));
        let is_whole = end.is_some() || bytes.is_empty();
        let read = line.len().saturating_add(usize::from(end.is_some()));
        input.consume(read);
        if is_whole {
            let asks_for_end = start.trim_ascii().eq_ignore_ascii_case(b"q");
            return Ok(Some(if asks_for_end { Asked::End } else { Asked::Next }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn lines_of_any_length_ask_for_more_and_q_for_the_end() {
        let long = "q".repeat(100);
        let text = format!("\n  Q \r\nquit\n{long}\n{}q\n q", " ".repeat(20));
        for capacity in [1, 3, 1000] {
            let mut input = BufReader::with_capacity(capacity, text.as_bytes());
            let asks: Vec<_> = std::iter::from_fn(|| asked(&mut input).unwrap()).collect();
            let (next, end) = (Asked::Next, Asked::End);
            assert_eq!(asks, [next, end, next, next, next, end], "{capacity}");
        }
    }
}
