//! The recording of a build in which one rule is another: the replay says where the two part.
//!
//! `another_rule/night.jsonl` was written by this test, in a build to which `another_rule/rule.patch` had been applied:
//!
//! ```console
//! $ git apply crates/phx-recorder/tests/recorder/another_rule/rule.patch
//! $ cargo test -p phx-recorder --test recorder another_build; git checkout crates/phx-proto
//! $ cp target/tmp/night.jsonl crates/phx-recorder/tests/recorder/another_rule/
//! ```
//!
//! The test leaves the recording of its build there before it compares anything.

use std::fs;
use std::path::Path;
use std::time::Duration;

use phx_proto::{
    Action, Config, Frame, Instant, Payload, Serializer, Status, TransportId, V2Server,
};
use phx_recorder::{RecordingOptions, ReplayError, Ring, RingLimits, replay};

const THEIRS: &str = include_str!("another_rule/night.jsonl");
const RULE: &str = include_str!("another_rule/rule.patch");

/// Three minutes in which the server sends messages every five seconds, and answers joins, but no heartbeat.
///
/// In this build a message shows that the peer lives, and only the limit ends the connection. In the other one, as in
/// phoenix.js, only the heartbeat's reply counts.
fn night() -> String {
    let ring = Ring::new(RingLimits::default());
    let mut socket = ring.record(Config::default(), 7, RecordingOptions::default());
    let mut now = Instant::EPOCH;
    socket.connect(now);
    let lobby = socket.channel("room:lobby", Payload::empty()).unwrap();
    socket.join(now, lobby, None).unwrap();
    let mut open: Option<TransportId> = None;
    let mut next_message = now.saturating_add(Duration::from_secs(5));
    let end = now.saturating_add(Duration::from_secs(180));
    while now < end {
        while let Some(action) = socket.poll_action() {
            match action {
                Action::Connect { transport, .. } => {
                    socket.handle_opened(now, transport);
                    open = Some(transport);
                }
                Action::Send { transport, frame, .. } => {
                    let request = V2Server.decode(frame).unwrap();
                    if request.event == "phx_join" {
                        let reply = phx_proto::Message::reply(
                            request.topic,
                            request.reference,
                            Status::Ok,
                            Payload::empty(),
                        );
                        let reply = reply.with_join_ref(request.join_ref);
                        socket.handle_frame(now, transport, V2Server.encode(&reply).unwrap());
                    }
                }
                Action::Close { .. } => open = None,
                _ => {}
            }
        }
        while socket.poll_event().is_some() {}
        let deadline = socket.poll_timeout();
        now = deadline.map_or(next_message, |deadline| deadline.min(next_message));
        if now == next_message {
            if let Some(transport) = open {
                let message = r#"[null,null,"room:lobby","news",{}]"#;
                socket.handle_frame(now, transport, Frame::text(message));
            }
            next_message = now.saturating_add(Duration::from_secs(5));
        }
        socket.handle_timeout(now);
    }
    drop(socket);
    String::from_utf8(ring.dump()).unwrap()
}

#[test]
fn a_recording_of_another_build_parts_where_its_rule_decides() {
    let ours = night();
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("night.jsonl"), &ours).unwrap();
    assert!(replay(ours.as_bytes()).unwrap().is_complete);

    let error = replay(THEIRS.as_bytes()).unwrap_err();
    let ReplayError::Parted { line, recorded, replayed, .. } = &error else { panic!("{error}") };
    // The two builds lived through the same night: the first line that differs is where the rule decided, and the replay
    // of the one gives what a recording of the other has there.
    let mut lines = (1..).zip(THEIRS.lines().zip(ours.lines()));
    let (first, (theirs, here)) = lines.find(|(_, (theirs, here))| theirs != here).unwrap();
    assert_eq!((*line, &**recorded, &**replayed), (first, theirs, here));
    // The heartbeat at 30 s has had no reply for its timeout of 10 s; a message came at 35 s.
    let before: Vec<&str> = THEIRS.lines().take(usize::try_from(first).unwrap() - 1).collect();
    let at = before.iter().rev().find(|line| line.starts_with("{\"at\"")).unwrap();
    assert_eq!(*at, "{\"at\":40000000000}");
}

/// What made the recording is still a change of one rule of this core.
#[test]
fn the_patch_is_of_this_core() {
    let core = concat!(env!("CARGO_MANIFEST_DIR"), "/../phx-proto/src/socket/heartbeat.rs");
    let core = fs::read_to_string(core).unwrap();
    let removed: Vec<&str> = RULE
        .lines()
        .filter(|line| !line.starts_with("---"))
        .filter_map(|line| line.strip_prefix('-'))
        .collect();
    assert_eq!(removed.len(), 1, "{RULE}");
    assert!(removed.iter().all(|line| core.lines().any(|ours| ours == *line)), "{RULE}");
}
