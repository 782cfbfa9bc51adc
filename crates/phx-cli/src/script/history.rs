//! The records of a script that `wait` searches.

use std::collections::VecDeque;
use std::fmt;

use phx_tokio::ByteString;

use crate::queue::Size as _;
use crate::record::{Kind, Record};
use crate::scenario::Pattern;
use crate::terminal::shown;

/// Largest number of records kept for `wait`; beyond this the oldest is dropped.
const CAPACITY: usize = 10_000;

/// Largest size of these records in bytes, beyond which the oldest is dropped as well; the latest is always kept.
const MAX_BYTES: usize = 64 << 20;

/// Records since the one that the last `wait` found.
#[derive(Debug, Default)]
pub(super) struct History {
    records: VecDeque<Record>,
    bytes: usize,
    /// The number of records dropped, which is the index of the first one kept.
    forgotten: u64,
}

/// Search of one `wait`. It checks each record once, however often it is called.
pub(super) struct Search<'a> {
    pattern: &'a Pattern,
    /// Number of the first unchecked record.
    next: u64,
}

impl<'a> Search<'a> {
    pub(super) fn new(pattern: &'a Pattern) -> Self {
        Search { pattern, next: 0 }
    }
}

impl History {
    pub(super) fn add(&mut self, record: Record) {
        self.bytes = self.bytes.saturating_add(record.size());
        self.records.push_back(record);
        while self.records.len() > CAPACITY || (self.bytes > MAX_BYTES && self.records.len() > 1) {
            self.forget(1);
        }
    }

    fn forget(&mut self, count: usize) {
        for record in self.records.drain(..count.min(self.records.len())) {
            self.bytes = self.bytes.saturating_sub(record.size());
            self.forgotten = self.forgotten.saturating_add(1);
        }
    }

    /// Describes the last record since the last `wait`.
    pub(super) fn summary(&self) -> String {
        let Some(last) = self.records.back() else {
            return "there was no record since the last `wait`".to_owned();
        };
        let last = described(last.kind, last.topic.as_deref(), last.event.as_deref());
        format!("the last record was {last}")
    }

    /// Returns the first record that matches, and drops it and all before it.
    pub(super) fn find(&mut self, search: &mut Search<'_>) -> Option<Record> {
        let looked_at = search.next.saturating_sub(self.forgotten);
        let looked_at = usize::try_from(looked_at).unwrap_or(usize::MAX);
        let mut new = self.records.iter().enumerate().skip(looked_at);
        let found = new.find(|(_, record)| matches(search.pattern, record));
        if let Some((at, record)) = found {
            let record = record.clone();
            self.forget(at.saturating_add(1));
            return Some(record);
        }
        search.next = self.forgotten.saturating_add(self.records.len() as u64);
        None
    }
}

/// Describes a record without its payload, which may be a secret.
fn described(kind: Kind, topic: Option<&str>, event: Option<&str>) -> String {
    let event = event.map(|event| format!(" `{}`", shown(event))).unwrap_or_default();
    let topic = topic.map(|topic| format!(" on {}", shown(topic))).unwrap_or_default();
    format!("{}{event}{topic}", kind.name())
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&described(self.kind, self.topic.as_deref(), self.event.as_deref()))?;
        f.write_str(if self.payload.is_some() { " with the given payload" } else { "" })
    }
}

fn matches(pattern: &Pattern, record: &Record) -> bool {
    let same = |wanted: &Option<ByteString>, found: Option<&str>| {
        wanted.as_deref().is_none_or(|wanted| Some(wanted) == found)
    };
    pattern.kind == record.kind
        && same(&pattern.topic, record.topic.as_deref())
        && same(&pattern.event, record.event.as_deref())
        && pattern.matches_payload(record.payload.as_ref())
}

#[cfg(test)]
mod tests {
    use allocation_counter::measure;
    use phx_tokio::Payload;
    use serde_json::{Value, json};

    use super::*;

    fn pattern(payload: &Value) -> Pattern {
        let payload = Some(Payload::json(payload).unwrap());
        Pattern { kind: Kind::Message, topic: None, event: None, payload }
    }

    #[test]
    fn what_was_found_is_not_found_again() {
        let mut history = History::default();
        for n in 0..3 {
            let payload = Payload::json(&json!({ "n": n })).unwrap();
            history.add(Record::new(Kind::Message).payload(&payload));
        }
        assert!(history.find(&mut Search::new(&pattern(&json!({ "n": 1 })))).is_some());
        assert!(history.find(&mut Search::new(&pattern(&json!({ "n": 1 })))).is_none());
        assert!(
            history.find(&mut Search::new(&pattern(&json!({ "n": 0 })))).is_none(),
            "it came before"
        );
        assert!(history.find(&mut Search::new(&pattern(&json!({ "n": 2 })))).is_some());
    }

    #[test]
    fn a_search_looks_at_each_record_once() {
        let (mut history, last) = (History::default(), 2 * CAPACITY);
        let wanted = pattern(&json!({ "n": last }));
        let mut search = Search::new(&wanted);
        for n in 0..=last {
            let payload = Payload::json(&json!({ "n": n })).unwrap();
            history.add(Record::new(Kind::Message).payload(&payload));
            assert_eq!(history.find(&mut search).is_some(), n == last);
            assert_eq!(search.next, if n == last { n } else { n + 1 } as u64);
        }
        assert_eq!(history.records.len(), 0);
        history.add(Record::new(Kind::Message).payload(&Payload::json(&json!({})).unwrap()));
        assert!(history.find(&mut search).is_none(), "the new one is looked at, and is another");
        assert!(history.find(&mut Search::new(&pattern(&json!({})))).is_some());
    }

    #[test]
    fn what_nobody_waits_for_is_limited_in_number_and_bytes() {
        let mut history = History::default();
        for _ in 0..2 * CAPACITY {
            history.add(Record::new(Kind::Connected));
        }
        assert_eq!(history.records.len(), CAPACITY);
        let large = Payload::json(&"x".repeat(MAX_BYTES / 4)).unwrap();
        for _ in 0..10 {
            history.add(Record::new(Kind::Message).payload(&large));
        }
        assert!(history.records.len() <= 4 && history.bytes <= MAX_BYTES, "{}", history.bytes);
        let large = pattern(&json!("x".repeat(MAX_BYTES / 4)));
        while history.find(&mut Search::new(&large)).is_some() {}
        assert_eq!((history.records.len(), history.bytes), (0, 0));
    }

    #[test]
    fn the_peak_of_a_history_stays_within_its_limits() {
        let peak = |count: usize, bytes: usize| {
            let mut history = History::default();
            let used = measure(|| {
                for _ in 0..count {
                    let text = ["\"", &"x".repeat(bytes), "\""].concat();
                    let payload = Payload::from_json_text(text).unwrap();
                    history.add(Record::new(Kind::Message).payload(&payload));
                }
            });
            usize::try_from(used.bytes_max).unwrap()
        };
        let (many, large) = (peak(10 * CAPACITY, 10), peak(200, MAX_BYTES / 64));
        assert!(many < CAPACITY * 1_024, "{many}");
        // The list of records, and the record under way: a text, and the JSON of it.
        assert!(large < MAX_BYTES + MAX_BYTES / 16, "{large}");
    }
}
