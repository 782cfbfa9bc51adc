//! What has happened in a script, for `wait` to look at.

use std::collections::VecDeque;

use serde_json::Value;

use super::step::Pattern;
use crate::queue::Size as _;
use crate::record::Record;

/// What nobody has waited for yet. Beyond this the oldest is forgotten.
const CAPACITY: usize = 10_000;

/// The bytes of it, beyond which the oldest is forgotten, too; the latest is kept, however large.
const MAX_BYTES: usize = 64 << 20;

/// What happened since the thing that the last `wait` found.
#[derive(Debug, Default)]
pub(super) struct History {
    records: VecDeque<Record>,
    bytes: usize,
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
        }
    }

    /// Whether something matches; it and all before it are forgotten then.
    pub(super) fn find(&mut self, pattern: &Pattern) -> bool {
        match self.records.iter().position(|record| matches(pattern, record)) {
            Some(at) => {
                self.forget(at.saturating_add(1));
                true
            }
            None => false,
        }
    }
}

fn matches(pattern: &Pattern, record: &Record) -> bool {
    let same = |wanted: &Option<String>, found: Option<&str>| {
        wanted.as_deref().is_none_or(|wanted| Some(wanted) == found)
    };
    pattern.kind == record.kind.name()
        && same(&pattern.topic, record.topic.as_deref())
        && same(&pattern.event, record.event.as_deref())
        && pattern.payload.as_ref().is_none_or(|part| {
            let whole = record.payload.as_ref().and_then(|payload| payload.decode().ok());
            whole.is_some_and(|whole: Value| contains(&whole, part))
        })
}

/// Objects contain those that have some of their fields; everything else has to be equal.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part
            .iter()
            .all(|(name, part)| whole.get(name).is_some_and(|whole| contains(whole, part))),
        (whole, part) => whole == part,
    }
}

#[cfg(test)]
mod tests {
    use phx_tokio::Payload;
    use serde_json::json;

    use super::*;
    use crate::record::Kind;

    fn pattern(payload: Value) -> Pattern {
        Pattern { kind: "message".into(), topic: None, event: None, payload: Some(payload) }
    }

    #[test]
    fn an_object_contains_parts_of_itself() {
        let whole = json!({ "a": { "b": 1, "c": [1, 2] }, "d": null });
        for part in [json!({}), json!({ "a": { "b": 1 } }), json!({ "a": { "c": [1, 2] } })] {
            assert!(contains(&whole, &part), "{part}");
        }
        for part in [json!({ "x": null }), json!({ "a": { "c": [1] } }), json!([]), json!(null)] {
            assert!(!contains(&whole, &part), "{part}");
        }
    }

    #[test]
    fn what_was_found_is_not_found_again() {
        let mut history = History::default();
        for n in 0..3 {
            let payload = Payload::json(&json!({ "n": n })).unwrap();
            history.add(Record::new(Kind::Message).payload(&payload));
        }
        assert!(history.find(&pattern(json!({ "n": 1 }))));
        assert!(!history.find(&pattern(json!({ "n": 1 }))));
        assert!(!history.find(&pattern(json!({ "n": 0 }))), "it came before");
        assert!(history.find(&pattern(json!({ "n": 2 }))));
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
        while history.find(&pattern(json!("x".repeat(MAX_BYTES / 4)))) {}
        assert_eq!((history.records.len(), history.bytes), (0, 0));
    }
}
