//! Every state of the connection with every input.

use crate::common::{Script, ms, quiet, secs};
use crate::diagram;
use phx_proto::{ConnectionState, Lifecycle, TransportKind};

type State = (&'static str, fn(&mut Script));

/// Steps that bring a new socket into a state.
const STATES: [State; 7] = [
    ("closed", |_| {}),
    ("connect wanted", |s| s.socket.connect(s.now)),
    ("connecting", |s| s.connect()),
    ("open", |s| {
        s.connect();
        s.opened();
    }),
    ("waiting", |s| {
        s.connect();
        s.lost();
    }),
    ("closing unopened", |s| {
        s.connect();
        s.disconnect();
    }),
    ("closing", |s| {
        s.connect();
        s.opened();
        s.disconnect();
    }),
];

fn reconnect_now(s: &mut Script) {
    let acted = s.reconnect_now();
    let wanted = matches!(
        s.socket.connection_state(),
        ConnectionState::Connecting | ConnectionState::Open | ConnectionState::Waiting
    );
    assert_eq!(acted, wanted, "a disconnect always wins");
}

/// Returns the new state of a socket in the state `from` after `input`, with its actions and events.
#[track_caller]
fn check(
    from: &str,
    input: fn(&mut Script),
    to: ConnectionState,
    actions: &[&str],
    events: &[&str],
) {
    let mut s = Script::new(quiet());
    assert!(STATES.iter().any(|(state, _)| *state == from), "no such state: {from}");
    for (_, prepare) in STATES.iter().filter(|(state, _)| *state == from) {
        prepare(&mut s);
    }
    s.forget_lines();
    let before = s.socket.connection_state();
    input(&mut s);
    assert_eq!(s.socket.connection_state(), to, "state after {from}");
    diagram::record(Some(before), Some(to));
    assert_eq!(s.socket.is_connected(), to == ConnectionState::Open, "after {from}");
    assert_eq!(s.actions(), actions, "actions after {from}");
    assert_eq!(s.events(), events, "events after {from}");
    if to == ConnectionState::Closed {
        assert_eq!(s.socket.poll_timeout(), None, "a closed socket waits for nothing");
    }
}

#[test]
fn connect() {
    use ConnectionState::{Connecting, Open};
    let connect = |s: &mut Script| s.connect();
    check("closed", connect, Connecting, &["connect 1, attempt 1"], &[]);
    check("connect wanted", connect, Connecting, &["connect 1, attempt 1"], &[]);
    check("connecting", connect, Connecting, &[], &[]);
    check("open", connect, Open, &[], &[]);
    check("waiting", connect, Connecting, &["connect 2, attempt 1"], &[]);
    check(
        "closing unopened",
        connect,
        Connecting,
        &["connect 2, attempt 1"],
        &["unopened 1: disconnected, retry in 0ns"],
    );
    check(
        "closing",
        connect,
        Connecting,
        &["connect 2, attempt 1"],
        &["closed 1: disconnected, retry in 0ns"],
    );
}

#[test]
fn disconnect() {
    use ConnectionState::{Closed, Closing};
    let disconnect = |s: &mut Script| s.disconnect();
    check("closed", disconnect, Closed, &[], &[]);
    check("connect wanted", disconnect, Closed, &[], &["unopened 1: disconnected"]);
    check("connecting", disconnect, Closing, &["close 1: 1000 bye"], &[]);
    check("open", disconnect, Closing, &["close 1: 1000 bye"], &[]);
    check("waiting", disconnect, Closed, &[], &["retry cancelled"]);
    check("closing unopened", disconnect, Closing, &[], &[]);
    check("closing", disconnect, Closing, &[], &[]);
}

#[test]
fn reconnect() {
    use ConnectionState::{Closed, Closing, Connecting};
    check("closed", reconnect_now, Closed, &[], &[]);
    // An attempt that hasn't begun is new enough.
    check("connect wanted", reconnect_now, Connecting, &["connect 1, attempt 1"], &[]);
    check(
        "connecting",
        reconnect_now,
        Connecting,
        &["close 1: 1000 replaced", "connect 2, attempt 1"],
        &["unopened 1: replaced by a new connection, retry in 0ns"],
    );
    check(
        "open",
        reconnect_now,
        Connecting,
        &["close 1: 1000 replaced", "connect 2, attempt 1"],
        &["closed 1: replaced by a new connection, retry in 0ns"],
    );
    check("waiting", reconnect_now, Connecting, &["connect 2, attempt 1"], &[]);
    check("closing unopened", reconnect_now, Closing, &[], &[]);
    check("closing", reconnect_now, Closing, &[], &[]);
}

#[test]
fn opened() {
    use ConnectionState::{Closing, Open, Waiting};
    let opened = |s: &mut Script| s.opened();
    check("connecting", opened, Open, &[], &["opened 1"]);
    check("open", opened, Open, &[], &[]);
    check("waiting", opened, Waiting, &[], &[]);
    check("closing unopened", opened, Closing, &[], &[]);
    check("closing", opened, Closing, &[], &[]);
}

#[test]
fn an_old_attempt_opens() {
    use ConnectionState::Connecting;
    let again = |s: &mut Script| {
        s.connect();
        s.opened_on(s.transport_number(1));
    };
    check("waiting", again, Connecting, &["connect 2, attempt 1"], &[]);
}

#[test]
fn closed() {
    use ConnectionState::{Closed, Waiting};
    let closed = |s: &mut Script| s.lost();
    check("connecting", closed, Waiting, &[], &["unopened 1: can't connect, retry in 1s"]);
    check("open", closed, Waiting, &[], &["closed 1: connection lost, retry in 1s"]);
    check("waiting", closed, Waiting, &[], &[]);
    check("closing unopened", closed, Closed, &[], &["unopened 1: disconnected"]);
    check("closing", closed, Closed, &[], &["closed 1: disconnected"]);
}

#[test]
fn time() {
    use ConnectionState::{Closed, Connecting, Open};
    let minute = |s: &mut Script| {
        s.oversleep(secs(60));
        s.socket.handle_timeout(s.now);
        s.drain();
    };
    check("closed", minute, Closed, &[], &[]);
    check("open", minute, Open, &[], &[]);
    check("waiting", minute, Connecting, &["connect 2, attempt 2"], &[]);
    check("closing unopened", minute, Closed, &[], &["unopened 1: disconnected"]);
    check("closing", minute, Closed, &[], &["closed 1: disconnected"]);
    let connect_timeout = |s: &mut Script| s.wait(secs(20));
    let timed_out = "unopened 1: the connection took too long to open, retry in 1s";
    check(
        "connecting",
        connect_timeout,
        ConnectionState::Waiting,
        &["close 1: 1000 connect timeout"],
        &[timed_out],
    );
    // The driver hasn't polled the attempt: there is nothing to close.
    let connect_timeout_unseen = |s: &mut Script| {
        s.oversleep(secs(20));
        s.socket.handle_timeout(s.now);
    };
    check("connect wanted", connect_timeout_unseen, ConnectionState::Waiting, &[], &[timed_out]);
}

#[test]
fn a_gap() {
    use ConnectionState::{Closing, Connecting, Open, Waiting};
    let gap = |s: &mut Script| s.gap_on(s.transport());
    check("connecting", gap, Connecting, &[], &[]);
    check("open", gap, Open, &[], &["messages lost on 1"]);
    check("waiting", gap, Waiting, &[], &[]);
    check("closing unopened", gap, Closing, &[], &[]);
    check("closing", gap, Closing, &[], &[]);
}

#[test]
fn opened_with_other_properties() {
    use ConnectionState::{Closing, Open, Waiting};
    let opened = |s: &mut Script| s.opened_with(TransportKind::LongPoll.properties());
    check("connecting", opened, Open, &[], &["opened 1"]);
    check("open", opened, Open, &[], &[]);
    check("waiting", opened, Waiting, &[], &[]);
    check("closing unopened", opened, Closing, &[], &[]);
    check("closing", opened, Closing, &[], &[]);
}

#[test]
fn active() {
    use ConnectionState::{Closed, Closing, Connecting, Open, Waiting};
    let active = |s: &mut Script| s.lifecycle(Lifecycle::Active);
    check("closed", active, Closed, &[], &[]);
    check("connect wanted", active, Connecting, &["connect 1, attempt 1"], &[]);
    check("connecting", active, Connecting, &[], &[]);
    // The table's sockets have no heartbeats.
    check("open", active, Open, &[], &[]);
    // The first attempt has just begun.
    check("waiting", active, Waiting, &[], &[]);
    check("closing unopened", active, Closing, &[], &[]);
    check("closing", active, Closing, &[], &[]);
    let active_later = |s: &mut Script| {
        s.oversleep(ms(999));
        s.lifecycle(Lifecycle::Held);
        s.oversleep(ms(1_001));
        s.lifecycle(Lifecycle::Active);
    };
    check("waiting", active_later, Connecting, &["connect 2, attempt 1"], &[]);
}

#[test]
fn held() {
    use ConnectionState::{Closed, Closing, Connecting, Open, Waiting};
    let held = |s: &mut Script| s.lifecycle(Lifecycle::Held);
    check("closed", held, Closed, &[], &[]);
    check("connect wanted", held, Connecting, &["connect 1, attempt 1"], &[]);
    check("connecting", held, Connecting, &[], &[]);
    check("open", held, Open, &[], &[]);
    check("waiting", held, Waiting, &[], &[]);
    check("closing unopened", held, Closing, &[], &[]);
    check("closing", held, Closing, &[], &[]);
    let held_for_long = |s: &mut Script| {
        s.lifecycle(Lifecycle::Held);
        s.wait(secs(3_600));
    };
    check("waiting", held_for_long, Waiting, &[], &[]);
}

#[test]
fn suspending() {
    use ConnectionState::{Closed, Closing, Waiting};
    let suspending = |s: &mut Script| s.lifecycle(Lifecycle::Suspending);
    let suspended = "unopened 1: the program was suspended, retry in 1s";
    check("closed", suspending, Closed, &[], &[]);
    // The driver hasn't polled the attempt: there is nothing to close.
    check("connect wanted", suspending, Waiting, &[], &[suspended]);
    check("connecting", suspending, Waiting, &["close 1: 1000 suspended"], &[suspended]);
    check(
        "open",
        suspending,
        Waiting,
        &["close 1: 1000 suspended"],
        &["closed 1: the program was suspended, retry in 1s"],
    );
    check("waiting", suspending, Waiting, &[], &[]);
    check("closing unopened", suspending, Closing, &[], &[]);
    check("closing", suspending, Closing, &[], &[]);
}

/// Inputs of the diagram: the label, and the test with their table.
const INPUTS: [(&str, fn()); 11] = [
    ("connect", connect),
    ("disconnect", disconnect),
    ("reconnect_now", reconnect),
    ("opened", opened),
    ("opened", opened_with_other_properties),
    ("gap", a_gap),
    ("closed", closed),
    ("time", time),
    ("active", active),
    ("held", held),
    ("suspending", suspending),
];

#[test]
fn the_diagram_shows_the_tables() {
    diagram::assert_is_in_the_docs("A connection", &Some(ConnectionState::Closed), &INPUTS);
}

#[test]
fn a_bad_disconnect_does_nothing() {
    use phx_proto::{CallError, CloseCode};
    for (state, prepare) in STATES {
        let mut s = Script::new(quiet());
        prepare(&mut s);
        let before = s.socket.connection_state();
        let code = s.socket.disconnect(s.now, CloseCode::RESTART, "");
        assert!(matches!(code, Err(CallError::CloseCode { code: 1012, .. })), "{code:?}");
        let reason = s.socket.disconnect(s.now, CloseCode::from_u16(4000), &"x".repeat(124));
        assert!(
            matches!(reason, Err(CallError::CloseReasonTooLong { len: 124, .. })),
            "{reason:?}"
        );
        assert_eq!(s.socket.connection_state(), before, "{state}");
    }
}
