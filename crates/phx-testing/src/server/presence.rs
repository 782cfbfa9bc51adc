//! Presences by topic: tracked by channel processes, pushed to subscribers as diffs.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use phx_proto::ByteString;
use serde_json::{Map, Value, json};

use super::envelope::ProcessId;

/// Error of tracking, updating or untracking a presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PresenceError {
    /// This channel tracks the key already: call `update` instead.
    #[error("this channel tracks the key already")]
    AlreadyTracked,
    /// This channel doesn't track the key.
    #[error("this channel doesn't track the key")]
    NotTracked,
    /// A presence's meta must be a JSON object, since `phx_ref` is put into it.
    #[error("a presence's meta must be a JSON object")]
    NotAnObject,
}

/// All presences of a server.
pub(crate) struct Presence {
    topics: BTreeMap<ByteString, Vec<Entry>>,
    refs: u64,
}

struct Entry {
    key: String,
    process: ProcessId,
    /// With `phx_ref` in it.
    meta: Map<String, Value>,
}

impl Presence {
    /// `seed` goes into every `phx_ref`.
    pub(super) fn new(seed: u64) -> Self {
        Presence { topics: BTreeMap::new(), refs: seed }
    }

    /// The new `phx_ref`, and the diff to push.
    pub(crate) fn track(
        &mut self,
        topic: &ByteString,
        process: ProcessId,
        key: &str,
        meta: Value,
    ) -> Result<(String, Value), PresenceError> {
        let mut meta = object(meta)?;
        if self.position(topic, process, key).is_some() {
            return Err(PresenceError::AlreadyTracked);
        }
        let phx_ref = self.next_ref();
        meta.insert("phx_ref".into(), Value::from(phx_ref.as_str()));
        let diff = diff(&one(key, &meta), &Map::new());
        let entry = Entry { key: key.to_owned(), process, meta };
        self.topics.entry(topic.clone()).or_default().push(entry);
        Ok((phx_ref, diff))
    }

    /// The new `phx_ref`, and the diff to push: the new meta joins with the old ref in
    /// `phx_ref_prev`, the old one leaves.
    pub(crate) fn update(
        &mut self,
        topic: &ByteString,
        process: ProcessId,
        key: &str,
        meta: Value,
    ) -> Result<(String, Value), PresenceError> {
        let mut meta = object(meta)?;
        let position = self.position(topic, process, key).ok_or(PresenceError::NotTracked)?;
        let phx_ref = self.next_ref();
        let entry = self
            .topics
            .get_mut(topic)
            .and_then(|entries| entries.get_mut(position))
            .ok_or(PresenceError::NotTracked)?;
        meta.insert("phx_ref".into(), Value::from(phx_ref.as_str()));
        if let Some(previous) = entry.meta.get("phx_ref") {
            meta.insert("phx_ref_prev".into(), previous.clone());
        }
        let leaves = one(key, &entry.meta);
        entry.meta = meta;
        Ok((phx_ref, diff(&one(key, &entry.meta), &leaves)))
    }

    /// The diff to push.
    pub(crate) fn untrack(
        &mut self,
        topic: &ByteString,
        process: ProcessId,
        key: &str,
    ) -> Result<Value, PresenceError> {
        let position = self.position(topic, process, key).ok_or(PresenceError::NotTracked)?;
        let entries = self.topics.get_mut(topic).ok_or(PresenceError::NotTracked)?;
        let entry = entries.remove(position);
        Ok(diff(&Map::new(), &one(key, &entry.meta)))
    }

    /// All that a process tracked goes when the process does; the diff to push, if there is one.
    pub(super) fn remove(&mut self, topic: &ByteString, process: ProcessId) -> Option<Value> {
        let entries = self.topics.get_mut(topic)?;
        let mut leaves = Map::new();
        entries.retain(|entry| {
            if entry.process == process {
                add(&mut leaves, entry);
            }
            entry.process != process
        });
        if entries.is_empty() {
            self.topics.remove(topic);
        }
        (!leaves.is_empty()).then(|| diff(&Map::new(), &leaves))
    }

    /// Lists all presences on a topic, in the form of a `presence_state` payload.
    pub(crate) fn list(&self, topic: &ByteString) -> Value {
        let mut state = Map::new();
        for entry in self.topics.get(topic).into_iter().flatten() {
            add(&mut state, entry);
        }
        Value::Object(state)
    }

    fn position(&self, topic: &ByteString, process: ProcessId, key: &str) -> Option<usize> {
        let entries = self.topics.get(topic)?;
        entries.iter().position(|entry| entry.process == process && entry.key == key)
    }

    /// As long as Phoenix's: 16 characters of URL-safe base64.
    fn next_ref(&mut self) -> String {
        self.refs = self.refs.wrapping_add(1);
        let mut bytes = *b"phx_\0\0\0\0\0\0\0\0";
        bytes[4..].copy_from_slice(&self.refs.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// Converts the meta to an object, the only type that a meta may have.
fn object(meta: Value) -> Result<Map<String, Value>, PresenceError> {
    match meta {
        Value::Object(meta) => Ok(meta),
        _ => Err(PresenceError::NotAnObject),
    }
}

fn diff(joins: &Map<String, Value>, leaves: &Map<String, Value>) -> Value {
    json!({ "joins": joins, "leaves": leaves })
}

fn one(key: &str, meta: &Map<String, Value>) -> Map<String, Value> {
    Map::from_iter([(key.to_owned(), json!({ "metas": [meta] }))])
}

fn add(state: &mut Map<String, Value>, entry: &Entry) {
    let presence = state.entry(entry.key.clone()).or_insert_with(|| json!({ "metas": [] }));
    if let Some(Value::Array(metas)) = presence.get_mut("metas") {
        metas.push(Value::Object(entry.meta.clone()));
    }
}
