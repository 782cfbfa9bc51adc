//! Live list of presences, redrawn in place on each change.

use std::collections::VecDeque;
use std::io::Write as _;

use anstream::ColorChoice;
use console::{Term, measure_text_width, truncate_str};
use phx_tokio::{ByteString, ConnectionState, Payload};

use crate::columns::Columns;
use crate::failure::Failure;
use crate::json_text::{Mask, shown_payload};
use crate::record::{Kind, Record};
use crate::terminal::{BAD, BOLD, DIM, EVENT, NOTE, TOPIC, closed_as_pipe, shown, styled};

/// Changes that are shown below the list.
const CHANGES: usize = 5;

/// A key and the metas of its entry, for people.
pub(super) type Present = (ByteString, Payload);

/// A list in a terminal.
#[derive(Debug)]
pub(super) struct Live {
    topic: String,
    term: Term,
    changes: VecDeque<Record>,
    columns: Columns,
    /// Lines that are on the screen now.
    drawn: usize,
}

impl Live {
    /// Returns true if the terminal can show the list.
    pub(super) fn works() -> bool {
        std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }

    pub(super) fn new(topic: &str) -> Self {
        Live {
            topic: topic.to_owned(),
            term: Term::stdout(),
            changes: VecDeque::new(),
            columns: Columns::new([topic]),
            drawn: 0,
        }
    }

    /// Keeps a change, which is shown below the list.
    pub(super) fn remember(&mut self, change: Record) {
        if change.kind == Kind::Synced {
            return;
        }
        if self.changes.len() == CHANGES {
            self.changes.pop_front();
        }
        self.changes.push_back(change);
    }

    /// Redraws the whole list.
    pub(super) fn show(
        &mut self,
        present: &[Present],
        is_synced: bool,
        state: ConnectionState,
    ) -> Result<(), Failure> {
        let (rows, width) = self.term.size();
        let lines = self.lines(present, is_synced, state, usize::from(rows));
        let has_colours = anstream::AutoStream::choice(&std::io::stdout()) != ColorChoice::Never;
        let mut text = String::new();
        if self.drawn > 0 {
            // Move to the first line of the last drawing, and erase everything from there on.
            text.push_str(&format!("\x1b[{}A\r\x1b[J", self.drawn));
        }
        for line in &lines {
            let line = truncate_str(line, usize::from(width), "…");
            if has_colours {
                text.push_str(&line);
            } else {
                text.push_str(&anstream::adapter::strip_str(&line).to_string());
            }
            text.push_str("\r\n");
        }
        self.drawn = lines.len();
        let written = self.term.write_all(text.as_bytes()).and_then(|()| self.term.flush());
        Ok(written.map_err(closed_as_pipe)?)
    }

    fn lines(
        &mut self,
        present: &[Present],
        is_synced: bool,
        state: ConnectionState,
        rows: usize,
    ) -> Vec<String> {
        let state = match state {
            ConnectionState::Open => String::new(),
            _ => format!("  {}", styled(BAD, "not connected")),
        };
        let mut lines = vec![format!(
            "{}  {}{state}",
            styled(TOPIC, shown(&self.topic)),
            match present.len() {
                0 if !is_synced => styled(NOTE, "no list has come yet"),
                count => styled(BOLD, format!("{count} present")),
            },
        )];
        let changes: Vec<String> =
            self.changes.iter().map(|change| self.columns.line(change)).collect();
        // The head, the changes with a line before them, and the line of the cursor.
        let room = rows.saturating_sub(changes.len().saturating_add(4)).max(1);
        let shown_keys: Vec<String> = present.iter().map(|(key, _)| shown(key)).collect();
        let width = shown_keys.iter().map(|key| measure_text_width(key)).max().unwrap_or(0).min(40);
        for ((_, metas), key) in present.iter().zip(&shown_keys).take(room) {
            let pad = " ".repeat(width.saturating_sub(measure_text_width(key)));
            let metas = shown_payload(metas, Mask::Nothing);
            // Most keys have one meta: show it without its list.
            let metas = metas.strip_prefix('[').and_then(|metas| metas.strip_suffix(']'));
            lines.push(format!("  {}{pad}  {}", styled(EVENT, key), metas.unwrap_or_default()));
        }
        if let Some(more) = present.len().checked_sub(room).filter(|more| *more > 0) {
            lines.push(styled(NOTE, format!("  … and {more} more")));
        }
        if !changes.is_empty() {
            lines.push(styled(DIM, "latest:"));
            lines.extend(changes);
        }
        lines
    }
}
