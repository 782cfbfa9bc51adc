//! Guarantee 4: same seed and same inputs give the same outputs, byte for byte.

use crate::common::{Script, secs};
use phx_chaos::{Chaos, Habits};
use phx_proto::Config;

/// Everything that comes out of a random session. [`Chaos`] writes down the contents of frames too.
fn session(seed: u64) -> String {
    let mut chaos = Chaos::new(Habits { logs: true, ..Habits::new(seed) });
    chaos.run(600);
    chaos.end();
    chaos.log
}

#[test]
fn random_sessions_replay_exactly() {
    for seed in 0..40 {
        assert_eq!(session(seed), session(seed), "seed {seed}");
    }
}

/// A script that doesn't depend on what comes out, but for the transports' ids.
fn script(seed: u64) -> Vec<String> {
    let mut s = Script::with_seed(Config::default(), seed);
    let topics: Vec<String> = (0..20).map(|n| format!("room:{n}")).collect();
    for topic in &topics {
        let channel = s.channel(topic);
        s.join(channel);
        s.push(channel, "hello");
    }
    s.connect();
    s.opened();
    for topic in &topics {
        s.reply(&format!("phx_join {topic}"), "ok", "{}");
    }
    for topic in &topics {
        s.server_push(topic, "phx_error");
    }
    s.wait(secs(20));
    for _ in 0..5 {
        s.lost();
        s.wait(secs(15));
    }
    let mut lines = s.actions();
    lines.extend(s.events());
    lines
}

#[test]
fn another_seed_gives_another_session() {
    assert_eq!(script(1), script(1));
    assert_ne!(script(1), script(2));
}
