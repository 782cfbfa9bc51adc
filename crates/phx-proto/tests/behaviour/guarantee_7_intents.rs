//! Guarantee 7: disconnect always wins, connect always acts, and Closed is reported exactly once per
//! connection.
//!
//! [`Chaos`] checks after every step that no connection is opened while none is wanted, that a connect
//! leads to one, and counts the reports of every transport. `connection_table.rs` has every state.

use crate::common::{Script, secs};
use phx_chaos::{Chaos, Options};
use phx_proto::{CloseCause, CloseCode, Config};

#[test]
fn in_random_sessions() {
    for seed in 2000..2100 {
        let mut chaos = Chaos::new(Options::new(seed));
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
