//! Every state of a channel with every input.

use crate::common::{Script, quiet, secs};
use crate::diagram;
use phx_proto::ChannelState::{self, Closed, Errored, Joined, Joining, Leaving, New};
use phx_proto::{CallError, ChannelId, ClosePolicy, Config, Payload, TimeoutReason};

mod states_diagram;

/// A row: the state, the next state (`None` for a removed channel), and the actions and events, separated by
/// semicolons.
type Row = (&'static str, Option<ChannelState>, &'static str, &'static str);

type State = (&'static str, fn(&mut Script) -> ChannelId);

/// Steps that bring the channel `a` of a new socket into a state. A joining channel waits for a connection (`offline`),
/// its params (`asking`), the transport (`queued`) or the server's answer (`joining`); an errored one for its timer
/// (`errored`) or a connection (`lost`).
const STATES: [State; 11] = [
    ("new", |s| {
        connect(s);
        s.channel("a")
    }),
    ("offline", |s| {
        let a = s.channel("a");
        s.join(a);
        a
    }),
    ("asking", |s| {
        connect(s);
        let a = s.asking_channel("a");
        s.join(a);
        a
    }),
    ("queued", |s| {
        connect(s);
        s.stuck = true;
        let a = s.channel("a");
        s.join(a);
        a
    }),
    ("joining", |s| {
        connect(s);
        let a = s.channel("a");
        s.join(a);
        a
    }),
    ("joined", joined),
    ("errored", |s| {
        let a = joined(s);
        s.server_push("a", "phx_error");
        a
    }),
    ("lost", |s| {
        let a = joined(s);
        s.lost();
        a
    }),
    ("leaving", |s| {
        let a = joined(s);
        s.leave(a);
        a
    }),
    ("closed", |s| {
        let a = joined(s);
        s.leave(a);
        s.reply("phx_leave a", "ok", "{}");
        a
    }),
    ("replaced", |s| {
        let a = joined(s);
        let b = s.replace("a");
        s.reply("phx_leave a", "ok", "{}");
        s.remove(b);
        a
    }),
];

fn connect(s: &mut Script) {
    s.connect();
    s.opened();
}

fn joined(s: &mut Script) -> ChannelId {
    connect(s);
    s.join_ok("a")
}

/// States in which the server can't know of a join.
const JOIN_NOT_SENT: &[&str] = &["new", "offline", "asking", "queued"];

/// States of a socket that has never been connected.
const NO_CONNECTION: &[&str] = &["offline"];

/// States in which no params have been asked for.
const NOT_ASKED: &[&str] = &[
    "new", "offline", "queued", "joining", "joined", "errored", "lost", "leaving", "closed",
    "replaced",
];

/// States in which no push has been sent.
const NOT_PUSHED: &[&str] = &[
    "new", "offline", "asking", "queued", "joining", "errored", "lost", "leaving", "closed",
    "replaced",
];

/// Checks the input in each state. In states without a row nothing changes, and there are no actions and events; in the
/// states `never` the input is impossible.
#[track_caller]
fn check(input: fn(&mut Script, ChannelId), rows: &[Row], never: &[&str]) {
    check_with(&quiet(), input, rows, never);
}

/// [`check`] with other settings.
#[track_caller]
fn check_with(config: &Config, input: fn(&mut Script, ChannelId), rows: &[Row], never: &[&str]) {
    let is_state = |name: &str| STATES.iter().any(|(state, _)| *state == name);
    let mut named = rows.iter().flat_map(|(states, ..)| states.split(' '));
    assert!(named.all(|state| is_state(state) && !never.contains(&state)));
    assert!(never.iter().all(|state| is_state(state)));
    for (state, prepare) in STATES {
        if never.contains(&state) {
            continue;
        }
        let mut s = Script::new(config.clone());
        let a = prepare(&mut s);
        s.forget_lines();
        let before = s.socket.channel_state(a);
        let row = rows.iter().find(|row| row.0.split(' ').any(|named| named == state));
        let &(_, to, actions, events) = row.unwrap_or(&(state, before, "", ""));
        input(&mut s, a);
        assert_eq!(s.socket.channel_state(a), to, "state after {state}");
        diagram::record(before, to);
        assert_eq!(s.actions().join("; "), actions, "actions after {state}");
        assert_eq!(s.events().join("; "), events, "events after {state}");
    }
}

fn try_leave(s: &mut Script, a: ChannelId) {
    if matches!(s.socket.channel_state(a), Some(Leaving | Closed)) {
        assert_eq!(s.socket.leave(s.now, a, None), Err(CallError::Closed));
    } else {
        s.leave(a);
    }
    // Its frames for the transport are gone.
    s.stuck = false;
}

#[test]
fn the_user_joins() {
    check(
        |s, a| drop(s.try_join(a, None)),
        &[("new closed", Some(Joining), "send phx_join a", "")],
        &[],
    );
}

#[test]
fn the_user_pushes() {
    check(
        |s, a| drop(s.try_push(a, "msg", Payload::empty(), None)),
        &[("joined", Some(Joined), "send msg a", "")],
        &[],
    );
}

#[test]
fn the_user_leaves() {
    check(
        try_leave,
        &[
            ("new errored lost", Some(Closed), "", "leave a: left; a closed: left"),
            (
                "offline asking queued",
                Some(Closed),
                "",
                "leave a: left; join a: channel closed; a closed: left",
            ),
            ("joining", Some(Leaving), "send phx_leave a", "join a: channel closed"),
            ("joined", Some(Leaving), "send phx_leave a", ""),
        ],
        &[],
    );
}

#[test]
fn the_user_removes_it() {
    check(
        |s, a| assert!(s.remove(a)),
        &[
            ("new errored lost leaving closed replaced", None, "", ""),
            ("offline asking queued", None, "", "join a: channel closed"),
            ("joining", None, "send phx_leave a", "join a: channel closed"),
            ("joined", None, "send phx_leave a", ""),
        ],
        &[],
    );
}

#[test]
fn nothing_is_left_of_one_that_is_removed() {
    for (state, prepare) in STATES {
        let mut s = Script::new(quiet());
        let a = prepare(&mut s);
        s.forget_lines();
        assert!(s.remove(a));
        s.stuck = false;
        s.channel("a");
        s.wait(secs(10));
        let of_a_connection = [None, Some(TimeoutReason::Connect)];
        assert!(of_a_connection.contains(&s.socket.timeout_reason()), "{state}");
        assert!(!s.events().iter().any(|line| line.starts_with("a ")), "{state}");
        assert!(!s.actions().iter().any(|line| line.starts_with("send phx_join")), "{state}");
    }
}

#[test]
fn the_user_replaces_it() {
    check(
        |s, _| {
            s.replace("a");
        },
        &[
            ("new errored lost", Some(Closed), "", "a closed: replaced"),
            (
                "offline asking queued",
                Some(Closed),
                "",
                "join a: channel closed; a closed: replaced",
            ),
            ("joining", Some(Leaving), "send phx_leave a", "join a: channel closed"),
            ("joined", Some(Leaving), "send phx_leave a", ""),
        ],
        &[],
    );
}

#[test]
fn the_connection_is_lost() {
    check(
        |s, _| s.lost(),
        &[
            ("new", Some(New), "", "closed 1: connection lost, retry in 1s"),
            (
                "asking queued joining",
                Some(Errored),
                "",
                "a join failed: disconnected; closed 1: connection lost, retry in 1s",
            ),
            (
                "joined",
                Some(Errored),
                "",
                "a errored: disconnected; closed 1: connection lost, retry in 1s",
            ),
            ("errored", Some(Errored), "", "closed 1: connection lost, retry in 1s"),
            (
                "leaving",
                Some(Closed),
                "",
                "leave a: left; a closed: left; closed 1: connection lost, retry in 1s",
            ),
            ("closed replaced", Some(Closed), "", "closed 1: connection lost, retry in 1s"),
        ],
        NO_CONNECTION,
    );
}

#[test]
fn the_user_disconnects() {
    check(
        |s, _| s.disconnect(),
        &[
            ("new", Some(New), "close 1: 1000 bye", ""),
            (
                "asking queued joining",
                Some(Errored),
                "close 1: 1000 bye",
                "a join failed: disconnected",
            ),
            ("joined", Some(Errored), "close 1: 1000 bye", "a errored: disconnected"),
            ("errored", Some(Errored), "close 1: 1000 bye", ""),
            ("lost", Some(Errored), "", "retry cancelled"),
            ("leaving", Some(Leaving), "close 1: 1000 bye", ""),
            ("closed replaced", Some(Closed), "close 1: 1000 bye", ""),
        ],
        &[],
    );
}

#[test]
fn another_connection_opens() {
    check(
        |s, _| {
            s.reconnect_now();
            s.connect();
            s.opened();
        },
        &[
            (
                "new",
                Some(New),
                "close 1: 1000 replaced; connect 2, attempt 1",
                "closed 1: replaced by a new connection, retry in 0ns; opened 2",
            ),
            ("offline", Some(Joining), "connect 1, attempt 1; send phx_join a", "opened 1"),
            (
                "asking",
                Some(Joining),
                "close 1: 1000 replaced; connect 2, attempt 1; params a",
                "a join failed: disconnected; closed 1: replaced by a new connection, retry in 0ns; opened 2",
            ),
            (
                "queued",
                Some(Errored),
                "close 1: 1000 replaced; connect 2, attempt 1",
                "a join failed: disconnected; closed 1: replaced by a new connection, retry in 0ns; opened 2",
            ),
            (
                "joining",
                Some(Joining),
                "close 1: 1000 replaced; connect 2, attempt 1; send phx_join a",
                "a join failed: disconnected; closed 1: replaced by a new connection, retry in 0ns; opened 2",
            ),
            (
                "joined",
                Some(Joining),
                "close 1: 1000 replaced; connect 2, attempt 1; send phx_join a",
                "a errored: disconnected; closed 1: replaced by a new connection, retry in 0ns; opened 2",
            ),
            (
                "errored",
                Some(Joining),
                "close 1: 1000 replaced; connect 2, attempt 1; send phx_join a",
                "closed 1: replaced by a new connection, retry in 0ns; opened 2",
            ),
            ("lost", Some(Joining), "connect 2, attempt 1; send phx_join a", "opened 2"),
            (
                "leaving",
                Some(Closed),
                "close 1: 1000 replaced; connect 2, attempt 1",
                "leave a: left; a closed: left; closed 1: replaced by a new connection, retry in 0ns; opened 2",
            ),
            (
                "closed replaced",
                Some(Closed),
                "close 1: 1000 replaced; connect 2, attempt 1",
                "closed 1: replaced by a new connection, retry in 0ns; opened 2",
            ),
        ],
        &[],
    );
}

#[test]
fn the_join_is_accepted() {
    check(
        |s, _| s.reply("phx_join a", "ok", "{}"),
        &[("joining", Some(Joined), "", "a joined {}; join a: ok {}")],
        JOIN_NOT_SENT,
    );
}

#[test]
fn the_join_is_rejected() {
    check(
        |s, _| s.reply("phx_join a", "error", "{}"),
        &[("joining", Some(Closed), "", "join a: error {}; a closed: rejected error {}")],
        JOIN_NOT_SENT,
    );
}

#[test]
fn the_join_crashes() {
    check(
        |s, _| s.reply("phx_join a", "error", r#"{"reason":"join crashed"}"#),
        &[(
            "joining",
            Some(Errored),
            "",
            r#"a join failed: rejected error {"reason":"join crashed"}, retry in 1s"#,
        )],
        JOIN_NOT_SENT,
    );
}

#[test]
fn the_server_has_forgotten_it() {
    check(
        |s, a| {
            s.push(a, "msg");
            let mut sent = s.latest("msg a");
            sent.join_ref = None;
            s.reply_to(&sent, "error", r#"{"reason":"unmatched topic"}"#);
        },
        &[(
            "joined",
            Some(Errored),
            "send msg a",
            r#"msg: error {"reason":"unmatched topic"}; a errored: forgotten, retry in 1s"#,
        )],
        NOT_PUSHED,
    );
}

#[test]
fn the_server_says_that_this_join_crashed() {
    check(
        |s, _| s.server_push("a", "phx_error"),
        &[
            ("joining", Some(Errored), "", "a join failed: crashed {}, retry in 1s"),
            ("joined", Some(Errored), "", "a errored: crashed {}, retry in 1s"),
            ("leaving", Some(Closed), "", "leave a: left; a closed: left"),
        ],
        JOIN_NOT_SENT,
    );
}

#[test]
fn the_server_says_that_the_topic_crashed() {
    check(
        |s, _| s.broadcast("a", "phx_error"),
        &[
            ("joined", Some(Errored), "", "a errored: crashed {}, retry in 1s"),
            ("leaving", Some(Closed), "", "leave a: left; a closed: left"),
        ],
        NO_CONNECTION,
    );
}

#[test]
fn the_server_closes_this_join() {
    check(
        |s, _| s.server_push("a", "phx_close"),
        &[
            ("joining", Some(Closed), "", "join a: channel closed; a closed: by server {}"),
            ("joined", Some(Closed), "", "a closed: by server {}"),
            ("leaving", Some(Closed), "", "leave a: left; a closed: left"),
        ],
        JOIN_NOT_SENT,
    );
}

#[test]
fn the_server_closes_the_topic() {
    check(
        |s, _| s.broadcast("a", "phx_close"),
        &[
            ("joined", Some(Closed), "", "a closed: by server {}"),
            ("leaving", Some(Closed), "", "leave a: left; a closed: left"),
        ],
        NO_CONNECTION,
    );
}

#[test]
fn the_server_closes_this_join_and_the_policy_joins_again() {
    let mut config = quiet();
    config.close_policy = ClosePolicy::always();
    check_with(
        &config,
        |s, _| s.server_push("a", "phx_close"),
        &[
            ("joining", Some(Errored), "", "a join failed: closed {}, retry in 1s"),
            ("joined", Some(Errored), "", "a errored: closed {}, retry in 1s"),
            ("leaving", Some(Closed), "", "leave a: left; a closed: left"),
        ],
        JOIN_NOT_SENT,
    );
}

#[test]
fn the_server_closes_the_topic_and_the_policy_joins_again() {
    let mut config = quiet();
    config.close_policy = ClosePolicy::always();
    check_with(
        &config,
        |s, _| s.broadcast("a", "phx_close"),
        &[
            ("joined", Some(Errored), "", "a errored: closed {}, retry in 1s"),
            ("leaving", Some(Closed), "", "leave a: left; a closed: left"),
        ],
        NO_CONNECTION,
    );
}

#[test]
fn a_message_comes() {
    check(
        |s, _| s.broadcast("a", "news"),
        &[
            ("joined", Some(Joined), "", "a news {}"),
            ("closed replaced", Some(Closed), "", "unjoined a news {}"),
        ],
        NO_CONNECTION,
    );
}

#[test]
fn a_second_passes() {
    check(
        |s, _| s.wait(secs(1)),
        &[
            ("errored", Some(Joining), "send phx_join a", ""),
            ("lost", Some(Errored), "connect 2, attempt 2", ""),
        ],
        &[],
    );
}

#[test]
fn ten_seconds_pass() {
    check(
        |s, _| s.wait(secs(10)),
        &[
            ("offline", Some(Joining), "", "join a: timed out"),
            (
                "asking queued",
                Some(Errored),
                "",
                "join a: timed out; a join failed: timed out, retry in 1s",
            ),
            (
                "joining",
                Some(Errored),
                "send phx_leave a",
                "join a: timed out; a join failed: timed out, retry in 1s",
            ),
            ("errored", Some(Joining), "send phx_join a", ""),
            ("lost", Some(Errored), "connect 2, attempt 2", ""),
            ("leaving", Some(Closed), "", "leave a: timed out; a closed: left"),
        ],
        &[],
    );
}

#[test]
fn the_params_are_made() {
    check(
        |s, _| s.make_params("a", Some(Payload::empty())),
        &[("asking", Some(Joining), "send phx_join a", "")],
        NOT_ASKED,
    );
}

#[test]
fn the_params_cannot_be_made() {
    check(
        |s, _| s.make_params("a", None),
        &[("asking", Some(Errored), "", "a join failed: no params, retry in 1s")],
        NOT_ASKED,
    );
}

#[test]
fn the_transport_takes_frames_again() {
    check(
        |s, _| {
            s.stuck = false;
            s.drain();
        },
        &[("queued", Some(Joining), "send phx_join a", "")],
        &[],
    );
}

#[test]
fn what_the_user_cannot_do_is_said_at_the_call() {
    for (state, prepare) in STATES {
        let mut s = Script::new(quiet());
        let a = prepare(&mut s);
        let before = s.socket.channel_state(a).unwrap();
        let pushed = s.try_push(a, "msg", Payload::empty(), None).map_err(|error| error.reason);
        match before {
            New => assert_eq!(pushed, Err(CallError::NotJoined), "{state}"),
            Leaving | Closed => assert_eq!(pushed, Err(CallError::Closed), "{state}"),
            _ => assert!(pushed.is_ok(), "{state}"),
        }
        let joined = s.try_join(a, None);
        match before {
            New => assert!(joined.is_ok(), "{state}"),
            Closed if state == "replaced" => assert_eq!(joined, Err(CallError::Replaced)),
            Closed => assert!(joined.is_ok(), "{state}"),
            Leaving => assert_eq!(joined, Err(CallError::Leaving), "{state}"),
            _ => assert_eq!(joined, Err(CallError::AlreadyJoined), "{state}"),
        }
    }
}
