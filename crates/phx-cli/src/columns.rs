//! Records in columns, for people: aligned by display width, and wrapped where a terminal shows them.

use phx_tokio::Payload;
use serde_json::Value;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::json_text::{Mask, one_line, pretty, shown_payload};
use crate::record::{Kind, Record};
use crate::terminal::{self, BAD, DIM, EVENT, NOTE, TOPIC, clock, shown, styled};

/// Largest width of the topic and event columns. Longer names move the rest of their line to the right.
const MAX_TOPIC: usize = 40;
const MAX_EVENT: usize = 32;

/// Smallest width of wrapped text; a narrower terminal wraps it itself.
const MIN_TEXT: usize = 24;

/// Indent of wrapped text without space below its beginning, and of payloads on several lines.
const INDENT: usize = 4;

/// The layout of records in columns.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    /// Width of the topics.
    topic: usize,
    /// Width of the events.
    event: usize,
    /// True to wrap text at the terminal's width.
    wraps: bool,
    /// True to show JSON on several lines.
    pretty: bool,
}

impl Columns {
    /// Columns for these topics; that of the events grows with their names.
    pub(crate) fn new<'a>(topics: impl IntoIterator<Item = &'a str>) -> Self {
        let widths = topics.into_iter().map(|topic| shown(topic).width());
        let topic = widths.max().unwrap_or(0);
        Columns { topic, event: 14, wraps: false, pretty: false }
    }

    /// Wraps text at the width of the terminal that is standard output, if it is one.
    pub(crate) fn wrapped(self) -> Self {
        Columns { wraps: true, ..self }
    }

    /// Shows JSON on several lines.
    pub(crate) fn pretty(self, pretty: bool) -> Self {
        Columns { pretty, ..self }
    }

    /// The line for a record, with styles in it.
    pub(crate) fn line(&mut self, record: &Record) -> String {
        self.line_of(record, if self.wraps { terminal::width() } else { None })
    }

    fn line_of(&mut self, record: &Record, width: Option<usize>) -> String {
        let topic = record.topic.as_deref().map_or("-".to_owned(), shown);
        let key = record.key.as_deref().unwrap_or_default();
        let (style, event) = match (&record.event, record.kind) {
            (Some(event), Kind::Message | Kind::Reply) => (EVENT, shown(event)),
            (_, Kind::PresenceJoined) => (EVENT, format!("+ {}", shown(key))),
            (_, Kind::PresenceLeft) => (BAD, format!("- {}", shown(key))),
            (_, kind) if kind.is_bad() => (BAD, format!("* {}", kind.name())),
            (_, kind) => (NOTE, format!("* {}", kind.name())),
        };
        self.topic = self.topic.max(topic.width().min(MAX_TOPIC));
        self.event = self.event.max(event.width().min(MAX_EVENT));
        let time = clock(record.time);
        let topic = format!("{topic}{}", pad(&topic, self.topic));
        let head = [styled(DIM, &time), styled(TOPIC, &topic)].join("  ");
        let text = self.text(record);
        if text.is_empty() {
            return format!("{head}  {}", styled(style, event));
        }
        let event = format!("{event}{}", pad(&event, self.event));
        let start = [time.width(), topic.width(), event.width()].iter().sum::<usize>() + 6;
        let text = match width {
            _ if text.starts_with('\n') => text,
            Some(width) => wrapped(&text, start, width),
            None => text,
        };
        format!("{head}  {}  {text}", styled(style, event))
    }

    /// Status, payload, metadata and detail.
    fn text(&self, record: &Record) -> String {
        let more = |wanted| record.more.iter().find(|(name, _)| *name == wanted).map(|it| &it.1);
        let meta = more("meta").filter(|meta| !meta.is_null());
        let json = record.payload.as_ref().and_then(Payload::as_json).filter(|_| self.pretty);
        let payload = match (json.map(pretty), &record.payload) {
            (Some(json), _) if json.contains('\n') => {
                Some(format!("\n{json}").replace('\n', &format!("\n{:INDENT$}", "")))
            }
            (_, Some(payload)) => Some(shown_payload(payload, Mask::Nothing)),
            (_, None) => None,
        };
        let parts = [
            more("status").and_then(Value::as_str).map(shown),
            payload,
            meta.map(|meta| format!("meta {}", one_line(&meta.to_string(), Mask::Nothing))),
            record.detail.as_deref().map(shown),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("  ")
    }
}

fn pad(text: &str, width: usize) -> String {
    " ".repeat(width.saturating_sub(text.width()))
}

