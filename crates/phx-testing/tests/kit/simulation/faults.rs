//! Each fault of a simulation has its effect, and no other one.

use std::time::Duration;

use phx_proto::{
    ChannelErrorCause, CloseCause, Config, Event, Frame, Instant, Outcome, Payload, Status,
};
use phx_testing::{ClientId, Connectivity, Simulation, UpgradeRejection, demo_server};

use super::{SECOND, join, joined, push};

/// Returns the numbers of the client's messages with their times, until nothing happens for a while.
fn numbers(sim: &mut Simulation, client: ClientId, until: Instant) -> Vec<(u32, Duration)> {
    let mut numbers = Vec::new();
    loop {
        for event in sim.events(client) {
            if let Event::Message { payload, .. } = event {
                numbers.push((payload.decode().unwrap(), sim.now().since_epoch()));
            }
        }
        if !sim.step(until) {
            return numbers;
        }
    }
}

#[test]
fn jitter_spreads_arrivals_and_keeps_their_order() {
    let (mut sim, ann, room) = joined();
    sim.set_jitter(ann, Duration::from_millis(100));
    for n in 0..50 {
        push(&mut sim, ann, room, "shout", n);
    }
    let end = sim.now() + SECOND;
    let (order, times): (Vec<_>, Vec<_>) = numbers(&mut sim, ann, end).into_iter().unzip();
    assert_eq!(order, (0..50).collect::<Vec<_>>());
    assert!(times.is_sorted());
    let spread = *times.last().unwrap() - times[0];
    assert!(spread > Duration::from_millis(10), "{spread:?}");
    assert!(*times.last().unwrap() <= Duration::from_millis(200), "there and back: {times:?}");
}

#[test]
fn late_replies_to_heartbeats_are_overtaken_by_all_else() {
    let (mut sim, ann, room) = joined();
    sim.set_heartbeats_late_by(ann, SECOND);
    sim.with(ann, |socket, now| socket.ping(now)).unwrap();
    push(&mut sim, ann, room, "shout", 1);
    let start = sim.now();
    assert_eq!(numbers(&mut sim, ann, start), [(1, start.since_epoch())]);
    let pong = sim.find_event(ann, SECOND, |it| matches!(it, Event::Pong { .. }));
    assert!(matches!(pong, Some(Event::Pong { round_trip: Some(SECOND), .. })), "{pong:?}");
    sim.heal(ann);
    sim.with(ann, |socket, now| socket.ping(now)).unwrap();
    let pong = sim.find_event(ann, Duration::ZERO, |it| matches!(it, Event::Pong { .. }));
    assert!(pong.is_some());
}

#[test]
fn jitter_lets_connections_overtake_each_other() {
    let (mut sim, ann, _) = joined();
    let (bob, room) = join(&mut sim);
    sim.set_jitter(ann, Duration::from_millis(100));
    sim.set_jitter(bob, Duration::from_millis(100));
    let mut ann_was_first = 0;
    for n in 0..40 {
        push(&mut sim, bob, room, "shout", n);
        let end = sim.now() + SECOND;
        let mut first = None;
        while first.is_none() && sim.step(end) {
            first = [ann, bob].into_iter().find(|client| !sim.events(*client).is_empty());
        }
        ann_was_first += u32::from(first == Some(ann));
        sim.advance(SECOND);
        sim.events(ann);
        sim.events(bob);
    }
    assert!((5..35).contains(&ann_was_first), "{ann_was_first} of 40");
}

#[test]
fn a_connection_is_cut_after_the_given_frames() {
    let (mut sim, ann, room) = joined();
    sim.cut_after(ann, 3);
    push(&mut sim, ann, room, "echo", 1);
    assert_eq!(outcomes(&mut sim, ann), ["reply"], "a push and its reply");
    push(&mut sim, ann, room, "echo", 2);
    assert_eq!(outcomes(&mut sim, ann), ["disconnected"], "its reply was the fourth frame");
}

fn outcomes(sim: &mut Simulation, client: ClientId) -> Vec<&'static str> {
    let events = sim.events(client).into_iter();
    let outcomes = events.filter_map(|event| match event {
        Event::RequestDone { outcome: Outcome::Reply { status: Status::Ok, .. }, .. } => {
            Some("reply")
        }
        Event::RequestDone { outcome: Outcome::Disconnected, .. } => Some("disconnected"),
        Event::RequestDone { .. } => Some("other"),
        _ => None,
    });
    outcomes.collect()
}

#[test]
fn a_frame_to_the_client_is_altered_once() {
    let (mut sim, ann, room) = joined();
    sim.alter_next_received(ann, |_| Frame::text("[null,"));
    for n in 1..=2 {
        push(&mut sim, ann, room, "shout", n);
    }
    let events = sim.events(ann);
    let [Event::Malformed { .. }, Event::Message { payload, .. }] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(payload.decode::<u32>().unwrap(), 2);
}

#[test]
fn a_frame_to_the_server_is_altered_once() {
    let (mut sim, ann, room) = joined();
    sim.alter_next_sent(ann, |_| Frame::text("["));
    push(&mut sim, ann, room, "echo", 1);
    let closed = sim.find_event(ann, SECOND, |event| matches!(event, Event::Closed { .. }));
    let Some(Event::Closed { cause: CloseCause::Frame { code, .. }, .. }) = closed else {
        panic!("{closed:?}");
    };
    assert_eq!(code.as_u16(), 1011);
    let rejoined = |event: &Event| matches!(event, Event::Joined { rejoined: true, .. });
    assert!(sim.find_event(ann, 5 * SECOND, rejoined).is_some());
}

