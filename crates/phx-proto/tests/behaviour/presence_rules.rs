//! Rules of states and diffs, typed metas, and refusals.
use std::sync::Arc;

use crate::presences::{DIFF, STATE, changes, list_json, metas, payload};
use phx_proto::{Payload, Presence, PresenceConfig, PresenceError, PresenceStatus};
use serde::de::IgnoredAny;
use serde_json::json;

fn synced(state: &serde_json::Value) -> Presence {
    let mut presence = Presence::new();
    changes(&mut presence, STATE, state);
    presence
}

#[test]
fn other_events_are_not_its_business() {
    let mut presence: Presence = Presence::new();
    assert!(presence.handle_event("new_msg", &Payload::binary("x")).unwrap().is_none());
    assert_eq!(presence.status(), PresenceStatus::Pending);
}

#[test]
fn event_names_can_be_chosen() {
    let mut config = PresenceConfig::default();
    config.state_event = "s".into();
    config.diff_event = "d".into();
    let mut presence: Presence = Presence::with_config(config);
    assert!(presence.handle_event(STATE, &Payload::empty()).unwrap().is_none());
    assert_eq!(changes(&mut presence, "s", &json!({"ann": metas(&["1"])})), ["+ann", "sync"]);
    let diff = json!({"joins": {}, "leaves": {"ann": metas(&["1"])}});
    assert_eq!(changes(&mut presence, "d", &diff), ["-ann", "sync"]);
    assert!(presence.is_empty());
}

#[test]
fn diffs_before_the_state_wait_for_it_and_sync_once() {
    let mut presence: Presence = Presence::new();
    for (joins, leaves) in
        [(json!({"bob": metas(&["2"])}), json!({})), (json!({}), json!({"ann": metas(&["1"])}))]
    {
        assert!(
            changes(&mut presence, DIFF, &json!({"joins": joins, "leaves": leaves})).is_empty()
        );
    }
    let reported = changes(&mut presence, STATE, &json!({"ann": metas(&["1"])}));
    assert_eq!(reported, ["+ann", "+bob", "-ann", "sync"]);
    assert_eq!(list_json(&presence), json!({"bob": metas(&["2"])}));
}

#[test]
fn a_state_after_a_rejoin_compares_by_ref() {
    let mut presence =
        synced(&json!({"ann": metas(&["1", "2"]), "bob": metas(&["3"]), "cid": metas(&["4"])}));
    presence.handle_joined();
    assert_eq!(presence.len(), 3);
    let reported = changes(
        &mut presence,
        STATE,
        &json!({"ann": metas(&["9", "2"]), "bob": metas(&["3"]), "dan": metas(&["5"])}),
    );
    assert_eq!(reported, ["+ann", "+dan", "-ann", "-cid", "sync"]);
    // New metas go after those that stay.
    let expected = json!({"ann": metas(&["2", "9"]), "bob": metas(&["3"]), "dan": metas(&["5"])});
    assert_eq!(list_json(&presence), expected);
}

/// phoenix.js keeps a diff that waited for the state of a join whose connection dropped, and
/// applies it to the state of the next join: `bob`, who left in between, stays for ever.
#[test]
fn diffs_of_a_lost_join_make_no_ghosts() {
    for errored in [false, true] {
        let mut presence: Presence = Presence::new();
        presence.handle_joined();
        presence.handle_event(STATE, &payload(&json!({"ann": metas(&["a1"])}))).unwrap();

        presence.handle_joined();
        let diff = json!({"joins": {"bob": metas(&["b1"])}, "leaves": {}});
        assert!(changes(&mut presence, DIFF, &diff).is_empty());

        if errored {
            presence.handle_errored();
            assert_eq!(presence.status(), PresenceStatus::Pending);
        }
        presence.handle_joined();
        assert_eq!(list_json(&presence), json!({"ann": metas(&["a1"])}));
        let reported = changes(&mut presence, STATE, &json!({"cid": metas(&["c1"])}));
        assert_eq!(reported, ["+cid", "-ann", "sync"]);
        assert_eq!(list_json(&presence), json!({"cid": metas(&["c1"])}));
        assert_eq!(presence.status(), PresenceStatus::Synced);
    }
}

