//! Records of events, and their lines of JSON.

use std::fmt;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use phx_tokio::{
    ByteString, ChannelError, ChannelErrorCause, Closed, Payload, PayloadDropped, Reply,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::json_text::{Mask, one_line};
use crate::queue::Size;

/// The kind of a record. Its name is the field `kind` of the output.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The connection is open.
    Connected,
    /// The connection ended.
    Disconnected,
    /// A channel is joined for the first time.
    Joined,
    /// A channel is joined again; messages may be missing before this.
    Rejoined,
    /// The channel is no longer joined, or a join failed, and the client tries again.
    Errored,
    /// The channel is closed for good.
    Closed,
    /// An event from the server.
    Message,
    /// The reply to a push.
    Reply,
    /// Messages were lost, because the output was read too slowly.
    Lagged,
    /// The server rejected a join.
    Rejected,
    /// A channel was left.
    Left,
    /// The server answered a ping.
    Pong,
    /// A key joined the presence list, or got another meta.
    PresenceJoined,
    /// A key left the presence list, or lost a meta.
    PresenceLeft,
    /// The presence list agrees with the server's.
    Synced,
    /// The client received frames that aren't messages.
    Malformed,
    /// Messages on a topic that isn't joined may be missing before this.
    Gap,
    /// A warning for the user.
    Warning,
    /// A step of a script failed.
    Failed,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Connected => "connected",
            Kind::Disconnected => "disconnected",
            Kind::Joined => "joined",
            Kind::Rejoined => "rejoined",
            Kind::Errored => "errored",
            Kind::Closed => "closed",
            Kind::Message => "message",
            Kind::Reply => "reply",
            Kind::Lagged => "lagged",
            Kind::Rejected => "rejected",
            Kind::Left => "left",
            Kind::Pong => "pong",
            Kind::PresenceJoined => "presence_joined",
            Kind::PresenceLeft => "presence_left",
            Kind::Synced => "synced",
            Kind::Malformed => "malformed",
            Kind::Gap => "gap",
            Kind::Warning => "warning",
            Kind::Failed => "failed",
        }
    }

    pub(crate) fn is_bad(self) -> bool {
        matches!(
            self,
            Kind::Disconnected
                | Kind::Errored
                | Kind::Lagged
                | Kind::Rejected
                | Kind::Malformed
                | Kind::Failed
        )
    }
}

/// Record of an event.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) time: SystemTime,
    pub(crate) kind: Kind,
    pub(crate) topic: Option<ByteString>,
    pub(crate) event: Option<ByteString>,
    pub(crate) reference: Option<String>,
    /// The presence key that joined or left.
    pub(crate) key: Option<ByteString>,
    pub(crate) payload: Option<Payload>,
    /// Detail for people; in JSON the field `detail`.
    pub(crate) detail: Option<String>,
    /// Further fields in JSON, at its end.
    pub(crate) more: Vec<(&'static str, Value)>,
}

impl Record {
    pub(crate) fn new(kind: Kind) -> Self {
        Record {
            time: SystemTime::now(),
            kind,
            topic: None,
            event: None,
            reference: None,
            key: None,
            payload: None,
            detail: None,
            more: Vec::new(),
        }
    }

    pub(crate) fn disconnected(closed: &Closed) -> Self {
        let record = Record::new(Kind::Disconnected).more("code", closed.cause.code().as_u16());
        record.because(&closed.cause, closed.retry_in)
    }

    pub(crate) fn message(topic: &ByteString, event: &ByteString, payload: &Payload) -> Self {
        Record::new(Kind::Message).topic(topic).event(event).payload(payload)
    }

    pub(crate) fn reply(topic: &ByteString, event: &str, reply: &Reply) -> Self {
        let record = Record::new(Kind::Reply).topic(topic).event(&event.into());
        record.payload(&reply.response).more("status", reply.status.as_str())
    }

    pub(crate) fn lagged(topic: &ByteString, count: u64) -> Self {
        let detail = format!("too slow: {count} messages lost");
        Record::new(Kind::Lagged).topic(topic).detail(detail).more("count", count)
    }

    /// Returns a record of a channel's failure, with the time of the next attempt.
    pub(crate) fn errored(failure: &ChannelError) -> Self {
        let mut record = Record::new(Kind::Errored);
        let said = match &failure.cause {
            ChannelErrorCause::Crashed(payload) | ChannelErrorCause::Closed(payload) => {
                Some(payload)
            }
            ChannelErrorCause::Rejected(rejection) => Some(&rejection.response),
            _ => None,
        };
        if let Some(said) = said {
            record = record.answer(said);
        }
        record.because(&failure.cause, failure.retry_in)
    }

    /// Adds the cause of an end, and the time of the next attempt.
    fn because(self, cause: impl fmt::Display, retry_in: Option<Duration>) -> Self {
        let retry = retry_in.map(|time| format!("; next attempt in {:.1} s", time.as_secs_f64()));
        let record = self.detail(format!("{cause}{}", retry.unwrap_or_default()));
        record.more("retry_in_ms", retry_in.map_or(Value::Null, |time| json!(time.as_millis())))
    }

