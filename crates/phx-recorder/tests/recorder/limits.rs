//! A recording is untrusted: whatever it says, a replay is bounded, and what is beyond is an error with its line.

use phx_proto::{Config, Frame, Instant, Payload};
use phx_recorder::{
    MAX_LINE, MAX_SENT, Payloads, ReadError, RecordingOptions, ReplayError, Ring, RingLimits,
    replay,
};

use crate::session::text;

/// The header of a recording, and these lines.
fn with(lines: &[String]) -> Vec<u8> {
    let text = text(RecordingOptions::default());
    let header = text.lines().next().unwrap().to_owned();
    [&[header], lines].concat().join("\n").into_bytes()
}

fn what(lines: &[String]) -> (u64, &'static str) {
    match replay(&with(lines)[..]).unwrap_err() {
        ReplayError::Invalid { line, what, .. } => (line, what),
        other => panic!("{other}"),
    }
}

fn strings(lines: &[&str]) -> Vec<String> {
    lines.iter().copied().map(String::from).collect()
}

#[test]
fn a_line_is_limited() {
    let long = format!("{{\"name\":[1,\"{}\"]}}", "x".repeat(MAX_LINE));
    let error = replay(&with(&[long, "\"connect\"".into()])[..]).unwrap_err();
    assert!(matches!(error, ReplayError::Read(ReadError::LineTooLong { line: 2, .. })), "{error}");
}

#[test]
fn payloads_are_limited() {
    let name = r#"{"name":[1,"room:a"]}"#;
    let (max, over) = (64_u64 << 20, (64_u64 << 20) + 1);
    let channel = |len: u64| format!(r#"{{"channel":[1,{len}]}}"#);
    assert!(replay(&with(&[name.into(), channel(max)])[..]).is_ok());
    assert_eq!(what(&[name.into(), channel(over)]).0, 3);
    assert_eq!(what(&[name.into(), channel(u64::MAX)]).0, 3);
}

#[test]
fn what_is_sent_is_limited_together() {
    let join = strings(&[
        r#"{"name":[1,"room:a"]}"#,
        r#"{"channel":[1,0]}"#,
        r#"{"returned":{"channel":4294967297}}"#,
    ]);
    let push = r#"{"push":{"channel":4294967297,"event":1,"payload":67108864}}"#.to_owned();
    let refused = r#"{"returned":{"refused":"the channel hasn't been joined"}}"#.to_owned();
    let count = usize::try_from(MAX_SENT / (64 << 20)).unwrap();
    let mut lines = join;
    for _ in 0..=count {
        lines.extend([push.clone(), refused.clone()]);
    }
    let (line, what) = what(&lines);
    assert_eq!(what, "more bytes of payloads than a replay sends");
    assert_eq!(line, 5 + 2 * (count as u64));
}

#[test]
fn names_are_limited() {
    let lines: Vec<_> = (0..=4096).map(|n| format!(r#"{{"name":[{n},"t"]}}"#)).collect();
    assert_eq!(what(&lines), (4098, "more names than a recording has at a time"));
    let long = format!(r#"{{"name":[1,"{}"]}}"#, "x".repeat(513));
    assert_eq!(what(&[long]), (2, "a name that is longer than any"));
}

#[test]
fn ids_that_were_never_made_are_errors() {
    for (line, what_is) in [
        (r#"{"join":[1,null]}"#, "a channel that was never made"),
        (r#"{"cancel":1}"#, "a request that wasn't made"),
        (r#"{"opened":[1,null]}"#, "a transport that was never asked for"),
        (r#"{"params":[1,null]}"#, "params that weren't asked for"),
        (r#"{"channel":[9,2]}"#, "a name that no line before gives"),
        (r#"{"disconnect":[1001,""]}"#, "a close that can't be sent"),
    ] {
        assert_eq!(what(&strings(&[line])), (2, what_is));
    }
}

#[test]
fn outputs_that_never_come_are_not_kept() {
    let lines: Vec<_> = (0..100).map(|_| r#"{"deadline":5}"#.to_owned()).collect();
    let error = replay(&with(&lines)[..]).unwrap_err();
    assert!(matches!(error, ReplayError::Parted { line: 2, .. }), "{error}");
}

#[test]
fn many_and_long_names_of_a_session_are_replayed() {
    let ring = Ring::new(RingLimits::bytes(64 << 20));
    let mut config = Config::default();
    config.max_channels = 10_000;
    let mut socket = ring.record(config, 1, RecordingOptions::default());
    for n in 0..9_000 {
        // The second of the two differs where it is cut.
        let topic = if n % 3 == 0 { format!("{n}:{}", "ä".repeat(600)) } else { format!("t{n}") };
        socket.channel(topic, Payload::empty()).unwrap();
    }
    let long = "x".repeat(700);
    socket.channel(format!("{long}1"), Payload::empty()).unwrap();
    socket.channel(format!("{long}2"), Payload::empty()).unwrap();
    socket.channel(format!("{long}1"), Payload::empty()).unwrap_err();
    drop(socket);
    let recording = ring.dump();
    assert!(recording.len() < 3_000 * 700 + 9_000 * 80, "{}", recording.len());
    assert!(replay(&recording[..]).unwrap().is_complete);
}

#[test]
fn a_long_payload_is_not_kept_whole() {
    let record = |len: usize| {
        let ring = Ring::new(RingLimits::default());
        let options = RecordingOptions::default().payloads(Payloads::Whole);
        let mut socket = ring.record(Config::default(), 1, options);
        socket.connect(Instant::EPOCH);
        let Some(phx_proto::Action::Connect { transport, .. }) = socket.poll_action() else {
            panic!()
        };
        socket.handle_opened(Instant::EPOCH, transport);
        let frame = format!("[null,null,\"t\",\"e\",\"{}\"]", "x".repeat(len - 2));
        socket.handle_frame(Instant::EPOCH, transport, Frame::text(frame));
        drop(socket);
        let recording = ring.dump();
        assert!(replay(&recording[..]).unwrap().is_complete);
        recording.len()
    };
    assert!(record(64 << 10) > 64 << 10);
    assert!(record((64 << 10) + 1) < 4_000);
}

#[test]
fn long_texts_of_the_peer_are_cut() {
    let ring = Ring::new(RingLimits::default());
    let mut socket = ring.record(Config::default(), 1, RecordingOptions::default());
    socket.connect(Instant::EPOCH);
    let Some(phx_proto::Action::Connect { transport, .. }) = socket.poll_action() else { panic!() };
    let cause = phx_proto::CloseCause::io("ä".repeat(10_000));
    socket.handle_closed(Instant::EPOCH, transport, cause);
    drop(socket);
    let recording = ring.dump();
    assert!(recording.len() < 3_000, "{}", recording.len());
    assert!(replay(&recording[..]).unwrap().is_complete);
}
