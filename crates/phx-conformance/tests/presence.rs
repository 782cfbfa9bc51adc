//! phoenix.js's Presence and the core's in the same random states and diffs: the same lists, and the same
//! callbacks with the same arguments.
//!
//! The order of keys isn't compared: phoenix.js has that of a JavaScript object, and the core sorts. Deviation 6 is
//! known: phoenix.js as it is must be equal up to the moment at which it forgets a diff, and with the deviation to the
//! end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use fastrand::Rng;
use phx_conformance::official::Official;
use phx_proto::{Payload, Presence, PresenceChange, PresenceEntry};
use serde::Deserialize;
use serde_json::{Map, Value, json};

const RUNS: u64 = 1_500;

/// Keys; some are properties of every JavaScript object, and some sort as numbers there.
const KEYS: [&str; 9] = ["ann", "bob", "cid", "10", "9", "__proto__", "constructor", "", "\u{fc}"];

#[derive(Debug, Deserialize)]
struct Answer {
    seen: Vec<Seen>,
    marks: Vec<usize>,
}

/// Callbacks of a step, and the list after it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Seen {
    reported: Vec<Value>,
    list: Vec<Value>,
    /// `list(by)`.
    refs: Vec<String>,
}

#[test]
fn the_same_lists_and_the_same_callbacks() {
    let mut official = Official::start().unwrap();
    let runs: Vec<Vec<Value>> = (0..RUNS).map(steps).collect();
    let questions =
        |deviating| runs.iter().map(move |steps| json!({ "steps": steps, "deviating": deviating }));
    let expected: Vec<Answer> = official.ask("presence", questions(false)).unwrap();
    let deviating: Vec<Answer> = official.ask("presence", questions(true)).unwrap();
    let (mut forgot, mut ghosts) = (0, 0);
    for (seed, steps) in runs.iter().enumerate() {
        let core = play(steps);
        assert_same(seed, steps, &deviating[seed].seen, &core);
        let until = deviating[seed].marks.first().copied().unwrap_or(steps.len());
        assert_same(seed, steps, &expected[seed].seen[..until], &core[..until]);
        forgot += usize::from(until < steps.len());
        ghosts += usize::from(sorted(&expected[seed].seen) != sorted(&core));
    }
    println!("presence: runs={RUNS}, deviation 6 in {forgot}, with another list in {ghosts}");
    assert!(forgot > 100 && ghosts > 50, "{forgot} {ghosts}");
}

#[track_caller]
fn assert_same(seed: usize, steps: &[Value], expected: &[Seen], found: &[Seen]) {
    let (expected, found) = (sorted(expected), sorted(found));
    for (index, (expected, found)) in expected.iter().zip(&found).enumerate() {
        assert_eq!(expected, found, "seed {seed}, step {index} of {steps:#?}");
    }
    assert_eq!(expected.len(), found.len());
}

/// Returns the same with sorted keys: within joins, within leaves and in the list.
fn sorted(seen: &[Seen]) -> Vec<Seen> {
    let mut seen = seen.to_vec();
    for Seen { reported, list, refs } in &mut seen {
        for group in reported.chunk_by_mut(|one, next| one[0] == next[0]) {
            // Stable: callbacks of one key keep their order.
            group.sort_by(|one, other| one[1].as_str().cmp(&other[1].as_str()));
        }
        list.sort_by(|one, other| one[0].as_str().cmp(&other[0].as_str()));
        refs.sort();
    }
    seen
}

fn play(steps: &[Value]) -> Vec<Seen> {
    let mut presence: Presence = Presence::new();
    presence.handle_joined();
    let mut seen = Vec::new();
    for step in steps {
        let changes = if let Some(errored) = step.get("rejoin") {
            if errored == "errored" {
                presence.handle_errored();
            }
            presence.handle_joined();
            Vec::new()
        } else if let Some(state) = step.get("state") {
            event(&mut presence, "presence_state", state)
        } else {
            event(&mut presence, "presence_diff", &step["diff"])
        };
        let list = presence.list_by(|key, entry| json!([key, shown(entry)]));
        let refs = presence.list_by(|key, entry| {
            let refs: Vec<&str> = entry.metas().map(|meta| meta.phx_ref()).collect();
            format!("{key}: {}", refs.join(","))
        });
        seen.push(Seen { reported: changes, list, refs });
    }
    seen
}

fn event(presence: &mut Presence, event: &str, payload: &Value) -> Vec<Value> {
    let payload = Payload::json(payload).unwrap();
    let changes = presence.handle_event(event, &payload).unwrap().unwrap();
    let reported = changes.iter().map(|change| match change {
        PresenceChange::Joined { key, before, joined, .. } => {
            json!(["join", &**key, before.as_ref().map(|before| shown(before)), shown(joined)])
        }
        PresenceChange::Left { key, after, left, .. } => {
            json!(["leave", &**key, shown(after), shown(left)])
        }
        PresenceChange::Synced => json!(["sync"]),
        other => panic!("{other:?}"),
    });
    reported.collect()
}

fn shown(entry: &PresenceEntry<Value, Map<String, Value>>) -> Value {
    let mut shown = entry.extra().clone();
    let metas: Vec<&Value> = entry.metas().map(|meta| meta.data()).collect();
    shown.insert("metas".into(), json!(metas));
    Value::Object(shown)
}

/// Generates states and diffs like a server's, and some that no server sends: leaves of absent presences, joins of
/// present ones, the same ref twice, presences without metas. Some have so many metas that the core keeps a tree.
fn steps(seed: u64) -> Vec<Value> {
    let mut rng = Rng::with_seed(seed);
    let step = |rng: &mut Rng| match rng.u8(0..10) {
        0 => json!({ "rejoin": "lost" }),
        1 => json!({ "rejoin": "errored" }),
        2..=4 => json!({ "state": entries(rng) }),
        _ => json!({ "diff": { "joins": entries(rng), "leaves": entries(rng) } }),
    };
    (0..rng.usize(1..14)).map(|_| step(&mut rng)).collect()
}

fn entries(rng: &mut Rng) -> Value {
    let mut entries = Map::new();
    for _ in 0..rng.usize(0..4) {
        let key = KEYS[rng.usize(0..KEYS.len())];
        let (count, refs) =
            if rng.u8(0..8) == 0 { (rng.usize(20..60), 50) } else { (rng.usize(0..4), 6) };
        let metas: Vec<Value> = (0..count).map(|_| meta(rng, refs)).collect();
        let mut entry = json!({ "metas": metas });
        if rng.bool() {
            entry["user"] = json!({ "name": key, "age": rng.u8(..) });
        }
        entries.insert(key.to_owned(), entry);
    }
    Value::Object(entries)
}

fn meta(rng: &mut Rng, refs: u8) -> Value {
    // Few refs, so that states and diffs often have the same.
    let phx_ref = |rng: &mut Rng| format!("ref{}", rng.u8(0..refs));
    let mut meta = json!({ "phx_ref": phx_ref(rng), "online_at": rng.u32(..) });
    if rng.u8(0..3) == 0 {
        meta["phx_ref_prev"] = json!(phx_ref(rng));
    }
    meta
}