#[test]
fn a_leave_of_an_unknown_key_is_nothing() {
    let mut presence = synced(&json!({"ann": metas(&["1"])}));
    let diff = json!({"joins": {}, "leaves": {"bob": metas(&["2"])}});
    assert_eq!(changes(&mut presence, DIFF, &diff), ["sync"]);
    assert_eq!(presence.len(), 1);
}

#[test]
fn what_stands_beside_the_metas_is_kept_and_replaced_by_a_join() {
    let mut presence = synced(&json!({"ann": {"metas": [{"phx_ref": "1"}], "user": {"age": 1}}}));
    let joins = json!({"ann": {"metas": [{"phx_ref": "2"}], "user": {"age": 2}}});
    changes(&mut presence, DIFF, &json!({"joins": joins, "leaves": {}}));
    let expected =
        json!({"ann": {"metas": [{"phx_ref": "1"}, {"phx_ref": "2"}], "user": {"age": 2}}});
    assert_eq!(list_json(&presence), expected);
}

#[derive(serde::Deserialize)]
struct Meta {
    device: String,
}
#[derive(serde::Deserialize)]
struct Extra {
    user: String,
}

#[test]
fn metas_and_extras_are_typed_and_keep_their_refs() {
    let mut presence = Presence::<Meta, Extra>::new();
    let state = json!({"ann": {"user": "Ann", "metas": [
        {"phx_ref": "2", "phx_ref_prev": "1", "device": "tv", "other": [1]}]}});
    presence.handle_event(STATE, &payload(&state)).unwrap();
    let ann = presence.get("ann").unwrap();
    assert_eq!(ann.extra().user, "Ann");
    let meta = ann.metas().next().unwrap();
    assert_eq!((meta.phx_ref(), meta.phx_ref_prev()), ("2", Some("1")));
    assert_eq!(meta.data().device, "tv");
    assert!(presence.get("bob").is_none());

    let mut without_extra = Presence::<Meta, ()>::new();
    let state = json!({"ann": {"metas": [{"phx_ref": "1", "device": "tv"}]}});
    without_extra.handle_event(STATE, &payload(&state)).unwrap();
    assert_eq!(without_extra.len(), 1);
}

#[test]
fn a_refused_payload_changes_nothing_but_the_status() {
    let good = json!({"phx_ref": "2", "device": "tv"});
    for bad in [
        json!({"joins": {"bob": {"metas": [good, {"phx_ref": "3", "device": 7}]}}, "leaves": {}}),
        json!({"joins": {"bob": {"metas": [good]}}, "leaves": {"ann": {"metas": [{}]}}}),
        json!({"joins": {"bob": {"metas": [{"device": "tv"}]}}, "leaves": {}}),
        json!({"joins": {"bob": {"metas": [{"phx_ref": 3, "device": "tv"}]}}, "leaves": {}}),
        json!({"joins": {"bob": {}}, "leaves": {}}),
        json!({"joins": {"bob": null}, "leaves": {}}),
        json!({"joins": []}),
        json!({}),
        json!(null),
    ] {
        let mut presence = Presence::<Meta>::new();
        let state = json!({"ann": {"metas": [{"phx_ref": "1", "device": "tv"}]}});
        presence.handle_event(STATE, &payload(&state)).unwrap();
        let before = Arc::clone(presence.get("ann").unwrap());

        let error = presence.handle_event(DIFF, &payload(&bad)).unwrap_err();
        assert!(matches!(error, PresenceError::Payload(_)), "{bad}");
        assert_eq!(presence.len(), 1);
        assert!(Arc::ptr_eq(&before, presence.get("ann").unwrap()));
        assert_eq!(presence.status(), PresenceStatus::Incomplete);

        presence.handle_joined();
        presence.handle_event(STATE, &payload(&state)).unwrap();
        assert_eq!(presence.status(), PresenceStatus::Synced);
    }
    let mut presence: Presence = Presence::new();
    assert!(presence.handle_event(STATE, &Payload::binary("{}")).is_err());
    assert!(presence.handle_event(STATE, &Payload::from_unchecked_json("{".into())).is_err());
}

