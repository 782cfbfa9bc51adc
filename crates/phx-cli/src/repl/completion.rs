//! Completion of commands, and of the topics and events seen so far.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use phx_tokio::Escaped;
use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper, Result};

use super::command::NAMES;
use super::screen::Screen;

/// Largest number of names of each kind: the server chooses them.
const CAPACITY: usize = 1_000;

/// Largest name in bytes.
const MAX_NAME: usize = 256;

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

    /// Returns the completions of the word that ends at `pos`, and its beginning.
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
    // Such a name can't be typed as one word, or would act on the terminal.
    let is_typable = !name.contains(|c: char| c.is_whitespace() || Escaped::is_escaped(c));
    if is_typable && name.len() <= MAX_NAME && names.len() < CAPACITY {
        names.insert(name.to_owned());
    }
}

/// The callbacks of the line editor.
pub(super) struct ReplHelper {
    seen: Seen,
    screen: Screen,
}

impl ReplHelper {
    pub(super) fn new(seen: Seen, screen: Screen) -> Self {
        ReplHelper { seen, screen }
    }
}

impl Completer for ReplHelper {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> Result<(usize, Vec<String>)> {
        let (start, found) = self.seen.candidates(line, pos);
        // A word with a single completion is complete.
        let found = match <[String; 1]>::try_from(found) {
            Ok([only]) => vec![format!("{only} ")],
            Err(found) => found,
        };
        Ok((start, found))
    }
}

impl Hinter for ReplHelper {
    type Hint = String;

    /// Returns no hint, but records every change of the line.
    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<String> {
        self.screen.edits(Some((line, pos)));
        None
    }
}

impl Highlighter for ReplHelper {}
impl Validator for ReplHelper {}
impl Helper for ReplHelper {}

#[cfg(test)]
mod tests {
    use allocation_counter::measure;

    use super::*;

    #[test]
    fn each_word_has_its_own_names() {
        let seen = Seen::default();
        seen.topic("room:lobby");
        seen.topic("evil\n:topic");
        for c in ['\u{1b}', '\u{200b}', '\u{202e}', '\u{2066}', '\u{2069}', '\u{feff}', '\u{2028}']
        {
            seen.topic(&format!("evil{c}"));
            seen.event(&format!("evil{c}"));
        }
        seen.event(&"long".repeat(100));
        seen.event("shout");
        let found = |line: &str| seen.candidates(line, line.len());
        assert_eq!(found("p"), (0, ["params", "ping", "push"].map(String::from).to_vec()));
        assert_eq!(found("push ro"), (5, vec!["room:lobby".to_owned()]));
        assert_eq!(found("push room:lobby "), (16, vec!["shout".to_owned()]));
        assert_eq!(found("leave "), (6, vec!["room:lobby".to_owned()]));
        assert_eq!(found("ping "), (5, vec![]));
        assert_eq!(found("push room:lobby shout {"), (22, vec![]));
    }

    #[test]
    fn names_are_limited_in_number_and_length() {
        let seen = Seen::default();
        seen.event(&"x".repeat(MAX_NAME + 1));
        assert!(seen.names().events.is_empty());
        for number in 0..2 * CAPACITY {
            seen.event(&format!("event{number}"));
            seen.topic(&format!("topic{number}"));
        }
        let names = seen.names();
        assert_eq!((names.events.len(), names.topics.len()), (CAPACITY, CAPACITY));
    }

    #[test]
    fn the_peak_of_names_stays_within_their_limits() {
        let seen = Seen::default();
        let used = measure(|| {
            for number in 0..10 * CAPACITY {
                seen.event(&format!("{number:0>MAX_NAME$}"));
                seen.topic(&format!("{number:0>MAX_NAME$}"));
                seen.event(&format!("{number:0>10000}"));
            }
        });
        let allowed = u64::try_from(2 * CAPACITY * (MAX_NAME + 64) + 16_000).unwrap();
        assert!(used.bytes_max < allowed, "{used:?}, {allowed} allowed");
    }
}
