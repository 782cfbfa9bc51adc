//! A program that didn't run for a long time, as on a suspended laptop, gives its connection up, and reconnects without a
//! burst.

use crate::common::{Script, ms, secs};
use phx_proto::{CloseCause, Config, Event, Payload};

fn exact() -> Config {
    Config::phoenix_cr()
}

#[test]
fn so_is_one_while_a_heartbeat_is_under_way() {
    let mut s = Script::open(exact());
    s.wait(secs(30));
    s.forget_lines();
    s.oversleep(secs(3600));
    s.socket.handle_timeout(s.now);
    assert_eq!(s.events(), ["closed 1: the heartbeat had no reply in time, retry in 1s"]);
}

#[test]
fn a_nap_is_asked_about_first() {
    let mut s = Script::open(exact());
    // The heartbeat was due after 30 s; 40 s later the connection must be dead.
    s.oversleep(ms(69_999));
    s.socket.handle_timeout(s.now);
    assert_eq!(s.actions(), ["send heartbeat phoenix"]);

    let mut s = Script::open(exact());
    s.oversleep(secs(70));
    s.socket.handle_timeout(s.now);
    assert_eq!(s.actions(), ["close 1: 1000 slept"]);
}

#[test]
fn without_heartbeats_nothing_is_known() {
    let mut config = exact();
    config.heartbeat_interval = None;
    let mut s = Script::open(config);
    s.oversleep(secs(3600));
    s.socket.handle_timeout(s.now);
    assert!(s.socket.is_connected());
}

/// One attempt, one join for each channel, one outcome for each push, and no wave of heartbeats.
#[test]
fn waking_up_is_no_burst() {
    let (mut s, a) = Script::joined(exact(), "room:a");
    for _ in 0..3 {
        s.try_push(a, "waiting", Payload::empty(), None).unwrap();
    }
    s.drain();
    s.forget_lines();
    s.oversleep(secs(3600));
    s.socket.handle_timeout(s.now);
    let mut closed = 0;
    let mut outcomes = 0;
    while let Some(event) = s.socket.poll_event() {
        match event {
            Event::Closed { cause, .. } => {
                assert_eq!(cause, CloseCause::Suspended);
                closed += 1;
            }
            Event::RequestDone { .. } => outcomes += 1,
            _ => {}
        }
    }
    assert_eq!((closed, outcomes), (1, 3));
    assert_eq!(s.actions(), ["close 1: 1000 slept"], "and no heartbeat to ask first");
    assert_eq!(s.socket.counters().heartbeats_missed, 0);
    s.wait(secs(1));
    assert_eq!(s.actions(), ["connect 2, attempt 2"]);
    s.opened();
    assert_eq!(s.actions(), ["send phx_join room:a"]);
}
