//! Dropped events are reported at their place in the queue.

use crate::common::{Script, quiet, quiet_but};
use phx_proto::{CloseCause, Event, Frame};

fn message(s: &mut Script, event: &str) {
    let transport = s.transport();
    let frame = Frame::text(format!(r#"[null,null,"room:a","{event}",{{}}]"#));
    s.socket.handle_frame(s.now, transport, frame);
}

fn next(s: &mut Script) -> String {
    match s.socket.poll_event() {
        Some(Event::Message { event, .. }) => event.to_string(),
        Some(Event::EventsLost { count, .. }) => format!("{count} lost"),
        other => format!("{other:?}"),
    }
}

#[test]
fn it_is_reported_before_what_came_after() {
    let (mut s, _) = Script::joined(quiet_but(|config| config.max_events = 2), "room:a");
    for event in ["a", "b", "c", "d"] {
        message(&mut s, event);
    }
    assert_eq!(next(&mut s), "a");
    message(&mut s, "e");
    assert_eq!([next(&mut s), next(&mut s), next(&mut s)], ["b", "2 lost", "e"]);
    assert_eq!(next(&mut s), "None");
}

#[test]
fn a_consumer_that_never_catches_up_gets_it_too() {
    let (mut s, _) = Script::joined(quiet_but(|config| config.max_events = 2), "room:a");
    let (mut seen, mut lost) = (0, 0);
    for _ in 0..100 {
        for _ in 0..3 {
            message(&mut s, "news");
        }
        match s.socket.poll_event() {
            Some(Event::EventsLost { count, .. }) => lost += count,
            Some(_) => seen += 1,
            None => panic!("there is always something"),
        }
    }
    let mut waiting = 0;
    while let Some(event) = s.socket.poll_event() {
        match event {
            Event::EventsLost { count, .. } => lost += count,
            _ => seen += 1,
        }
        waiting += 1;
    }
    assert!(waiting <= 4, "{waiting} waited");
    assert_eq!(seen + lost, 300);
    assert_eq!(s.socket.counters().events_lost, lost);
}

#[test]
fn what_waits_is_bounded_in_bytes_too() {
    let (mut s, _) = Script::joined(quiet_but(|config| config.max_event_bytes = 100), "room:a");
    let transport = s.transport();
    let large = format!(r#"[null,null,"room:a","large",["{}"]]"#, "x".repeat(200));
    // A single event of any size fits, but no other one beside it.
    for frame in [large.as_str(), &large, "garbage"] {
        s.socket.handle_frame(s.now, transport, Frame::text(frame.to_owned()));
    }
    assert_eq!([next(&mut s), next(&mut s), next(&mut s)], ["large", "2 lost", "None"]);
    for _ in 0..40 {
        message(&mut s, "12345678");
    }
    let mut taken = 0;
    while let Some(Event::Message { .. }) = s.socket.poll_event() {
        taken += 1;
    }
    assert_eq!(taken, 10, "of 8 bytes for the event and 2 for the payload each");
}

#[test]
fn a_flood_takes_no_place_of_the_end() {
    let mut config = quiet();
    config.max_events = 3;
    config.max_channels = 100;
    let mut s = Script::open(config);
    for number in 0..100 {
        s.join_ok(&format!("room:{number}"));
    }
    let transport = s.transport();
    for _ in 0..10 {
        let frame = Frame::text(r#"[null,null,"room:1","news",{}]"#);
        s.socket.handle_frame(s.now, transport, frame);
    }
    s.socket.handle_closed(s.now, transport, CloseCause::io(""));
    let (mut errored, mut closed) = (0, 0);
    while let Some(event) = s.socket.poll_event() {
        errored += usize::from(matches!(event, Event::ChannelErrored { .. }));
        closed += usize::from(matches!(event, Event::Closed { .. }));
    }
    assert_eq!((errored, closed), (100, 1));
    assert_eq!(s.socket.counters().events_lost, 7);
}

#[test]
fn states_have_separate_places_and_no_more() {
    let mut config = quiet();
    config.max_events = 3;
    config.max_channels = 2;
    let mut s = Script::new(config);
    s.socket.connect(s.now);
    for _ in 0..10 {
        // Each reports a replaced attempt.
        while s.socket.poll_action().is_some() {}
        s.socket.reconnect_now(s.now);
    }
    let mut reported = 0;
    while let Some(Event::Closed { .. }) = s.socket.poll_event() {
        reported += 1;
    }
    assert_eq!(reported, 7, "three, and two for each channel");
    assert_eq!(s.socket.counters().events_lost, 3);
}
