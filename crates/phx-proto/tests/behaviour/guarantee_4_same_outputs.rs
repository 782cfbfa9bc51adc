//! Guarantee 4: same seed and same inputs give the same outputs, byte for byte.

use phx_chaos::{Chaos, Options};

/// Returns all outputs of a random session, with the contents of frames.
fn session(seed: u64) -> String {
    let mut chaos = Chaos::new(Options { logs: true, ..Options::new(seed) });
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
