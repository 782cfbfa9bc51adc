//! A ring holds the latest entries within its limits.

use std::time::Duration;

use phx_proto::{Config, Instant, Payload};
use phx_recorder::{RecordingOptions, ReplayError, Ring, RingLimits, replay};

/// A session with an entry or more every second.
fn run(ring: &Ring, seconds: u64) {
    let mut socket = ring.record(Config::default(), 1, RecordingOptions::default());
    for second in 0..seconds {
        let now = Instant::from_epoch(Duration::from_secs(second));
        let channel = socket.channel(format!("t{}", second % 7), Payload::empty()).unwrap();
        socket.remove(now, channel);
    }
}

#[test]
fn it_is_limited_in_bytes() {
    let ring = Ring::new(RingLimits::bytes(10_000));
    run(&ring, 10_000);
    assert!(ring.bytes() <= 10_000, "{}", ring.bytes());
    let dump = String::from_utf8(ring.dump()).unwrap();
    let lines: Vec<_> = dump.lines().collect();
    assert!(lines[1].starts_with("{\"gap\":"), "{}", lines[1]);
    assert!(lines.len() > 20 && lines.len() < 600, "{}", lines.len());
    // Names of entries that are left are still there.
    assert!(lines[2].starts_with("{\"name\":["), "{}", lines[2]);
    let error = replay(dump.as_bytes()).unwrap_err();
    assert!(matches!(error, ReplayError::Gap { line: 2, .. }), "{error}");
}

#[test]
fn it_is_limited_in_time() {
    let ring = Ring::new(RingLimits::default().max_age(Duration::from_secs(30)));
    run(&ring, 10_000);
    let dump = String::from_utf8(ring.dump()).unwrap();
    let at = |text: &str| text.strip_prefix("{\"at\":")?.strip_suffix("}")?.parse::<u64>().ok();
    let times: Vec<u64> = dump.lines().filter_map(at).collect();
    assert!(times[0] >= 9_968_000_000_000 && times.len() > 25, "{times:?}");
}

#[test]
fn it_is_dumped_while_the_session_goes_on() {
    let ring = Ring::new(RingLimits::default());
    assert!(ring.dump().is_empty());
    let mut socket = ring.record(Config::default(), 1, RecordingOptions::default());
    let mut before = 0;
    for step in 0..20 {
        socket.connect(Instant::from_epoch(Duration::from_secs(step)));
        let _ = socket.poll_action();
        let dump = ring.dump();
        assert!(dump.len() > before);
        before = dump.len();
        assert!(!replay(&dump[..]).unwrap().is_complete);
    }
    drop(socket);
    assert!(replay(&ring.dump()[..]).unwrap().is_complete);
}

/// The next session is another recording.
#[test]
fn a_ring_holds_one_session() {
    let ring = Ring::new(RingLimits::default());
    run(&ring, 3);
    run(&ring, 3);
    assert!(replay(&ring.dump()[..]).unwrap().is_complete);
}