#[test]
fn a_suspended_client_sees_nothing_until_it_wakes() {
    let (mut sim, ann, room) = joined();
    let (bob, bobs) = join(&mut sim);
    push(&mut sim, ann, room, "echo", 0);
    sim.events(ann);
    sim.suspend(ann);
    push(&mut sim, bob, bobs, "shout", 1);
    sim.advance(10 * SECOND);
    assert_eq!(sim.events(ann), []);
    sim.wake(ann);
    assert!(matches!(&sim.events(ann)[..], [Event::Message { .. }]));
}

#[test]
fn a_suspended_client_sends_nothing_until_it_wakes() {
    let (mut sim, ann, room) = joined();
    let _joining = sim.frames_sent(ann);
    sim.block_sends(ann);
    push(&mut sim, ann, room, "echo", 1);
    sim.suspend(ann);
    sim.unblock_sends(ann);
    assert_eq!(sim.frames_sent(ann), []);
    sim.wake(ann);
    assert_eq!(outcomes(&mut sim, ann), ["reply"]);
}

#[test]
fn a_client_that_slept_for_an_hour_knows_it_when_it_wakes() {
    let (mut sim, ann, _) = joined();
    sim.suspend(ann);
    sim.advance(3600 * SECOND);
    sim.frames_sent(ann);
    sim.wake(ann);
    let closed = sim.find_event(ann, Duration::ZERO, |it| matches!(it, Event::Closed { .. }));
    assert!(closed.is_some());
    assert_eq!(sim.frames_sent(ann), [], "no heartbeats of the past hour");
}

#[test]
#[should_panic(expected = "suspended")]
fn a_suspended_client_cant_be_called() {
    let (mut sim, ann, _) = joined();
    sim.suspend(ann);
    sim.with(ann, |socket, now| socket.connect(now));
}

#[test]
fn a_clock_set_ahead_fires_what_is_due_by_it() {
    let mut sim = Simulation::new(demo_server().build());
    let ann = sim.client(Config::phoenix_cr());
    sim.with(ann, |socket, now| {
        let room = socket.channel("room:lobby", Payload::empty()).unwrap();
        socket.join(now, room, Some(5 * SECOND)).unwrap();
    });
    sim.set_clock_ahead(ann, 4 * SECOND);
    assert_eq!(sim.events(ann), []);
    sim.set_clock_ahead(ann, SECOND);
    let timed_out =
        |event: &Event| matches!(event, Event::RequestDone { outcome: Outcome::TimedOut, .. });
    assert!(sim.events(ann).iter().any(timed_out));
    assert_eq!(sim.now(), Instant::EPOCH);
}

#[test]
fn a_clock_set_back_delays_what_it_decides() {
    let mut sim = Simulation::new(demo_server().build());
    let ann = sim.client(Config::phoenix_cr());
    sim.advance(10 * SECOND);
    sim.with(ann, |socket, now| {
        let room = socket.channel("room:lobby", Payload::empty()).unwrap();
        socket.join(now, room, Some(5 * SECOND)).unwrap();
    });
    sim.set_clock_back(ann, 2 * SECOND);
    let timed_out = |event: &Event| {
        matches!(event, Event::JoinFailed { cause: ChannelErrorCause::TimedOut, .. })
            || matches!(event, Event::RequestDone { outcome: Outcome::TimedOut, .. })
    };
    assert!(sim.find_event(ann, 6 * SECOND, timed_out).is_none());
    assert!(sim.find_event(ann, SECOND, timed_out).is_some());
}

#[test]
fn a_transport_that_takes_nothing_holds_back_what_is_sent() {
    let (mut sim, ann, room) = joined();
    let _joining = sim.frames_sent(ann);
    sim.block_sends(ann);
    push(&mut sim, ann, room, "echo", 1);
    assert_eq!(sim.frames_sent(ann), []);
    assert_eq!(outcomes(&mut sim, ann), Vec::<&str>::new());
    sim.unblock_sends(ann);
    assert_eq!(outcomes(&mut sim, ann), ["reply"]);
    // It can still be closed: the heartbeat has no answer, since it can't be sent.
    sim.block_sends(ann);
    let died =
        |event: &Event| matches!(event, Event::Closed { cause: CloseCause::HeartbeatTimedOut, .. });
    assert!(sim.find_event(ann, 60 * SECOND, died).is_some());
}

#[test]
fn a_healed_client_has_no_fault_that_lasts_or_waits() {
    let (mut sim, ann, room) = joined();
    sim.set_latency(ann, SECOND);
    sim.set_jitter(ann, SECOND);
    sim.set_connectivity(ann, Connectivity::Offline);
    sim.refuse_next(ann, UpgradeRejection::new(403));
    sim.alter_next_received(ann, |_| Frame::text("["));
    sim.alter_next_sent(ann, |_| Frame::text("["));
    sim.cut_after(ann, 0);
    sim.stall(ann);
    sim.block_sends(ann);
    sim.suspend(ann);
    sim.heal(ann);
    push(&mut sim, ann, room, "echo", 1);
    assert_eq!(outcomes(&mut sim, ann), ["reply"]);
    sim.with(ann, |socket, now| socket.reconnect_now(now));
    let rejoined = |event: &Event| matches!(event, Event::Joined { rejoined: true, .. });
    assert!(sim.find_event(ann, Duration::ZERO, rejoined).is_some());
}
