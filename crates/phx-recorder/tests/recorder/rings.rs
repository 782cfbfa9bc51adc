//! A ring holds the latest entries within its limits.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{panic, thread};

use phx_proto::{Action, CloseCause, Config, Instant, Payload, ReconnectPolicy};
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

/// The clock of an embedder may have run for long when a session begins.
#[test]
fn its_time_begins_with_the_session() {
    let ring = Ring::new(RingLimits::default().max_age(Duration::from_secs(30)));
    let start = Instant::from_epoch(Duration::from_secs(3_600));
    let mut socket = ring.record(Config::default(), 1, RecordingOptions::default());
    socket.connect(start);
    socket.connect(start + Duration::from_secs(30));
    assert!(replay(&ring.dump()[..]).is_ok(), "nothing is old");
    socket.connect(start + Duration::from_secs(31));
    assert!(matches!(replay(&ring.dump()[..]), Err(ReplayError::Gap { line: 2, .. })));
}

/// A hook of the program's runs on the thread that panics, wherever that is.
#[test]
fn a_panic_hook_can_dump_it() {
    let ring = Ring::new(RingLimits::default());
    let dumped = Arc::new(Mutex::new(Vec::new()));
    let (in_hook, kept) = (ring.clone(), Arc::clone(&dumped));
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if thread::current().name() == Some("of the panic hook's test") {
            *kept.lock().unwrap() = in_hook.dump();
        } else {
            before(panic);
        }
    }));
    let panics = thread::Builder::new().name("of the panic hook's test".to_owned());
    let panics = panics.spawn(move || {
        let mut config = Config::default();
        // The socket is in the middle of a call, and its recorder has noted its beginning.
        config.reconnect_policy = ReconnectPolicy::function(|_, _| panic!("a bug of the program"));
        let mut socket = ring.record(config, 1, RecordingOptions::default());
        socket.connect(Instant::EPOCH);
        let Some(Action::Connect { transport, .. }) = socket.poll_action() else { return };
        socket.handle_closed(Instant::EPOCH, transport, CloseCause::io("reset"));
    });
    assert!(panics.unwrap().join().is_err(), "it panicked");
    let recording = dumped.lock().unwrap().clone();
    let text = String::from_utf8_lossy(&recording);
    assert!(text.lines().last().is_some_and(|line| line.contains("reset")), "{text}");
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
