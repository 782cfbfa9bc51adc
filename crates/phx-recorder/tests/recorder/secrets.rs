//! No mode of a recording holds what must stay secret.

use phx_proto::Config;
use phx_recorder::{Payloads, RecordingOptions, replay};

use crate::session::{recording, text};

const MODES: [Payloads; 3] = [Payloads::Length, Payloads::Hashed, Payloads::Whole];

#[test]
fn params_and_marked_payloads_are_in_no_recording() {
    for payloads in MODES {
        for hides_topics in [false, true] {
            let options = RecordingOptions::default().payloads(payloads).hide_topics(hides_topics);
            let text = text(options);
            assert!(!text.contains("params-secret"), "{payloads:?}");
            // Of the two pushes with this payload one is marked.
            let shown = text.matches("payload-secret").count();
            assert_eq!(shown, usize::from(payloads == Payloads::Whole), "{payloads:?}");
            assert_eq!(text.contains("message-secret"), payloads == Payloads::Whole);
            assert_eq!(text.contains("a reply"), payloads == Payloads::Whole);
            assert_eq!(text.contains("lobby"), !hides_topics);
            assert!(text.contains("shout"));
        }
    }
}

#[test]
fn equal_payloads_have_equal_hashes_in_one_recording_alone() {
    let hashes = || {
        let text = text(RecordingOptions::default().payloads(Payloads::Hashed));
        let hashes: Vec<String> = text
            .lines()
            .filter(|line| line.contains("\"ok\""))
            .filter_map(|line| Some(line.split_once("\"hash\":\"")?.1.get(..16)?.to_owned()))
            .collect();
        assert!(hashes.len() >= 3, "{text}");
        assert!(hashes.iter().all(|hash| *hash == hashes[0]), "replies are equal: {hashes:?}");
        hashes[0].clone()
    };
    assert_ne!(hashes(), hashes());
}

#[test]
fn each_mode_is_replayed() {
    for payloads in MODES {
        let options = RecordingOptions::default().payloads(payloads);
        let recording = recording(Config::default(), options);
        assert!(replay(&recording[..]).unwrap().is_complete, "{payloads:?}");
    }
}

#[test]
fn debug_shows_no_payload() {
    let ring = phx_recorder::Ring::new(phx_recorder::RingLimits::default());
    let options = RecordingOptions::default().payloads(Payloads::Whole);
    let mut socket = ring.record(Config::default(), 7, options);
    crate::session::talk(&mut socket);
    let shown = format!("{ring:?} {socket:?}");
    assert!(!shown.contains("secret"), "{shown}");
}
