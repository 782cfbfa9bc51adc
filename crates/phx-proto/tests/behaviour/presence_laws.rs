//! Laws of the fold, over arbitrary states and diffs.
use std::collections::BTreeMap;

use crate::presences::{changes, list_json, metas};
use phx_proto::Presence;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
use serde_json::{Value, json};

/// A few keys and refs, so that they meet; a ref is unique within its key.
type State = BTreeMap<u8, std::collections::BTreeSet<u8>>;

fn state() -> impl Strategy<Value = State> {
    proptest::collection::btree_map(0_u8..5, proptest::collection::btree_set(0_u8..6, 1..4), 0..5)
}

fn json_of(state: &State) -> Value {
    let entry = |refs: &std::collections::BTreeSet<u8>| {
        let refs: Vec<String> = refs.iter().map(u8::to_string).collect();
        metas(&refs.iter().map(String::as_str).collect::<Vec<_>>())
    };
    state.iter().map(|(key, refs)| (key.to_string(), entry(refs))).collect()
}

/// Returns the list without the order of metas.
fn sets(presence: &Presence) -> State {
    let list = presence.list_by(|key, entry| {
        let refs = entry.metas().map(|meta| meta.phx_ref().parse().unwrap()).collect();
        (key.parse().unwrap(), refs)
    });
    list.into_iter().collect()
}

proptest! {
    #[test]
    fn a_state_makes_the_list_what_it_says(old in state(), new in state(), rejoined in any::<bool>()) {
        let mut presence: Presence = Presence::new();
        changes(&mut presence, "presence_state", &json_of(&old));
        if rejoined {
            presence.handle_joined();
        }
        changes(&mut presence, "presence_state", &json_of(&new));
        prop_assert_eq!(&sets(&presence), &new);
        // The same state again changes nothing.
        let list = list_json(&presence);
        prop_assert_eq!(changes(&mut presence, "presence_state", &json_of(&new)), ["sync"]);
        prop_assert_eq!(list_json(&presence), list);
    }

    #[test]
    fn joins_come_before_leaves_and_sync_is_last(old in state(), joins in state(), leaves in state()) {
        let mut presence: Presence = Presence::new();
        changes(&mut presence, "presence_state", &json_of(&old));
        let diff = json!({"joins": json_of(&joins), "leaves": json_of(&leaves)});
        let reported = changes(&mut presence, "presence_diff", &diff);

        let mut expected = old;
        for (key, refs) in &joins {
            expected.entry(*key).or_default().extend(refs);
        }
        for (key, refs) in &leaves {
            if let Some(known) = expected.get_mut(key) {
                known.retain(|known| !refs.contains(known));
            }
        }
        expected.retain(|_, refs| !refs.is_empty());
        prop_assert_eq!(sets(&presence), expected);

        let kinds: String = reported.iter().map(|reported| &reported[..1]).collect();
        let joined = kinds.trim_start_matches('+');
        prop_assert_eq!(kinds.len() - joined.len(), joins.len());
        prop_assert_eq!(joined.trim_start_matches('-'), "s");
    }

    /// Including refs that occur more than once.
    #[test]
    fn long_lists_of_metas_are_what_a_plain_list_would_be(
        first in proptest::collection::vec(0_u8..60, 0..90),
        diffs in proptest::collection::vec(
            (proptest::collection::vec(0_u8..60, 0..40), proptest::collection::vec(0_u8..60, 0..40)),
            0..8,
        ),
    ) {
        let ann = |refs: &[u8]| {
            let refs: Vec<String> = refs.iter().map(u8::to_string).collect();
            json!({"ann": metas(&refs.iter().map(String::as_str).collect::<Vec<_>>())})
        };
        let mut presence: Presence = Presence::new();
        changes(&mut presence, "presence_state", &ann(&first));
        let mut model = Some(first);
        for (joins, leaves) in diffs {
            let diff = json!({"joins": ann(&joins), "leaves": ann(&leaves)});
            changes(&mut presence, "presence_diff", &diff);
            let mut now = model.unwrap_or_default();
            now.retain(|known| !joins.contains(known));
            now.extend(joins);
            now.retain(|known| !leaves.contains(known));
            model = (!now.is_empty()).then_some(now);
            let list = list_json(&presence);
            let expected = model.as_ref().map_or(json!({}), |now| ann(now));
            prop_assert_eq!(list, expected);
        }
    }

    #[test]
    fn diffs_before_the_state_end_where_diffs_after_it_end(
        first in state(),
        diffs in proptest::collection::vec((state(), state()), 0..4),
    ) {
        let mut early: Presence = Presence::new();
        let mut late: Presence = Presence::new();
        changes(&mut late, "presence_state", &json_of(&first));
        for (joins, leaves) in &diffs {
            let diff = json!({"joins": json_of(joins), "leaves": json_of(leaves)});
            prop_assert!(changes(&mut early, "presence_diff", &diff.clone()).is_empty());
            changes(&mut late, "presence_diff", &diff);
        }
        changes(&mut early, "presence_state", &json_of(&first));
        prop_assert_eq!(list_json(&early), list_json(&late));
    }
}