    pub(crate) fn topic(mut self, topic: &ByteString) -> Self {
        self.topic = Some(topic.clone());
        self
    }

    pub(crate) fn event(mut self, event: &ByteString) -> Self {
        self.event = Some(event.clone());
        self
    }

    pub(crate) fn reference(mut self, reference: Option<String>) -> Self {
        self.reference = reference;
        self
    }

    pub(crate) fn key(mut self, key: &ByteString) -> Self {
        self.key = Some(key.clone());
        self
    }

    pub(crate) fn payload(mut self, payload: &Payload) -> Self {
        self.payload = Some(payload.clone());
        self
    }

    /// Adds the server's answer, or its size if it was dropped.
    pub(crate) fn answer(self, payload: &Result<Payload, PayloadDropped>) -> Self {
        match payload {
            Ok(payload) => self.payload(payload),
            Err(dropped) => self.more("dropped_bytes", dropped.len),
        }
    }

    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(crate) fn more(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.more.push((name, value.into()));
        self
    }

    /// Returns the record as one JSON object. The first six fields are always present.
    pub(crate) fn to_json(&self) -> String {
        let text = |text: Option<&str>| text.map_or("null".to_owned(), quoted);
        let mut line = format!(
            "{{\"time\":\"{}\",\"kind\":\"{}\",\"topic\":{},\"event\":{},\"ref\":{},\"payload\":{}",
            humantime::format_rfc3339_millis(self.time),
            self.kind.name(),
            text(self.topic.as_deref()),
            text(self.event.as_deref()),
            text(self.reference.as_deref()),
            match self.payload.as_ref().and_then(Payload::as_json) {
                Some(json) => one_line(json, Mask::Nothing),
                None => "null".to_owned(),
            },
        );
        if let Some(payload) = self.payload.as_ref().filter(|payload| payload.is_binary()) {
            let base64 = STANDARD.encode(payload.as_bytes());
            line.push_str(&format!(",\"binary\":\"{base64}\""));
        }
        if let Some(key) = &self.key {
            line.push_str(&format!(",\"key\":{}", quoted(key)));
        }
        if let Some(detail) = &self.detail {
            line.push_str(&format!(",\"detail\":{}", quoted(detail)));
        }
        for (name, value) in &self.more {
            let value = one_line(&value.to_string(), Mask::Nothing);
            line.push_str(&format!(",\"{name}\":{value}"));
        }
        line.push('}');
        line
    }
}

fn quoted(text: &str) -> String {
    one_line(&Value::String(text.to_owned()).to_string(), Mask::Nothing)
}

impl Size for Record {
    fn size(&self) -> usize {
        let texts = [self.topic.as_deref(), self.event.as_deref(), self.key.as_deref()];
        let texts = texts.into_iter().chain([self.reference.as_deref(), self.detail.as_deref()]);
        let payload = self.payload.as_ref().map_or(0, Payload::len);
        let more = self
            .more
            .iter()
            .map(|(_, value)| size_of::<&str>().saturating_add(size_of_value(value)));
        let lengths = texts.flatten().map(str::len).chain(more);
        lengths.fold(payload.saturating_add(size_of::<Record>()), usize::saturating_add)
    }

    fn note_lost(&mut self, count: u64) {
        self.more.push(("lost_before", count.into()));
    }
}

/// Returns the approximate size of a further field in bytes. Arrays and objects come from a script's `id`.
fn size_of_value(value: &Value) -> usize {
    let held = match value {
        Value::String(text) => text.len(),
        Value::Array(_) | Value::Object(_) => value.to_string().len(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    held.saturating_add(size_of::<Value>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(event: &'static str, payload: &Payload) -> Record {
        let mut record = Record::new(Kind::Message)
            .topic(&ByteString::from_static("room:a"))
            .event(&ByteString::from_static(event))
            .payload(payload);
        record.time = SystemTime::UNIX_EPOCH;
        record
    }

    #[test]
    fn a_line_of_json() {
        let payload = Payload::from_json_text("{\n\"b\": 1}").unwrap();
        assert_eq!(
            message("shout", &payload).to_json(),
            r#"{"time":"1970-01-01T00:00:00.000Z","kind":"message","topic":"room:a","event":"shout","ref":null,"payload":{"b":1}}"#
        );
        let line = message("photo", &Payload::binary(vec![0, 255])).more("n", 1).to_json();
        assert!(line.ends_with(r#""payload":null,"binary":"AP8=","n":1}"#), "{line}");
    }

    #[test]
    fn a_status_and_the_record_itself_count() {
        let empty = Record::new(Kind::Reply).size();
        assert!(empty >= size_of::<Record>());
        let reply = Record::new(Kind::Reply).more("status", "x".repeat(1 << 20));
        assert!(reply.size() >= empty + (1 << 20), "{}", reply.size());
        let with_id = Record::new(Kind::Reply).more("id", json!(["x".repeat(1 << 20)]));
        assert!(with_id.size() >= empty + (1 << 20), "{}", with_id.size());
    }
}
