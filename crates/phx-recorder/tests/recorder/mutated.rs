//! Whatever stands in a file, reading and replaying it ends, without a panic.

use std::sync::OnceLock;

use fastrand::Rng;
use phx_recorder::{Payloads, RecordingOptions, replay};

use crate::random_sessions::session;

/// Recordings of a few sessions, line by line.
fn recordings() -> &'static [Vec<String>] {
    static RECORDINGS: OnceLock<Vec<Vec<String>>> = OnceLock::new();
    RECORDINGS.get_or_init(|| {
        let options = RecordingOptions::default().payloads(Payloads::Whole);
        let lines = |seed| {
            let recording = String::from_utf8(session(seed, options)).unwrap();
            recording.lines().map(str::to_owned).collect()
        };
        (0..8).map(lines).collect()
    })
}

/// Changes a digit, a letter or a byte of a line.
fn change(rng: &mut Rng, line: &mut String) {
    let mut bytes = std::mem::take(line).into_bytes();
    if !bytes.is_empty() {
        let at = rng.usize(..bytes.len());
        bytes[at] = match bytes[at] {
            b'0'..=b'9' => rng.u8(b'0'..=b'9'),
            _ if rng.bool() => rng.u8(b' '..=b'~'),
            same => same,
        };
        if rng.u8(..4) == 0 {
            bytes.insert(at, rng.u8(b'0'..=b'9'));
        }
    }
    *line = String::from_utf8(bytes).unwrap_or_default();
}

#[test]
fn a_changed_recording_is_an_error_or_another_session() {
    let (mut parted, mut replayed) = (0, 0);
    for seed in 0..150 {
        let mut rng = Rng::with_seed(seed);
        let of = rng.usize(..recordings().len());
        let mut lines = recordings()[of].clone();
        for _ in 0..rng.usize(1..4) {
            let (at, other) = (rng.usize(..lines.len()), rng.usize(..lines.len()));
            match rng.u8(..5) {
                0 => drop(lines.remove(at)),
                1 => lines.swap(at, other),
                2 => lines.insert(at, lines[other].clone()),
                _ => change(&mut rng, &mut lines[at]),
            }
        }
        match replay(lines.join("\n").as_bytes()) {
            Ok(_) => replayed += 1,
            Err(_) => parted += 1,
        }
    }
    assert!(parted > 50 && replayed > 0, "{parted} errors, {replayed} replays");
}
