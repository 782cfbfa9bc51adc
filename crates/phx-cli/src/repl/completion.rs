//! Completion of commands, and of the topics and events seen so far.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use console::measure_text_width;
use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper, Result};
use tokio::sync::mpsc;

use super::command::NAMES;
use super::editor::{PROMPT, Told};

/// Names of each kind, at the most: they come from the server.
const CAPACITY: usize = 1_000;

/// The end of what the line editor asks of a terminal: an update that is shown as a whole, for it may be
/// silenced in the middle of one, and bracketed paste.
const AS_IT_WAS: &str = "\x1b[?2026l\x1b[?2004l";

/// The topics and events seen so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(Arc<Mutex<Names>>);

#[derive(Debug, Default)]
struct Names {
    topics: BTreeSet<String>,
    events: BTreeSet<String>,
}

impl Seen {
    pub(super) fn topic(&self, topic: &str) {
        add(&mut self.names().topics, topic);
    }

    pub(super) fn event(&self, event: &str) {
        add(&mut self.names().events, event);
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the word that ends at `pos` may become, and where it begins.
    fn candidates(&self, line: &str, pos: usize) -> (usize, Vec<String>) {
        let line = line.get(..pos).unwrap_or(line);
        let start = line.rfind(char::is_whitespace).map_or(0, |at| at.saturating_add(1));
        let (before, word) = line.split_at_checked(start).unwrap_or((line, ""));
        let before: Vec<&str> = before.split_whitespace().collect();
        let begins = |name: &&str| name.starts_with(word);
        let names = self.names();
        let owned = |names: &BTreeSet<String>| -> Vec<String> {
            names.iter().map(String::as_str).filter(begins).map(String::from).collect()
        };
        let found = match before.as_slice() {
            [] => NAMES.into_iter().filter(begins).map(String::from).collect(),
            ["join" | "leave" | "push" | "send"] => owned(&names.topics),
            ["push" | "send", _] => owned(&names.events),
            _ => Vec::new(),
        };
        (start, found)
    }
}

fn add(names: &mut BTreeSet<String>, name: &str) {
    // A name with such characters can't be typed as one word, or would do something to the terminal.
    let is_typable = !name.contains(|c: char| c.is_whitespace() || c.is_control());
    if is_typable && names.len() < CAPACITY {
        names.insert(name.to_owned());
    }
}

/// What is edited, as its editor, the printer of what comes meanwhile and the end of the program know it.
///
/// rustyline 18 has a printer of its own for what comes meanwhile. With it, keys that come faster than they
/// are handled stay in a buffer until the next one.
#[derive(Clone, Debug, Default)]
pub(super) struct Edited(Arc<Mutex<Editing>>);

#[derive(Debug, Default)]
enum Editing {
    /// No line is awaited.
    #[default]
    Nothing,
    /// The line, and the place of the cursor, in bytes.
    Line(String, usize),
    /// The terminal has been given back.
    Left,
}

impl Edited {
    pub(super) fn set(&self, line: Option<(&str, usize)>) {
        let mut editing = self.editing();
        if !matches!(*editing, Editing::Left) {
            *editing = match line {
                Some((line, pos)) => Editing::Line(line.to_owned(), pos),
                None => Editing::Nothing,
            };
        }
    }

    /// Writes lines above the one that is being edited, and that one again.
    pub(super) fn write_above(&self, out: &mut impl Write, lines: &str) -> io::Result<()> {
        let editing = self.editing();
        let text = match &*editing {
            Editing::Nothing | Editing::Left => lines.to_owned(),
            Editing::Line(line, pos) => {
                let mut text = format!("\r\x1b[K{lines}{PROMPT}{line}");
                let behind = measure_text_width(line.get(*pos..).unwrap_or_default());
                if behind > 0 {
                    text.push_str(&format!("\x1b[{behind}D"));
                }
                text
            }
        };
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Leaves what is being edited for a line of its own, from which on lines are written as they are.
    pub(super) fn leave(&self, out: &mut impl Write) -> io::Result<()> {
        *self.editing() = Editing::Left;
        out.write_all(format!("{AS_IT_WAS}\n").as_bytes())?;
        out.flush()
    }

    fn editing(&self) -> MutexGuard<'_, Editing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the editor asks.
pub(super) struct ReplHelper {
    seen: Seen,
    edited: Edited,
    /// Nothing has been heard of the line that is expected.
    is_expected: AtomicBool,
    tell: mpsc::Sender<Told>,
}

impl ReplHelper {
    pub(super) fn new(seen: Seen, edited: Edited, tell: mpsc::Sender<Told>) -> Self {
        ReplHelper { seen, edited, is_expected: AtomicBool::new(false), tell }
    }

    /// The next thing to be heard is the beginning of a line.
    pub(super) fn expect(&self) {
        self.is_expected.store(true, Ordering::Relaxed);
    }
}

impl Completer for ReplHelper {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> Result<(usize, Vec<String>)> {
        let (start, found) = self.seen.candidates(line, pos);
        // A word that can be nothing else is over.
        let found = match <[String; 1]>::try_from(found) {
            Ok([only]) => vec![format!("{only} ")],
            Err(found) => found,
        };
        Ok((start, found))
    }
}

impl Hinter for ReplHelper {
    type Hint = String;

    /// Gives none, but hears of every change of the line, the first time when the terminal has been taken
    /// over for it.
    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<String> {
        self.edited.set(Some((line, pos)));
        if self.is_expected.swap(false, Ordering::Relaxed) {
            // It fails if nobody listens any more.
            let _ = self.tell.blocking_send(Told::Begun);
        }
        None
    }
}

impl Highlighter for ReplHelper {}
impl Validator for ReplHelper {}
impl Helper for ReplHelper {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_edited_is_shown_again_with_the_cursor_in_its_place() {
        let edited = Edited::default();
        let mut out = Vec::new();
        edited.write_above(&mut out, "a\n").unwrap();
        edited.set(Some(("ping", 2)));
        edited.write_above(&mut out, "b\n").unwrap();
        assert_eq!(out, b"a\n\r\x1b[Kb\nphx> ping\x1b[2D");
        out.clear();
        edited.leave(&mut out).unwrap();
        edited.write_above(&mut out, "c\n").unwrap();
        edited.set(Some(("ls", 2)));
        edited.write_above(&mut out, "d\n").unwrap();
        assert_eq!(out, b"\x1b[?2026l\x1b[?2004l\nc\nd\n");
    }

    #[test]
    fn each_word_has_its_own_names() {
        let seen = Seen::default();
        seen.topic("room:lobby");
        seen.topic("evil\n:topic");
        seen.event("shout");
        let found = |line: &str| seen.candidates(line, line.len());
        assert_eq!(found("p"), (0, vec!["ping".to_owned(), "push".to_owned()]));
        assert_eq!(found("push ro"), (5, vec!["room:lobby".to_owned()]));
        assert_eq!(found("push room:lobby "), (16, vec!["shout".to_owned()]));
        assert_eq!(found("leave "), (6, vec!["room:lobby".to_owned()]));
        assert_eq!(found("ping "), (5, vec![]));
        assert_eq!(found("push room:lobby shout {"), (22, vec![]));
    }
}
