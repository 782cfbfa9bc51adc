//! Recordings of random sessions give the recorded outputs again.

use phx_chaos::{Chaos, Options};
use phx_recorder::{Payloads, RecordingOptions, ReplayError, Replayed, Ring, RingLimits, replay};

/// Records a random session.
pub(crate) fn session(seed: u64, options: RecordingOptions) -> Vec<u8> {
    let mut chaos = Chaos::new(Options::new(seed));
    let ring = Ring::new(RingLimits::bytes(usize::MAX));
    chaos.socket = ring.record(chaos.socket.config().clone(), seed, options);
    chaos.run(400);
    chaos.end();
    drop(chaos);
    ring.dump()
}

fn check(seed: u64) -> Replayed {
    let options = RecordingOptions::default();
    let options = match seed % 4 {
        0 => options.payloads(Payloads::Hashed),
        1 => options.payloads(Payloads::Whole),
        2 => options.hide_topics(true),
        _ => options,
    };
    let recording = session(seed, options);
    match replay(&recording[..]) {
        Ok(replayed) => replayed,
        Err(error) => {
            let ReplayError::Parted { line, .. } = &error else { panic!("seed {seed}: {error}") };
            let lines = String::from_utf8_lossy(&recording);
            let from = usize::try_from(line.saturating_sub(30)).unwrap();
            let near: Vec<_> = lines.lines().skip(from).take(32).collect();
            panic!("seed {seed}: {error}\n{}", near.join("\n"));
        }
    }
}

/// 60 sessions, or as many as `PHX_RECORDED_SESSIONS` says.
#[test]
fn they_replay_without_a_difference() {
    let count = std::env::var("PHX_RECORDED_SESSIONS").ok();
    let count = count.map_or(60, |count| count.parse().unwrap());
    let mut outputs = 0;
    for seed in 0..count {
        let replayed = check(seed);
        assert!(replayed.is_complete, "seed {seed}");
        outputs += replayed.outputs;
    }
    assert!(outputs > 200 * count, "{outputs}");
}
