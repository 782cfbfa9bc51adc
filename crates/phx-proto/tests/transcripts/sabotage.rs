//! Changed recordings: the replay must notice each change, and name it.

use phx_conformance::recordings::Recording;

use crate::replay::replay;
use crate::table::{Coverage, TABLE};

/// A change of a recording.
#[derive(Clone, Copy)]
enum Change {
    /// Removes the first line that contains this.
    Without(&'static str),
    /// Replaces the first occurrence of the first text by the second.
    Instead(&'static str, &'static str),
}
use Change::{Instead, Without};

/// Replays the changed recording, which must fail with words that hold `says`.
#[track_caller]
#[expect(clippy::unwrap_used, clippy::panic, reason = "an assertion")]
fn assert_noticed(file: &str, change: Change, says: &str) {
    let text = Recording::text(file).unwrap();
    let changed = match change {
        Without(part) => {
            let line = text.lines().find(|line| line.contains(part)).unwrap();
            text.replacen(&format!("{line}\n"), "", 1)
        }
        Instead(from, to) => text.replacen(from, to, 1),
    };
    assert_ne!(changed, text, "nothing was changed");
    let row = TABLE.iter().find(|row| row.file == file).unwrap();
    let (Coverage::Replayed(settings) | Coverage::Reaction(_, settings)) = row.coverage else {
        panic!("{file} isn't replayed");
    };
    match Recording::parse(file, &changed).and_then(|recording| replay(&recording, settings)) {
        Ok(_) => panic!("{file}: not noticed"),
        Err(why) => assert!(why.contains(says), "{says:?} isn't in {why:?}"),
    }
}

#[test]
fn what_the_core_sends_by_itself_must_be_recorded() {
    let rejoin = Without(r#""c2s","kind":"text","data":"[\"5\",\"5\""#);
    assert_noticed("rejoin_after_crash", rejoin, "is Some(Joining), not Errored");
    let heartbeat = Without(r#""c2s","kind":"text","data":"[null,\"5\""#);
    assert_noticed("heartbeat", heartbeat, "reported [Errored");
}

#[test]
fn what_the_recorded_client_sent_by_itself_must_come_from_the_core() {
    let answer = Without(r#""s2c","kind":"text","data":"[null,\"5\""#);
    assert_noticed("heartbeat", answer, "reported [Errored");
    let crash = Without("phx_error");
    assert_noticed("rejoin_after_crash", crash, "a rejoin of a channel that is joined");
    let outdated = Instead(
        r#"[\"3\",\"3\",\"room:lobby\",\"phx_error\""#,
        r#"[\"2\",\"2\",\"room:lobby\",\"phx_error\""#,
    );
    assert_noticed("rejoin_after_crash", outdated, "a rejoin of a channel that is joined");
    let end = Without(r#""s2c","kind":"close""#);
    assert_noticed("transport_drop_and_reconnect", end, "doesn't connect by itself");
}

#[test]
fn what_the_core_does_by_itself_must_come_in_time() {
    let early = Instead(r#""t_ms":205.2"#, r#""t_ms":190"#);
    assert_noticed("heartbeat", early, "at another time");
    let early = Instead(r#""t_ms":156.9"#, r#""t_ms":140"#);
    assert_noticed("join_rejected", early, "at another time");
    let late = Instead(r#""t_ms":810.2"#, r#""t_ms":907"#);
    assert_noticed("heartbeat", late, "not recorded");
    assert_noticed(
        "transport_drop_and_reconnect",
        Instead(r#""t_ms":109.2"#, r#""t_ms":100"#),
        "doesn't connect by itself",
    );
}

#[test]
fn frames_must_be_equal() {
    let crash = r#"[\"5\",\"5\",\"room:lobby\",\"phx_join\",{}]"#;
    let params = r#"[\"5\",\"5\",\"room:lobby\",\"phx_join\",{\"a\":1}]"#;
    assert_noticed("rejoin_after_crash", Instead(crash, params), "another payload");
    let heartbeat = r#"[null,\"5\",\"phoenix\",\"heartbeat\",{}]"#;
    let payload = r#"[null,\"5\",\"phoenix\",\"heartbeat\",null]"#;
    assert_noticed("heartbeat", Instead(heartbeat, payload), "another payload");
}

#[test]
fn refs_must_be_each_others() {
    let push = r#"[\"3\",\"5\",\"room:lobby\",\"echo\""#;
    let join_ref = r#"[\"4\",\"5\",\"room:lobby\",\"echo\""#;
    assert_noticed("push_reply_ok", Instead(push, join_ref), "stands for it");
    let reused = r#"[\"3\",\"4\",\"room:lobby\",\"echo\""#;
    assert_noticed("push_reply_ok", Instead(push, reused), "stands for it");
    let none = r#"[null,\"5\",\"room:lobby\",\"echo\""#;
    assert_noticed("push_reply_ok", Instead(push, none), "recorded ref None");
}

#[test]
fn what_the_server_sent_must_be_reported() {
    let broadcast = Without(r#""conn":2,"dir":"s2c","kind":"text","data":"[null,null,"#);
    assert_noticed("broadcast", broadcast, "not reported by the core");
    let reply = Without(r#"s2c","kind":"text","data":"[\"3\",\"4\""#);
    assert_noticed("push_reply_ok", reply, "not reported by the core");
}

#[test]
fn what_the_recorded_client_reported_must_be_reported() {
    let response = Instead(r#""[\"ok\",{\"a\":1}]""#, r#""[\"ok\",{\"a\":2}]""#);
    assert_noticed("push_reply_ok", response, "not reported by the core");
    let status = Instead("callback: weird", "callback: strange");
    assert_noticed("custom_status", status, "not reported by the core");
    let timeout = Instead(r#"[\"timeout\"]"#, r#"[\"ok\",{}]"#);
    assert_noticed("push_timeout", timeout, "not reported by the core");
    assert_noticed("server_stop", Instead("state closed", "state joined"), "states");
    assert_noticed("disconnect_broadcast", Instead("onClose 1001", "onClose 1002"), "not reported");
    assert_noticed("malformed_array_0", Instead("closed [1011", "closed [1000"), "not reported");
    assert_noticed("server_stop", Instead("state closed", "stat closed"), "isn't known");
}

#[test]
fn requests_must_be_equal() {
    assert_noticed("join_ok", Instead("a%20b%26c", "a+b%26c"), "requested");
}
