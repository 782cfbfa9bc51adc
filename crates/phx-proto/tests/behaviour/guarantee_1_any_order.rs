//! Guarantee 1: inputs may come in any order, with no drain in between; time that runs backwards is
//! clamped; no input panics.
//!
//! [`Chaos`] does all of that at random, and checks the invariants after every step. `clock.rs` tests time that stands
//! still.

use crate::common::{Script, quiet};
use phx_chaos::{Chaos, Options};
use phx_proto::{CloseCause, CloseCode, Frame, Payload};

#[test]
fn anything_may_happen_at_any_time() {
    for seed in 0..150 {
        let mut chaos = Chaos::new(Options::new(seed));
        chaos.run(700);
        chaos.end();
    }
}

/// The random runs must reach all kinds of actions and events.
#[test]
fn the_random_runs_get_everywhere() {
    let mut reached = phx_proto::Counters::default();
    for seed in 0..100 {
        let mut chaos = Chaos::new(Options::new(seed));
        chaos.run(700);
        let counters = chaos.socket.counters();
        reached.opened += counters.opened;
        reached.messages += counters.messages;
        reached.replies += counters.replies;
        reached.unmatched_replies += counters.unmatched_replies;
        reached.outdated += counters.outdated;
        reached.unknown_topic += counters.unknown_topic;
        reached.malformed += counters.malformed;
        reached.stale_inputs += counters.stale_inputs;
        reached.heartbeats_missed += counters.heartbeats_missed;
        reached.joins_sent += counters.joins_sent;
    }
    let least = [
        reached.opened,
        reached.messages,
        reached.replies,
        reached.unmatched_replies,
        reached.outdated,
        reached.unknown_topic,
        reached.malformed,
        reached.stale_inputs,
        reached.heartbeats_missed,
        reached.joins_sent,
    ];
    assert!(least.iter().all(|count| *count > 100), "{reached:?}");
}

/// A whole life without one poll in between.
#[test]
fn a_session_without_a_drain_does_what_a_session_with_drains_does() {
    let mut s = Script::new(quiet());
    let now = s.now;
    let a = s.channel("room:a");
    s.socket.connect(now);
    s.socket.join(now, a, None).unwrap();
    s.socket.push(now, a, "msg", Payload::empty(), None).unwrap();
    s.drain();
    let transport = s.transport();
    s.socket.handle_opened(now, transport);
    s.socket.handle_frame(now, transport, Frame::text("garbage"));
    s.socket.handle_closed(now, transport, CloseCause::io(""));
    s.socket.connect(now);
    s.socket.disconnect(now, CloseCode::NORMAL, "").unwrap();
    s.socket.connect(now);
    assert_eq!(s.actions(), ["connect 1, attempt 1", "connect 3, attempt 1"]);
    assert_eq!(
        s.events(),
        [
            "opened 1",
            "malformed: malformed JSON at line 1, column 1",
            "room:a join failed: disconnected",
            "closed 1: connection lost, retry in 1s",
            "unopened 2: disconnected"
        ]
    );
    s.opened();
    s.reply("phx_join room:a", "ok", "{}");
    assert_eq!(s.actions(), ["send phx_join room:a", "send msg room:a"]);
}
