//! A presence list is limited in bytes, for metas of any size.

use phx_proto::{Payload, Presence, PresenceConfig, PresenceError, PresenceStatus};
use serde_json::{Value, json};

use crate::presences::{DIFF, STATE, payload};

fn limited(bytes: usize) -> Presence {
    let mut config = PresenceConfig::default();
    config.max_bytes = bytes;
    Presence::with_config(config)
}

/// Returns one key with one meta of about `size` bytes.
fn one(key: &str, reference: &str, size: usize) -> Value {
    json!({ key: { "metas": [{ "phx_ref": reference, "x": "x".repeat(size) }] } })
}

fn joins(joins: &Value) -> Payload {
    payload(&json!({ "joins": joins, "leaves": {} }))
}

#[test]
fn the_list_is_limited_in_bytes() {
    let mut presence = limited(1_000);
    presence.handle_event(STATE, &payload(&one("ann", "1", 500))).unwrap();
    let before = presence.get("ann").unwrap().size();
    assert!((500..600).contains(&before), "{before}");
    let error = presence.handle_event(DIFF, &joins(&one("bob", "2", 500))).unwrap_err();
    assert!(matches!(error, PresenceError::TooManyBytes { limit: 1_000, .. }), "{error:?}");
    assert_eq!(presence.len(), 1, "nothing of it is applied");
    assert_eq!(presence.status(), PresenceStatus::Incomplete);
    // Leaves free bytes, also within one payload, and an update needs only the added bytes.
    let update = json!({ "joins": one("ann", "3", 600), "leaves": one("ann", "1", 0) });
    presence.handle_event(DIFF, &payload(&update)).unwrap();
    let gone = json!({ "joins": {}, "leaves": one("ann", "3", 0) });
    presence.handle_event(DIFF, &payload(&gone)).unwrap();
    assert!(presence.is_empty());
    presence.handle_event(DIFF, &joins(&one("bob", "2", 900))).unwrap();
    // A state replaces the list.
    presence.handle_event(STATE, &payload(&one("cid", "4", 900))).unwrap();
}

#[test]
fn keys_and_what_is_beside_the_metas_count() {
    let mut presence = limited(1_000);
    let long = "k".repeat(990);
    presence.handle_event(STATE, &payload(&one(&long, "1", 0))).unwrap_err();
    let beside = json!({ "ann": { "metas": [], "user": "x".repeat(990) } });
    presence.handle_event(STATE, &payload(&beside)).unwrap_err();
    presence.handle_event(STATE, &payload(&json!({}))).unwrap();
    let half = "k".repeat(400);
    presence.handle_event(DIFF, &joins(&one(&half, "1", 0))).unwrap();
    let beside = json!({ "ann": { "metas": [], "user": "x".repeat(600) } });
    presence.handle_event(DIFF, &joins(&beside)).unwrap_err();
}

#[test]
fn waiting_diffs_are_limited_in_bytes() {
    let mut presence = limited(1_000);
    presence.handle_joined();
    presence.handle_event(DIFF, &joins(&one("ann", "1", 600))).unwrap();
    let error = presence.handle_event(DIFF, &joins(&one("bob", "2", 600))).unwrap_err();
    assert!(matches!(error, PresenceError::TooManyBytes { limit: 1_000, .. }), "{error:?}");
    // The next join begins with an empty list.
    presence.handle_joined();
    presence.handle_event(DIFF, &joins(&one("bob", "2", 600))).unwrap();
    presence.handle_event(STATE, &payload(&json!({}))).unwrap();
    assert_eq!(presence.list_by(|key, _| key.to_owned()), ["bob"]);
}

#[test]
fn no_payload_may_be_longer_than_the_limit() {
    let mut presence = limited(1_000);
    presence.handle_event(STATE, &payload(&json!({}))).unwrap();
    // Leaves are decoded as well.
    let left = json!({ "joins": {}, "leaves": one("ann", "1", 1_000) });
    let error = presence.handle_event(DIFF, &payload(&left)).unwrap_err();
    assert!(matches!(error, PresenceError::TooManyBytes { limit: 1_000, .. }), "{error:?}");
    let spaces = format!("{{{}}}", " ".repeat(999));
    let spaces = Payload::from_json_text(spaces).unwrap();
    let error = presence.handle_event(STATE, &spaces).unwrap_err();
    assert!(matches!(error, PresenceError::TooManyBytes { limit: 1_000, .. }), "{error:?}");
}
