//! Our client in the place of the recorded ones: a server plays the recorded server's frames, and each frame of ours must
//! be the recorded client's, up to refs (by order of first use) and what is listed here. Where the recording notes what
//! the official client gave its user, ours must give the same.
//!
//! | recording | played | differs |
//! |---|---|---|
//! | `js_connect_join`, `js_connect_join_plain`, `py_connect_join` | whole | ours has no presence key without presence |
//! | `js_broadcast_send` | whole | |
//! | `js_broadcast_receive` | whole | ours goes on after a frame of kind 2, where theirs throws |
//! | `js_access_token` | to the expired token | the token's push has no ref, since it has no reply; the join after the cut has no `version` |
//! | `js_presence`, `py_presence` | its first client | a track of what is no object isn't sent; Python leaves out `type` and says `payload` of an `untrack` |
//! | `js_postgres_changes` | to the refused subscription | |
//! | `js_unsubscribe`, `py_unsubscribe` | its first channel | ours waits for the reply |
//! | `js_join_error`, `py_join_error` | the first join | ours stops |
//! | `js_expiring`, `py_expiring` | to the close | ours says that there is no new token |
//! | `js_drop_reconnect` | whole | what is under way fails at once, where theirs waits 10 s; theirs posts what is sent while away |
//! | `py_drop_reconnect` | whole | |
//! | `py_drop_gives_up` | whole | ours tries again after the fifth attempt |
//! | `js_connect_rejected`, `py_connect_rejected` | the first attempt | ours ends at a 401 |
//! | `py_server_closes` | whole: closes with 1000, 1001, 1012 and 1011, and an operator's disconnect | |
//! | `py_crashing` | whole | |
//! | `js_heartbeat`, `py_heartbeat` | whole | the Python client doesn't notice that the server is silent |
//! | `js_join_timeout_bare` | whole | |
//! | `js_kind2_native_websocket`, `js_kind2_ws_package` | whole | ours goes on after binary frames of Phoenix |
//! | `py_push_while_away` | whole | ours refuses what was under way at once |
//! | `js_send_before_join` | its single posts, in `tests/http` | the key is a header alone; `send` never posts by itself |
//!
//! Times aren't compared: the schedules of the official clients are theirs, and ours has jitter. The heartbeats in text are
//! left out on both sides.
//!
//! Not played: `js_push_buffer`, in which theirs drops the first five of 105 calls without a word, and so sends others than
//! ours, which refuses those that are too many (`nothing_is_dropped_from_a_full_buffer_without_an_outcome`);
//! `py_replies_bare`, whose server and events aren't Supabase's
//! (`replies_whose_response_is_a_string_or_null_arrive`); the ten `phx_*`, which are this project's own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod play;
mod reconnects;
mod scripts;

use std::path::Path;

use phx_conformance::recordings::Recording;

#[test]
fn the_table_names_every_recording() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/transcripts"));
    let names = Recording::names_in(folder).unwrap();
    assert_eq!(names.len(), 41);
    let (official, own): (Vec<_>, Vec<_>) =
        names.into_iter().partition(|name| !name.starts_with("phx_"));
    assert_eq!(own.len(), 10);
    let table = include_str!("main.rs");
    for name in official {
        assert!(table.contains(&format!("`{name}`")), "{name}");
    }
}
