//! Presences as the JSON that phoenix.js shows.
use phx_proto::{Payload, Presence, PresenceChange, PresenceEntry};
use serde_json::{Map, Value, json};

pub const STATE: &str = "presence_state";
pub const DIFF: &str = "presence_diff";

pub type Entry = PresenceEntry<Value, Map<String, Value>>;

pub fn entry_json(entry: &Entry) -> Value {
    let mut json = entry.extra().clone();
    let metas: Vec<&Value> = entry.metas().map(|meta| meta.data()).collect();
    json.insert("metas".into(), json!(metas));
    Value::Object(json)
}

pub fn list_json(presence: &Presence) -> Value {
    let list = presence.list_by(|key, entry| (key.to_string(), entry_json(entry)));
    Value::Object(list.into_iter().collect())
}

pub fn payload(json: &Value) -> Payload {
    Payload::json(json).unwrap()
}

/// Returns a presence whose metas have only these refs.
pub fn metas(refs: &[&str]) -> Value {
    let metas: Vec<Value> = refs.iter().map(|phx_ref| json!({ "phx_ref": phx_ref })).collect();
    json!({ "metas": metas })
}

/// Passes an event in, and returns its changes in short: `+key`, `-key`, `sync`.
pub fn changes(presence: &mut Presence, event: &str, json: &Value) -> Vec<String> {
    let changes = presence.handle_event(event, &payload(json)).unwrap().unwrap();
    changes
        .iter()
        .map(|change| match change {
            PresenceChange::Joined { key, .. } => format!("+{key}"),
            PresenceChange::Left { key, .. } => format!("-{key}"),
            PresenceChange::Synced => "sync".to_string(),
            other => panic!("{other:?}"),
        })
        .collect()
}
