//! Recordings of any bytes into the reader, the replay and the timeline of `phx replay`.
//!
//! The first byte says what the rest is: `r` a recording, `e` the entries behind the header of a session of V2.
//!
//! Checks: a timeline's replay has the result of a replay alone; what a timeline says is one line that no terminal acts
//! on; a recording that can be read can be read when it is cut anywhere.

use std::sync::{Arc, OnceLock};

use phx_client::{Escaped, Serializer};
use phx_proto::Config;
use phx_recorder::{
    ReadError, RecordingOptions, ReplayError, Replayed, Ring, RingLimits, Timeline, replay,
    replay_with,
};
use phx_supabase::{V1, V2};

/// Panics if the input shows a fault.
pub fn check(input: &[u8]) {
    match input.split_first() {
        Some((b'r', recording)) => read(recording),
        Some((b'e', entries)) => read(&[header(), entries].concat()),
        _ => {}
    }
}

fn header() -> &'static [u8] {
    static HEADER: OnceLock<Vec<u8>> = OnceLock::new();
    HEADER.get_or_init(|| {
        let ring = Ring::new(RingLimits::default());
        drop(ring.record(Config::default(), 1, RecordingOptions::default()));
        let mut header = ring.dump();
        let end = header.iter().position(|byte| *byte == b'\n').expect("a line of its own");
        header.truncate(end + 1);
        header
    })
}

fn read(recording: &[u8]) {
    let (replayed, shown) = match Timeline::new(recording) {
        Ok(timeline) => {
            let serializer = serializer(timeline.serializer());
            let replayed = match &serializer {
                Some(serializer) => replay_with(recording, Arc::clone(serializer)),
                None => replay(recording),
            };
            let timeline = match serializer {
                Some(serializer) => timeline.with_serializer(serializer),
                None => timeline,
            };
            (replayed, show(timeline))
        }
        Err(error) => (replay(recording), Err(error)),
    };
    match shown {
        Ok(shown) => {
            assert_eq!(in_words(&replayed), in_words(&shown));
            cut(recording);
        }
        // A replay stops before it where the outputs part.
        Err(error) => {
            let replayed = replayed.expect_err("the same recording can't be read");
            if let ReplayError::Read(of_replay) = replayed {
                assert_eq!(of_replay.to_string(), error.to_string());
            }
        }
    }
}

fn serializer(name: &str) -> Option<Arc<dyn Serializer>> {
    match name {
        "SupabaseV1" => Some(Arc::new(V1)),
        "SupabaseV2" => Some(Arc::new(V2)),
        _ => None,
    }
}

fn in_words(replayed: &Result<Replayed, ReplayError>) -> String {
    match replayed {
        Ok(replayed) => format!("{replayed:?}"),
        Err(error) => format!("{error} {error:?}"),
    }
}

/// Reads a timeline to its end.
fn show(mut timeline: Timeline<&[u8]>) -> Result<Result<Replayed, ReplayError>, ReadError> {
    let mut line = 1;
    while let Some(happening) = timeline.next_happening()? {
        assert!(happening.line > 1, "the first line is the header");
        let escaped = happening.words.chars().find(|c| Escaped::is_escaped(*c));
        assert_eq!(escaped, None, "{:?}", happening.words);
        line = line.max(happening.line);
    }
    let has_parted = timeline.parted().is_some();
    let replayed = timeline.replayed();
    // At the end the outputs that are still missing may show that it has parted.
    assert!(!has_parted || replayed.is_err());
    if let Ok(replayed) = &replayed {
        assert!(replayed.lines >= line, "{replayed:?} and line {line}");
    }
    Ok(replayed)
}

/// Reads a recording that can be read up to its middle, its first half, and so on.
fn cut(recording: &[u8]) {
    let Some(header) = recording.iter().position(|byte| *byte == b'\n') else { return };
    let mut len = recording.len();
    while len > header {
        let mut timeline = Timeline::new(recording.get(..len).unwrap_or_default()).unwrap();
        while timeline.next_happening().unwrap().is_some() {}
        len /= 2;
    }
}