/// Breaks the text into lines that end at `width`, the first of which begins at column `start`: behind a comma or a
/// space if there is one, and indented.
fn wrapped(text: &str, start: usize, width: usize) -> String {
    if start.saturating_add(text.width()) <= width {
        return text.to_owned();
    }
    let fits = |indent: usize| indent.saturating_add(MIN_TEXT) <= width;
    if !fits(INDENT) {
        return text.to_owned();
    }
    let indent = if fits(start) { start } else { INDENT };
    let line_end = format!("\n{:indent$}", "");
    let mut out = String::with_capacity(text.len().saturating_mul(2));
    if !fits(start) {
        out.push_str(&line_end);
    }
    let space = width.saturating_sub(indent);
    let mut rest = text;
    loop {
        let end = end_of_line(rest, space);
        let (line, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
        out.push_str(line);
        if behind.is_empty() {
            return out;
        }
        out.push_str(&line_end);
        rest = behind;
    }
}

/// The length of what goes on a line of this width: at least one character.
fn end_of_line(text: &str, space: usize) -> usize {
    let (mut used, mut end, mut gap) = (0_usize, 0, 0);
    for (at, c) in text.char_indices() {
        used = used.saturating_add(c.width().unwrap_or(0));
        if used > space && at > 0 {
            // A gap in the first half would leave a ragged line.
            return if gap > end / 2 { gap } else { end };
        }
        end = at.saturating_add(c.len_utf8());
        if matches!(c, ' ' | ',') {
            gap = end;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use phx_tokio::ByteString;

    use super::*;

    fn message(topic: &'static str, event: &'static str, payload: &str) -> Record {
        let mut record = Record::new(Kind::Message)
            .topic(&ByteString::from_static(topic))
            .event(&ByteString::from_static(event))
            .payload(&Payload::from_json_text(payload.to_owned()).unwrap());
        record.time = SystemTime::UNIX_EPOCH;
        record
    }

    fn plain(line: &str) -> String {
        anstream::adapter::strip_str(line).to_string()
    }

    #[test]
    fn columns_line_up() {
        let mut columns = Columns::new(["room:a", "room:lobby"]);
        let line = plain(&columns.line(&message("room:a", "shout", "{}")));
        assert_eq!(line, "00:00:00.000  room:a      shout           {}");
        let line = plain(&columns.line(&message("room:a", "a\nvery_long_event_name", "{}")));
        assert_eq!(line, "00:00:00.000  room:a      a\\nvery_long_event_name  {}");
    }

    #[test]
    fn wide_characters_take_two_columns() {
        let mut columns = Columns::new(["room:日本", "room:a"]);
        let wide = plain(&columns.line(&message("room:日本", "叫ぶ", "{}")));
        let narrow = plain(&columns.line(&message("room:a", "shout", "{}")));
        assert_eq!(wide, "00:00:00.000  room:日本  叫ぶ            {}");
        assert_eq!(narrow, "00:00:00.000  room:a     shout           {}");
        assert_eq!(wide.width(), narrow.width());
    }

    #[test]
    fn long_text_is_wrapped_with_an_indent() {
        let payload = r#"{"body":"some words that go on and on","list":[1,2,3]}"#;
        let mut columns = Columns::new(["room:a"]);
        let record = message("room:a", "shout", payload);
        let line = plain(&columns.line_of(&record, Some(80)));
        let lines: Vec<&str> = line.lines().collect();
        assert_eq!(
            lines,
            [
                r#"00:00:00.000  room:a  shout           {"body":"some words that go on and on","#,
                r#"                                      "list":[1,2,3]}"#,
            ]
        );
        // Without space below its beginning the text begins on the next line.
        let line = plain(&columns.line_of(&record, Some(50)));
        let lines: Vec<&str> = line.lines().collect();
        assert_eq!(lines[0].trim_end(), "00:00:00.000  room:a  shout");
        assert!(lines[1].starts_with(r#"    {"body":"some"#) && lines.len() == 3, "{line}");
        let whole: String = lines[1..].iter().map(|line| &line[4..]).collect();
        assert_eq!(whole, payload, "nothing is lost");
        // A terminal that is too narrow wraps it itself.
        assert_eq!(plain(&columns.line_of(&record, Some(20))).lines().count(), 1);
    }

    #[test]
    fn lines_end_in_time_whatever_the_characters() {
        for text in ["日本語".repeat(50), "x".repeat(200), "a ".repeat(100), "\u{301}".repeat(200)]
        {
            let lines = wrapped(&text, 38, 80);
            assert!(lines.lines().all(|line| line.width() <= 80), "{lines}");
            assert_eq!(lines.replace(&format!("\n{:38}", ""), ""), text);
        }
    }

    #[test]
    fn pretty_payloads_are_below_their_line() {
        let mut columns = Columns::new(["room:a"]).pretty(true);
        let line = plain(&columns.line_of(&message("room:a", "shout", r#"{"a":[1]}"#), Some(80)));
        let lines: Vec<&str> = line.lines().map(str::trim_end).collect();
        let expected = [
            "00:00:00.000  room:a  shout",
            "    {",
            "      \"a\": [",
            "        1",
            "      ]",
            "    }",
        ];
        assert_eq!(lines, expected);
        let line = plain(&columns.line_of(&message("room:a", "shout", "{}"), Some(80)));
        assert_eq!(line, "00:00:00.000  room:a  shout           {}");
    }
}
