//! A program that is hidden, suspended and active again: when a socket connects, and when it asks for a sign of life.

use crate::common::{NOTHING, Script, ms, quiet, quiet_but, secs};
use phx_proto::{
    Config, ConnectionState, Lifecycle, Reconnect, ReconnectPolicy, TransportProperties,
};

fn waiting() -> Script {
    let mut s = Script::open(quiet());
    s.wait(secs(60));
    s.lost();
    s.forget_lines();
    s
}

fn is_waiting(s: &Script) -> bool {
    s.socket.connection_state() == ConnectionState::Waiting
}

#[test]
fn an_active_program_connects_at_once() {
    let mut s = waiting();
    s.lifecycle(Lifecycle::Active);
    assert_eq!(s.actions(), ["connect 2, attempt 1"]);
}

#[test]
fn many_reports_begin_one_attempt_in_two_seconds() {
    let mut s = waiting();
    let mut attempts = 0;
    // For almost 20 s a report each 10 ms, and a server that refuses each attempt at once.
    for _ in 0..1_999 {
        s.lifecycle(Lifecycle::Active);
        s.wait(ms(10));
        if s.actions().iter().any(|action| action.starts_with("connect")) {
            attempts += 1;
            s.lost();
        }
    }
    assert_eq!(attempts, 10);
}

#[test]
fn a_report_too_early_brings_the_attempt_forward() {
    let mut s = Script::new(quiet_but(|config| {
        config.reconnect_policy = ReconnectPolicy::function(|_, _| Reconnect::After(secs(60)));
    }));
    s.connect();
    s.wait(ms(500));
    s.lost();
    s.lifecycle(Lifecycle::Active);
    assert_eq!(s.next_timeout(), Some(ms(1_500)));
    s.forget_lines();
    s.wait(ms(1_500));
    assert_eq!(s.actions(), ["connect 2, attempt 2"]);
}

#[test]
fn while_held_nothing_connects_and_nothing_wakes_the_program() {
    let mut s = waiting();
    s.lifecycle(Lifecycle::Held);
    s.wait(secs(3_600));
    assert_eq!((s.actions(), s.events(), s.next_timeout()), (vec![], vec![], None));
    s.lifecycle(Lifecycle::Active);
    assert_eq!(s.actions(), ["connect 2, attempt 1"]);
}

#[test]
fn a_hold_that_ends_before_the_attempt_is_due_costs_nothing() {
    let mut s = Script::new(quiet());
    s.connect();
    s.lifecycle(Lifecycle::Held);
    s.lost();
    s.lifecycle(Lifecycle::Active);
    s.forget_lines();
    s.wait(secs(2));
    assert_eq!(s.actions(), ["connect 2, attempt 2"]);
}

#[test]
fn a_connection_or_an_attempt_stays_while_held() {
    let mut s = Script::new(quiet());
    s.connect();
    s.lifecycle(Lifecycle::Held);
    s.opened();
    assert!(s.socket.is_connected());
    s.lost();
    s.wait(secs(60));
    assert!(is_waiting(&s));
}

#[test]
fn a_call_of_the_user_connects_even_while_held() {
    let mut s = waiting();
    s.lifecycle(Lifecycle::Held);
    s.connect();
    assert_eq!(s.actions(), ["connect 2, attempt 1"]);
    s.lost();
    s.forget_lines();
    s.wait(secs(60));
    assert_eq!(s.actions(), NOTHING, "the hold goes on");
    assert!(s.reconnect_now());
    assert_eq!(s.actions(), ["connect 3, attempt 1"]);
}

#[test]
fn a_disconnect_ends_a_wait_that_is_held() {
    let mut s = waiting();
    s.lifecycle(Lifecycle::Held);
    s.wait(secs(60));
    s.disconnect();
    assert_eq!(s.events(), ["retry cancelled"]);
    s.lifecycle(Lifecycle::Active);
    assert_eq!((s.actions(), s.next_timeout()), (vec![], None), "a disconnect always wins");
}

#[test]
fn a_program_that_is_suspended_has_no_connection_until_it_is_active() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.push(a, "sent");
    s.forget_lines();
    s.wait(secs(5));
    s.lifecycle(Lifecycle::Suspending);
    assert_eq!(s.actions(), ["close 1: 1000 suspended"]);
    assert_eq!(
        s.events(),
        [
            "sent: disconnected",
            "room:a errored: disconnected",
            "closed 1: the program was suspended, retry in 1s"
        ]
    );
    s.push(a, "kept");
    s.wait(secs(9));
    assert!(is_waiting(&s));
    s.forget_lines();
    s.lifecycle(Lifecycle::Active);
    s.opened();
    s.reply("phx_join room:a", "ok", "{}");
    assert_eq!(s.actions(), ["connect 2, attempt 1", "send phx_join room:a", "send kept room:a"]);
    assert!(s.events().contains(&"room:a rejoined {}".to_owned()));
}

#[test]
fn a_policy_may_stop_instead() {
    let mut s =
        Script::open(quiet_but(|config| config.reconnect_policy = ReconnectPolicy::never()));
    s.lifecycle(Lifecycle::Suspending);
    assert_eq!(s.events(), ["closed 1: the program was suspended"]);
    s.lifecycle(Lifecycle::Active);
    assert_eq!(s.actions(), ["close 1: 1000 suspended"]);
}

#[test]
fn an_open_connection_is_asked_once() {
    let mut s = Script::open(Config::phoenix_cr());
    s.wait(secs(7));
    for _ in 0..3 {
        s.lifecycle(Lifecycle::Active);
    }
    assert_eq!(s.actions(), ["send heartbeat phoenix"]);
    s.reply("heartbeat phoenix", "ok", "{}");
    s.forget_lines();
    s.wait(ms(29_999));
    assert_eq!(s.actions(), NOTHING, "the interval begins with the reply");
    s.wait(ms(1));
    assert_eq!(s.actions(), ["send heartbeat phoenix"]);
}

#[test]
fn a_peer_that_is_gone_is_noticed_by_that() {
    let mut s = Script::open(Config::phoenix_cr());
    s.lifecycle(Lifecycle::Active);
    s.forget_lines();
    s.wait(secs(10));
    assert_eq!(s.events(), ["closed 1: the heartbeat had no reply in time, retry in 1s"]);
}

/// A connection that a browser keeps while its page doesn't run.
fn kept_outside() -> TransportProperties {
    let mut properties = TransportProperties::default();
    properties.outlives_pauses = true;
    properties
}

#[test]
fn a_late_heartbeat_is_sent_where_the_connection_outlives_pauses() {
    let mut s = Script::new(Config::phoenix_cr());
    s.connect();
    s.opened_with(kept_outside());
    s.forget_lines();
    s.oversleep(secs(3_600));
    s.socket.handle_timeout(s.now);
    assert_eq!(s.actions(), ["send heartbeat phoenix"]);
    s.wait(secs(1));
    s.reply("heartbeat phoenix", "ok", "{}");
    s.wait(secs(20));
    assert!(s.socket.is_connected());
    // A peer that is gone is noticed all the same.
    s.wait(secs(10));
    s.forget_lines();
    s.wait(secs(10));
    assert_eq!(s.events(), ["closed 1: the heartbeat had no reply in time, retry in 1s"]);
}