#[test]
fn refs_are_checked_whatever_the_types_take() {
    let meta = |text: &str| {
        let state = format!("{{\"ann\": {{\"metas\": [{text}], \"since\": [1]}}}}");
        let mut presence = Presence::<IgnoredAny, IgnoredAny>::new();
        presence.handle_event(STATE, &Payload::from_unchecked_json(state.into())).map(|_| {
            let meta = presence.get("ann").unwrap().metas().next().unwrap();
            (meta.phx_ref().to_owned(), meta.phx_ref_prev().map(str::to_owned))
        })
    };
    for (text, prev) in [
        (r#"{"phx_ref": "a\u00e9"}"#, None),
        (r#"{"on": {"phx_ref": 1}, "phx\u005fref": "a\u00e9", "phx_ref_prev": null}"#, None),
        (r#"{"phx_ref_prev": "\"", "phx_ref": "a\u00e9", "at": 1e999}"#, Some("\"".to_owned())),
    ] {
        assert_eq!(meta(text).unwrap(), ("a\u{e9}".to_owned(), prev), "{text}");
    }
    for text in [
        "{}",
        "null",
        r#"["1", "0"]"#,
        r#"{"phx_ref": null}"#,
        r#"{"phx_ref": 1}"#,
        r#"{"phx_ref": "\ud800"}"#,
        r#"{"phx_ref": "1", "phx_ref": "1"}"#,
        r#"{"phx_ref": "1", "phx_ref_prev": 0}"#,
        r#"{"phx_ref": "1", "phx_ref_prev": null, "phx_ref_prev": null}"#,
        r#"{"phx_ref": "1", "\ud800": 0}"#,
    ] {
        assert!(matches!(meta(text), Err(PresenceError::Payload(_))), "{text}");
    }
}

#[test]
fn after_lost_messages_the_list_is_incomplete_until_a_state_or_the_next_join() {
    let state = json!({"ann": metas(&["1"])});
    let diff = json!({"joins": {"bob": metas(&["2"])}, "leaves": {}});
    let mut presence = synced(&state);
    presence.handle_gap();
    assert_eq!(presence.status(), PresenceStatus::Incomplete);
    // What comes is applied all the same, and says nothing of what didn't come.
    assert_eq!(changes(&mut presence, DIFF, &diff), ["+bob", "sync"]);
    assert_eq!(presence.status(), PresenceStatus::Incomplete);
    // A refused state isn't known.
    presence.handle_event(STATE, &payload(&json!(null))).unwrap_err();
    assert_eq!(changes(&mut presence, STATE, &state), ["-bob", "sync"]);
    assert_eq!(presence.status(), PresenceStatus::Incomplete, "until the next join");

    let mut presence = synced(&state);
    presence.handle_gap();
    assert_eq!(changes(&mut presence, STATE, &state), ["sync"]);
    assert_eq!(presence.status(), PresenceStatus::Synced, "the state has all");

    for errored in [false, true] {
        let mut presence = synced(&state);
        presence.handle_gap();
        match errored {
            true => presence.handle_errored(),
            false => presence.handle_joined(),
        }
        assert_eq!(presence.status(), PresenceStatus::Pending);
    }

    // The state itself may be what was lost.
    let mut presence: Presence = Presence::new();
    presence.handle_joined();
    presence.handle_gap();
    assert_eq!(presence.status(), PresenceStatus::Incomplete);
    assert!(changes(&mut presence, DIFF, &diff).is_empty());
    assert_eq!(changes(&mut presence, STATE, &state), ["+ann", "+bob", "sync"]);
    assert_eq!(presence.status(), PresenceStatus::Synced);
}

#[test]
fn pending_diffs_are_limited() {
    let mut config = PresenceConfig::default();
    config.max_pending_diffs = 1;
    let mut presence: Presence = Presence::with_config(config);
    let diff = payload(&json!({"joins": {"ann": metas(&["1"])}, "leaves": {}}));
    assert!(presence.handle_event(DIFF, &diff).unwrap().unwrap().is_empty());
    let error = presence.handle_event(DIFF, &diff).unwrap_err();
    assert!(matches!(error, PresenceError::TooManyPendingDiffs { limit: 1, .. }), "{error:?}");
    assert_eq!(presence.status(), PresenceStatus::Incomplete);
}

#[test]
fn metas_are_limited_by_what_a_payload_leaves_behind() {
    let mut config = PresenceConfig::default();
    config.max_metas = 2;
    let mut presence: Presence = Presence::with_config(config);
    changes(&mut presence, STATE, &json!({"ann": metas(&["1"]), "bob": metas(&["2"])}));
    // An update needs no further capacity.
    let update = json!({"joins": {"bob": metas(&["3"])}, "leaves": {"bob": metas(&["2"])}});
    changes(&mut presence, DIFF, &update);

    let full = payload(&json!({"joins": {"ann": metas(&["4"])}, "leaves": {}}));
    let error = presence.handle_event(DIFF, &full).unwrap_err();
    assert!(matches!(error, PresenceError::TooManyMetas { limit: 2, .. }));
    assert_eq!(list_json(&presence), json!({"ann": metas(&["1"]), "bob": metas(&["3"])}));
    // A key without metas counts as well.
    let empty = payload(&json!({"joins": {"cid": metas(&[])}, "leaves": {}}));
    assert!(presence.handle_event(DIFF, &empty).is_err());

    changes(&mut presence, DIFF, &json!({"joins": {}, "leaves": {"ann": metas(&["1"])}}));
    changes(&mut presence, DIFF, &json!({"joins": {"cid": metas(&["5"])}, "leaves": {}}));
    assert_eq!(presence.len(), 2);
}

#[test]
fn metas_of_one_payload_and_of_waiting_diffs_are_limited() {
    let limited = || {
        let mut config = PresenceConfig::default();
        config.max_metas = 2;
        Presence::<serde_json::Value>::with_config(config)
    };
    let too_many = |result: Result<_, PresenceError>| {
        assert!(matches!(result, Err(PresenceError::TooManyMetas { limit: 2, .. })), "{result:?}");
    };
    let three = json!({"ann": metas(&["1", "2"]), "bob": metas(&[])});
    let mut presence = limited();
    too_many(presence.handle_event(STATE, &payload(&three)));
    too_many(presence.handle_event(DIFF, &payload(&json!({"joins": three, "leaves": {}}))));
    // Its keys can't be present, but would have to be decoded.
    too_many(presence.handle_event(DIFF, &payload(&json!({"joins": {}, "leaves": three}))));
    // Equal keys count separately, although only one of them stays.
    let twice = r#"{"ann":{"metas":[]},"ann":{"metas":[]},"ann":{"metas":[]}}"#;
    too_many(presence.handle_event(STATE, &Payload::from_json_text(twice).unwrap()));

    let mut presence = limited();
    let one = |joins: &str| payload(&json!({"joins": {joins: metas(&[joins])}, "leaves": {}}));
    presence.handle_event(DIFF, &one("1")).unwrap();
    presence.handle_event(DIFF, &one("2")).unwrap();
    too_many(presence.handle_event(DIFF, &one("3")));
    presence.handle_joined();
    presence.handle_event(DIFF, &one("3")).unwrap();
}

#[test]
fn what_is_beyond_a_limit_leaves_a_long_list_as_it_was() {
    let mut config = PresenceConfig::default();
    config.max_metas = 50;
    let mut presence: Presence = Presence::with_config(config);
    let refs: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    let refs: Vec<&str> = refs.iter().map(String::as_str).collect();
    changes(&mut presence, STATE, &json!({"ann": metas(&refs[..48]), "bob": metas(&refs[48..])}));
    let before = list_json(&presence);
    let joins = json!({"ann": metas(&["a", "b"]), "bob": metas(&["c"]), "cid": metas(&["d"])});
    let diff = payload(&json!({"joins": joins, "leaves": {"ann": metas(&refs[..2])}}));
    let error = presence.handle_event(DIFF, &diff).unwrap_err();
    assert!(matches!(error, PresenceError::TooManyMetas { .. }), "{error:?}");
    assert_eq!(list_json(&presence), before);
}

#[test]
fn a_snapshot_stays_as_it_is() {
    let mut presence = synced(&json!({"ann": metas(&["1"]), "bob": metas(&["2"])}));
    let snapshot = presence.snapshot();
    let diff = json!({"joins": {"cid": metas(&["3"])}, "leaves": {"ann": metas(&["1"])}});
    changes(&mut presence, DIFF, &diff);
    assert!(snapshot.iter().map(|(key, _)| &**key).eq(["ann", "bob"]));
    assert_eq!((snapshot.len(), snapshot.is_empty()), (2, false));
    assert!(snapshot.get("ann").is_some() && snapshot.get("cid").is_none());
    assert_eq!(format!("{snapshot:?}"), "PresenceList(2 keys)");
    assert!(presence.snapshot().iter().map(|(key, _)| &**key).eq(["bob", "cid"]));
}

#[test]
fn a_type_that_panics_while_it_is_decoded_leaves_the_list_incomplete() {
    struct Panics;
    impl<'de> serde::Deserialize<'de> for Panics {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            panic!("a bug");
        }
    }
    let mut presence = Presence::<Panics>::new();
    presence.handle_event(STATE, &Payload::empty()).unwrap();
    assert_eq!(presence.status(), PresenceStatus::Synced);
    let diff = payload(&json!({"joins": {"ann": metas(&["1"])}, "leaves": {}}));
    let handled = std::panic::AssertUnwindSafe(|| presence.handle_event(DIFF, &diff));
    assert!(std::panic::catch_unwind(handled).is_err());
    assert_eq!(presence.status(), PresenceStatus::Incomplete);
    assert!(presence.is_empty());
}

#[test]
fn keys_and_names_may_be_written_with_escapes_and_must_be_there_once() {
    let mut presence: Presence = Presence::new();
    let state = r#" { "\u0061nn" : { "m\u0065tas" : [ {"phx_ref" : "1"} ] , "x": 1 } } "#;
    presence.handle_event(STATE, &Payload::from_json_text(state).unwrap()).unwrap();
    assert_eq!(list_json(&presence), json!({"ann": {"metas": [{"phx_ref": "1"}], "x": 1}}));
    for wrong in [
        r#"{"ann":{"metas":[],"metas":[]}}"#,
        r#"{"ann":{"metas":{}}}"#,
        r#"{"ann":[]}"#,
        r#"[]"#,
        r#"{"\ud800":{"metas":[]}}"#,
        r#"{"ann":{"metas":[]}}}"#,
        r#"{"ann":{"metas":[{"phx_ref":"1","phx_ref":"2"}]}}"#,
        "{\"ann\":{\"metas\":[]}",
        "",
    ] {
        let payload = Payload::from_unchecked_json(wrong.into());
        let error = presence.handle_event(STATE, &payload).unwrap_err();
        assert!(matches!(error, PresenceError::Payload(_)), "{wrong}: {error:?}");
    }
    let not_utf8 = Payload::from_unchecked_json(b"{\"\xff\":{\"metas\":[]}}".as_slice().into());
    assert!(matches!(presence.handle_event(STATE, &not_utf8), Err(PresenceError::Payload(_))));
    let joins_twice = r#"{"joins":{},"joins":{},"leaves":{}}"#;
    let joins_twice = Payload::from_json_text(joins_twice).unwrap();
    assert!(matches!(presence.handle_event(DIFF, &joins_twice), Err(PresenceError::Payload(_))));
    assert_eq!(presence.len(), 1);
}

#[test]
fn every_refusal_gives_the_payload_back() {
    let refused_by = |change: fn(&mut PresenceConfig), events: &[(&str, &Payload)]| {
        let mut config = PresenceConfig::default();
        change(&mut config);
        let mut presence: Presence = Presence::with_config(config);
        let mut results =
            events.iter().map(|(event, payload)| presence.handle_event(event, payload));
        results.find_map(Result::err).unwrap()
    };
    let state = payload(&json!({"ann": metas(&["1", "2"])}));
    let diff = payload(&json!({"joins": {}, "leaves": {}}));
    let text = Payload::json("no state").unwrap();
    let refusals = [
        (refused_by(|config| config.max_metas = 1, &[(STATE, &state)]), &state),
        (refused_by(|config| config.max_bytes = 1, &[(STATE, &state)]), &state),
        (refused_by(|config| config.max_pending_diffs = 0, &[(DIFF, &diff)]), &diff),
        (refused_by(|_| {}, &[(STATE, &text)]), &text),
    ];
    for (error, payload) in refusals {
        assert_eq!(error.payload(), Some(payload), "{error:?}");
    }
}

#[test]
fn entries_are_equal_by_what_they_say() {
    let presence = |refs: &[&str], extra: &str| {
        let mut presence = Presence::<serde_json::Value, serde_json::Value>::new();
        let mut ann = metas(refs);
        ann["user"] = json!(extra);
        presence.handle_event(STATE, &payload(&json!({"ann": ann}))).unwrap();
        presence
    };
    let entry = |presence: &Presence<_, _>| Arc::clone(presence.list().next().unwrap().1);
    let first = presence(&["1", "2"], "ann");
    assert_eq!(entry(&first), entry(&presence(&["1", "2"], "ann")));
    assert_ne!(entry(&first), entry(&presence(&["1", "3"], "ann")));
    assert_ne!(entry(&first), entry(&presence(&["1"], "ann")));
    assert_ne!(entry(&first), entry(&presence(&["1", "2"], "bob")));
}

/// `Meta` isn't `Clone`, so no meta is copied; this shows that no other key is touched either.
#[test]
fn a_diff_touches_only_the_keys_it_names() {
    let state: serde_json::Map<_, _> = (0..10_000)
        .map(|n| {
            let meta = json!({"phx_ref": n.to_string(), "device": "tv"});
            (format!("user-{n}"), json!({"metas": [meta]}))
        })
        .collect();
    let mut presence = Presence::<Meta>::new();
    presence.handle_event(STATE, &Payload::json(&state).unwrap()).unwrap();
    let before: Vec<_> = presence.list().map(|(_, entry)| Arc::clone(entry)).collect();

    let meta = json!({"phx_ref": "new", "device": "phone"});
    let diff = json!({"joins": {"user-7": {"metas": [meta]}}, "leaves": {}});
    let changes = presence.handle_event(DIFF, &payload(&diff)).unwrap().unwrap();
    assert_eq!(changes.len(), 2);
    let touched: Vec<_> = presence
        .list()
        .zip(&before)
        .filter(|((_, now), before)| !Arc::ptr_eq(now, before))
        .map(|((key, _), _)| key.to_string())
        .collect();
    assert_eq!(touched, ["user-7"]);
}
