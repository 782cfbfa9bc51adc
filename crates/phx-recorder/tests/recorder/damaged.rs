//! What is wrong with a recording is an error that has the line, and a cut is its end.

use std::sync::Arc;

use phx_proto::{Config, V1, V2};
use phx_recorder::{ReadError, RecordingOptions, ReplayError, replay, replay_with};

use crate::session::{recording, text};

#[test]
fn a_file_that_was_cut_anywhere_is_replayed_up_to_there() {
    let recording = recording(Config::default(), RecordingOptions::default());
    let whole = replay(&recording[..]).unwrap();
    let header = recording.iter().position(|byte| *byte == b'\n').unwrap();
    for len in header + 1..recording.len() - 2 {
        let replayed = replay(&recording[..len]).unwrap_or_else(|error| panic!("{len}: {error}"));
        assert!(!replayed.is_complete && replayed.lines <= whole.lines, "{len}");
    }
    assert!(whole.is_complete);
    for len in 0..header {
        let error = replay(&recording[..len]).unwrap_err();
        assert!(matches!(error, ReplayError::Read(ReadError::NotARecording)), "{len}: {error}");
    }
}

#[test]
fn damage_in_the_middle_has_its_line() {
    let text = text(RecordingOptions::default());
    let lines: Vec<&str> = text.lines().collect();
    for at in 1..lines.len() - 1 {
        let mut damaged = lines.clone();
        damaged[at] = "{\"nonsense\":1}";
        let error = replay(damaged.join("\n").as_bytes()).unwrap_err();
        let ReplayError::Read(ReadError::Damaged { line, .. }) = error else {
            panic!("line {at}: {error}");
        };
        assert_eq!(line, at as u64 + 1);
    }
}

#[test]
fn a_lost_line_is_found() {
    let text = text(RecordingOptions::default());
    let lines: Vec<&str> = text.lines().collect();
    for at in 1..lines.len() - 1 {
        // Names that two lines give, the time zero and decisions on nothing may go without notice.
        if lines[at].contains("\"at\"") || lines[at].contains("no_") {
            continue;
        }
        let mut shorter = lines.clone();
        shorter.remove(at);
        assert!(replay(shorter.join("\n").as_bytes()).is_err(), "line {at}: {}", lines[at]);
    }
}

#[test]
fn a_newer_format_says_so() {
    let newer = text(RecordingOptions::default()).replacen(":1,", ":2,", 1);
    let error = replay(newer.as_bytes()).unwrap_err();
    assert!(matches!(error, ReplayError::Read(ReadError::NewerFormat { version: 2, .. })));
    let shown = error.to_string();
    assert_eq!(
        shown,
        "the recording has version 2 of the format; this release reads up to 1: use a newer one"
    );
}

#[test]
fn a_version_that_never_was_is_no_recording() {
    let older = text(RecordingOptions::default()).replacen(":1,", ":0,", 1);
    let error = replay(older.as_bytes()).unwrap_err();
    assert!(matches!(error, ReplayError::Read(ReadError::NotARecording)), "{error}");
}

#[test]
fn an_unknown_serializer_is_named_and_can_be_given() {
    let other = text(RecordingOptions::default()).replacen("\"V2\"", "\"Mine\"", 1);
    let error = replay(other.as_bytes()).unwrap_err();
    let ReplayError::UnknownSerializer { name, .. } = error else { panic!("{error}") };
    assert_eq!(name, "Mine");
    assert!(replay_with(other.as_bytes(), Arc::new(V2)).unwrap().is_complete);
}

#[test]
fn each_serializer_of_phoenix_is_known() {
    let mut config = Config::default();
    config.serializer = Arc::new(V1);
    let ring = phx_recorder::Ring::new(phx_recorder::RingLimits::default());
    let mut socket = ring.record(config, 7, RecordingOptions::default());
    socket.connect(phx_proto::Instant::EPOCH);
    drop(socket);
    assert!(replay(&ring.dump()[..]).unwrap().is_complete);
}
