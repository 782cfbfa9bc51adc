//! Where this build does something else than the recorded one, the replay says so.

use phx_proto::{Config, Instant, Payload, Status};
use phx_recorder::{RecordingOptions, ReplayError, Ring, RingLimits, replay};

use crate::session::drain;

/// A join that the server rejects.
fn rejected() -> String {
    let ring = Ring::new(RingLimits::default());
    let mut socket = ring.record(Config::default(), 7, RecordingOptions::default());
    socket.connect(Instant::EPOCH);
    let room = socket.channel("room:full", Payload::empty()).unwrap();
    socket.join(Instant::EPOCH, room, None).unwrap();
    let full = Payload::from_json_text(r#"{"reason":"full"}"#).unwrap();
    drain(&mut socket, Instant::EPOCH, &mut |_| Some((Status::Error, full.clone())));
    drop(socket);
    String::from_utf8(ring.dump()).unwrap()
}

/// A rule of the build that replays is another one: rejections of a first join aren't final.
#[test]
fn another_rule_parts_where_it_decides() {
    let recording = rejected();
    assert!(replay(recording.as_bytes()).unwrap().is_complete);
    let rule = r#""rejoin_policy":"default""#;
    assert!(recording.contains(rule));
    let recording = recording.replace(rule, r#""rejoin_policy":"always""#);
    let error = replay(recording.as_bytes()).unwrap_err();
    let ReplayError::Parted { line, recorded, replayed, .. } = &error else { panic!("{error}") };
    let at = usize::try_from(*line).unwrap() - 1;
    assert_eq!(recording.lines().nth(at), Some(recorded.as_str()));
    assert!(recorded.contains("request_done"), "{error}");
    assert!(replayed.contains("join_failed"), "{error}");
}

#[test]
fn another_time_limit_parts_where_its_timer_is_set() {
    let recording = rejected();
    let recording =
        recording.replace(r#""connect_timeout":20000000000"#, r#""connect_timeout":19000000000"#);
    let error = replay(recording.as_bytes()).unwrap_err();
    let ReplayError::Parted { recorded, replayed, .. } = &error else { panic!("{error}") };
    assert_eq!(recorded, r#"{"deadline":20000000000}"#);
    assert_eq!(replayed, r#"{"deadline":19000000000}"#);
}

#[test]
fn another_seed_parts_where_it_is_drawn_from() {
    let ring = Ring::new(RingLimits::default());
    let mut socket = ring.record(Config::default(), 7, RecordingOptions::default());
    socket.connect(Instant::EPOCH);
    let Some(phx_proto::Action::Connect { transport, .. }) = socket.poll_action() else { panic!() };
    socket.handle_closed(Instant::EPOCH, transport, phx_proto::CloseCause::io("refused"));
    while socket.poll_event().is_some() {}
    drop(socket);
    let recording = String::from_utf8(ring.dump()).unwrap().replace(r#""seed":7"#, r#""seed":8"#);
    let error = replay(recording.as_bytes()).unwrap_err();
    let ReplayError::Parted { recorded, .. } = &error else { panic!("{error}") };
    assert!(recorded.contains("closed"), "{error}");
}

#[test]
fn the_running_hash_is_compared() {
    let recording = rejected();
    let (before, after) = recording.split_once(r#"{"check":""#).unwrap();
    let digit = if after.starts_with('0') { '1' } else { '0' };
    let recording = format!("{before}{{\"check\":\"{digit}{}", &after[1..]);
    let error = replay(recording.as_bytes()).unwrap_err();
    let ReplayError::Parted { recorded, .. } = &error else { panic!("{error}") };
    assert!(recorded.contains("check"), "{error}");
}
