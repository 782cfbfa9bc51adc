//! The memory of a presence is bounded also while a payload is decoded, and an accepted list is small.

use crate::presences::{DIFF, STATE};
use allocation_counter::{AllocationInfo, measure};
use phx_proto::{Payload, Presence, PresenceConfig, PresenceError};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};

/// Size of a payload, a little below the limit of frames.
const FRAME: usize = 60_000_000;

const METAS: usize = 100_000;

/// A payload of `before`, then `item` and a comma again and again, then `after`: 60 MB.
fn long(before: &str, item: &str, after: &str) -> Payload {
    let times = FRAME / (item.len() + 1);
    let text = [before, &[item, ","].concat().repeat(times), item, after].concat();
    Payload::from_unchecked_json(text.into())
}

/// Returns payloads that exceed the limits of a list, each in a different way.
fn too_much() -> Vec<(&'static str, Payload)> {
    let meta = r#"{"phx_ref":""}"#;
    let one = r#""k":{"metas":[{"phx_ref":""}]}"#;
    let none = r#""k":{"metas":[]}"#;
    let metas_last = r#""\u0041":{"a":[[[]]],"b":{"metas":1},"metas":[{"phx_ref":"","x":[{}]}]}"#;
    vec![
        (STATE, long(r#"{"k":{"metas":["#, meta, "]}}")),
        (STATE, long("{", one, "}")),
        (STATE, long("{", none, "}")),
        (STATE, long("{", metas_last, "}")),
        (DIFF, long(r#"{"leaves":{},"joins":{"#, one, "}}")),
        (DIFF, long(r#"{"joins":{},"leaves":{"#, one, "}}")),
        (DIFF, long(r#"{"x":[],"joins":{},"leaves":{"k":{"metas":["#, meta, "]}}}")),
    ]
}

/// Passes a payload in, and returns its allocations.
fn refusal<M: DeserializeOwned>(
    config: PresenceConfig,
    (event, payload): &(&str, Payload),
) -> (AllocationInfo, PresenceError) {
    let mut presence = Presence::<M, Map<String, Value>>::with_config(config);
    presence.handle_event(STATE, &Payload::empty()).unwrap();
    let mut result = None;
    let counted = measure(|| result = Some(presence.handle_event(event, payload)));
    (counted, result.unwrap().unwrap_err())
}

#[test]
fn nothing_is_decoded_of_a_payload_of_more_bytes_than_the_limit() {
    let value_bomb = long(r#"{"k":{"metas":[{"phx_ref":"","x":["#, r#"{"":0}"#, "]}]}}");
    let extra_bomb = long(r#"{"k":{"metas":[],"x":["#, "[]", "]}}");
    let payloads = too_much().into_iter().chain([(STATE, value_bomb), (STATE, extra_bomb)]);
    for payload in payloads {
        for (counted, error) in [
            refusal::<Value>(PresenceConfig::default(), &payload),
            refusal::<IgnoredAny>(PresenceConfig::default(), &payload),
        ] {
            assert!(matches!(error, PresenceError::TooManyBytes { .. }), "{error:?}");
            assert!(counted.bytes_max < 1_000, "{counted:?}");
        }
    }
}

#[test]
fn nothing_is_decoded_of_a_payload_of_more_metas_than_the_limit() {
    let mut config = PresenceConfig::default();
    config.max_bytes = usize::MAX;
    for payload in too_much() {
        for (counted, error) in [
            refusal::<Value>(config.clone(), &payload),
            refusal::<IgnoredAny>(config.clone(), &payload),
        ] {
            assert!(matches!(error, PresenceError::TooManyMetas { limit: METAS, .. }), "{error:?}");
            assert!(counted.bytes_max < 1_000, "{counted:?}");
        }
    }
}

/// Returns the largest allowed number of metas, `each` for every key.
fn full(each: usize) -> Payload {
    let entry = |key: usize| {
        let meta = |meta: usize| {
            let number = key * each + meta;
            format!(r#"{{"phx_ref":"F1zqJ2cI3b1R{number:06}","online_at":"1700000000"}}"#)
        };
        let metas: Vec<String> = (0..each).map(meta).collect();
        format!(r#""user:{key:06}":{{"metas":[{}]}}"#, metas.join(","))
    };
    let entries: Vec<String> = (0..METAS / each).map(entry).collect();
    Payload::from_unchecked_json(format!("{{{}}}", entries.join(",")).into())
}

#[test]
fn a_full_list_takes_less_than_400_bytes_a_meta_beyond_the_users_own_type() {
    for each in [1, 2, 10, 40, METAS] {
        let state = full(each);
        let mut presence = Presence::<IgnoredAny, ()>::new();
        let mut result = None;
        let counted = measure(|| result = Some(presence.handle_event(STATE, &state)));
        let changes = result.unwrap().unwrap().unwrap();
        assert_eq!(changes.len(), METAS / each + 1);
        let peak = counted.bytes_max / METAS as u64;
        println!("{each} metas a key: {peak} bytes a meta at the most");
        assert!(peak < 400, "{each} metas a key: {peak} bytes a meta");
    }
}

/// How many instructions it takes is among the counts of `phx-bench`.
#[test]
fn a_diff_copies_no_list_whatever_the_metas_of_its_key() {
    let allocated = |metas: usize| {
        let meta = |number: usize| format!(r#"{{"phx_ref":"F{number:06}"}}"#);
        let list: Vec<String> = (0..metas).map(meta).collect();
        let state = format!(r#"{{"ann":{{"metas":[{}]}}}}"#, list.join(","));
        let mut presence = Presence::<Value>::new();
        presence.handle_event(STATE, &Payload::from_json_text(state).unwrap()).unwrap();
        let ann = |number: usize| format!(r#"{{"ann":{{"metas":[{}]}}}}"#, meta(number));
        let diff = |joins: &str, leaves: &str| {
            Payload::from_json_text(format!(r#"{{"joins":{joins},"leaves":{leaves}}}"#)).unwrap()
        };
        let diffs = [diff(&ann(metas), "{}"), diff("{}", &ann(metas / 2)), diff(&ann(1), &ann(2))];
        let counted = measure(|| {
            for diff in &diffs {
                drop(presence.handle_event(DIFF, diff));
            }
        });
        assert_eq!(presence.get("ann").unwrap().metas().len(), metas - 1);
        counted.bytes_total
    };
    let (few, many) = (allocated(10), allocated(99_000));
    println!("{few} bytes among 10 metas, {many} among 99,000");
    // A list of 99,000 pointers alone has 792,000 bytes.
    assert!(many < 5 * few, "{few} bytes among 10 metas, {many} among 99,000");
}
