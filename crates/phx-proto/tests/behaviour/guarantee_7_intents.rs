//! Guarantee 7: disconnect always wins, connect always acts, and Closed is reported exactly once per
//! connection.
//!
//! [`Chaos`] checks after every step that no connection is opened while none is wanted, that a connect
//! leads to one, and counts the reports of every transport. `connection_table.rs` has every state.

use crate::common::{Script, ms, quiet, secs};
use phx_chaos::{Chaos, Habits};
use phx_proto::{CloseCause, CloseCode, Config, ConnectionState};

#[test]
fn in_random_sessions() {
    for seed in 2000..2100 {
        let mut chaos = Chaos::new(Habits::new(seed));
        chaos.run(400);
        chaos.end();
    }
}

#[test]
fn after_a_disconnect_nothing_brings_the_connection_back() {
    let mut s = Script::open(Config::phoenix_cr());
    s.wait(secs(30));
    s.disconnect();
    s.forget_lines();
    s.opened();
    s.reply("heartbeat phoenix", "ok", "{}");
    assert!(!s.reconnect_now());
    s.closed(CloseCause::frame(CloseCode::RESTART, ""));
    assert!(!s.reconnect_now());
    s.lost();
    s.wait(secs(100_000));
    assert_eq!(s.actions(), [""; 0]);
    assert_eq!(s.events(), ["closed 1: disconnected"]);
}

#[test]
fn a_disconnect_on_a_dead_link_wins_over_the_heartbeat() {
    let mut s = Script::open(Config::phoenix_cr());
    s.wait(secs(35));
    s.disconnect();
    s.wait(secs(3600));
    assert_eq!(s.actions(), ["send heartbeat phoenix", "close 1: 1000 bye"]);
    assert_eq!(s.events(), ["closed 1: disconnected"]);
    assert_eq!(s.socket.poll_timeout(), None);
}

#[test]
fn each_of_many_attempts_is_reported_closed_once() {
    let mut s = Script::new(quiet());
    s.connect();
    for _ in 0..20 {
        let transport = s.transport();
        s.closed_on(transport, CloseCause::lost(""));
        s.closed_on(transport, CloseCause::lost(""));
        s.wait(secs(10));
    }
    s.disconnect();
    s.lost();
    let events = s.events();
    assert_eq!(events.len(), 21, "{events:?}");
    for number in 1..=21 {
        let prefix = format!("unopened {number}:");
        assert_eq!(events.iter().filter(|line| line.starts_with(&prefix)).count(), 1);
    }
}

#[test]
fn connect_acts_whatever_ended_the_connection() {
    let ends: [fn(&mut Script); 5] = [
        |s| s.closed(CloseCause::frame(CloseCode::NORMAL, "")),
        Script::lost,
        Script::disconnect,
        |s| {
            s.disconnect();
            s.wait(secs(5));
        },
        |s| {
            s.lost();
            s.wait(ms(500));
        },
    ];
    for end in ends {
        let mut s = Script::open(quiet());
        end(&mut s);
        s.forget_lines();
        s.connect();
        assert_eq!(s.socket.connection_state(), ConnectionState::Connecting);
        assert_eq!(s.actions(), ["connect 2, attempt 1"]);
    }
}
