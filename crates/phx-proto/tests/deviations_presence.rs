//! Where presence does better than phoenix.js on purpose.

mod presences;

use phx_proto::{Presence, PresenceStatus};
use presences::{changes, list_json, metas, payload};
use serde_json::json;

/// phoenix.js keeps a diff that waited for the state of a join whose connection dropped, and
/// applies it to the state of the next join: `bob`, who left in between, stays for ever.
#[test]
fn deviation_06_diffs_of_a_lost_join_make_no_ghosts() {
    for errored in [false, true] {
        let mut presence: Presence = Presence::new();
        presence.handle_joined();
        presence.handle_event("presence_state", &payload(json!({"ann": metas(&["a1"])}))).unwrap();

        presence.handle_joined();
        let diff = json!({"joins": {"bob": metas(&["b1"])}, "leaves": {}});
        assert!(changes(&mut presence, "presence_diff", diff).is_empty());

        if errored {
            presence.handle_errored();
            assert_eq!(presence.status(), PresenceStatus::Pending);
        }
        presence.handle_joined();
        assert_eq!(list_json(&presence), json!({"ann": metas(&["a1"])}));
        let told = changes(&mut presence, "presence_state", json!({"cid": metas(&["c1"])}));
        assert_eq!(told, ["+cid", "-ann", "sync"]);
        assert_eq!(list_json(&presence), json!({"cid": metas(&["c1"])}));
        assert_eq!(presence.status(), PresenceStatus::Synced);
    }
}
