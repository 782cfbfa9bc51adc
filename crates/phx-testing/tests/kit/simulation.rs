//! The client core and the server in one process, and the faults between them.

mod faults;

use std::time::Duration;

use phx_proto::{
    ChannelId, CloseCause, CloseCode, Config, ConnectionState, Event, Outcome, Payload, Status,
};
use phx_testing::{ClientId, Connectivity, Simulation, UpgradeRejection, demo_server};

const SECOND: Duration = Duration::from_secs(1);

fn joined() -> (Simulation, ClientId, ChannelId) {
    let mut sim = Simulation::new(demo_server().build());
    let (ann, room) = join(&mut sim);
    (sim, ann, room)
}

fn join(sim: &mut Simulation) -> (ClientId, ChannelId) {
    let client = sim.client(Config::phoenix_cr());
    let room = sim.with(client, |socket, now| {
        socket.connect(now);
        let room = socket.channel("room:lobby", Payload::empty()).unwrap();
        socket.join(now, room, None).unwrap();
        room
    });
    assert!(sim.find_event(client, SECOND, |it| matches!(it, Event::Joined { .. })).is_some());
    sim.events(client);
    (client, room)
}

fn push(sim: &mut Simulation, client: ClientId, room: ChannelId, event: &'static str, n: u32) {
    let payload = Payload::json(&n).unwrap();
    sim.with(client, |socket, now| socket.push(now, room, event, payload, None)).unwrap();
}

fn outcome(sim: &mut Simulation, client: ClientId, within: Duration) -> Option<Outcome> {
    let done = |event: &Event| matches!(event, Event::RequestDone { .. });
    match sim.find_event(client, within, done)? {
        Event::RequestDone { outcome, .. } => Some(outcome),
        _ => None,
    }
}

fn closed(sim: &mut Simulation, client: ClientId, within: Duration) -> Option<CloseCause> {
    match sim.find_event(client, within, |event| matches!(event, Event::Closed { .. }))? {
        Event::Closed { cause, .. } => Some(cause),
        _ => None,
    }
}

#[test]
fn nothing_takes_time_without_latency() {
    let (mut sim, ann, room) = joined();
    push(&mut sim, ann, room, "echo", 1);
    assert!(outcome(&mut sim, ann, Duration::ZERO).is_some());
    assert_eq!(sim.now(), phx_proto::Instant::EPOCH);
}

#[test]
fn latency_counts_both_ways() {
    let (mut sim, ann, room) = joined();
    sim.set_latency(ann, Duration::from_millis(30));
    push(&mut sim, ann, room, "echo", 1);
    let reply = outcome(&mut sim, ann, SECOND);
    assert!(matches!(reply, Some(Outcome::Reply { status: Status::Ok, .. })), "{reply:?}");
    assert_eq!(sim.now().since_epoch(), Duration::from_millis(60));
}

#[test]
fn an_hour_of_heartbeats_takes_no_time() {
    let (mut sim, ann, _) = joined();
    sim.advance(3600 * SECOND);
    assert_eq!(sim.socket(ann).connection_state(), ConnectionState::Open);
    assert!(sim.frames_sent(ann).len() > 119);
}

#[test]
fn without_heartbeats_the_server_closes_after_a_minute() {
    let mut config = Config::phoenix_cr();
    config.heartbeat_interval = None;
    let mut sim = Simulation::new(demo_server().build());
    let ann = sim.client(config);
    sim.with(ann, |socket, now| socket.connect(now));
    let cause = closed(&mut sim, ann, 61 * SECOND).unwrap();
    assert_eq!(cause.code(), CloseCode::from_u16(1002));
    assert_eq!(sim.now().since_epoch(), 60 * SECOND);
}

#[test]
fn a_broadcast_reaches_the_others() {
    let (mut sim, ann, room) = joined();
    let (bob, _) = join(&mut sim);
    push(&mut sim, ann, room, "whisper", 1);
    let whisper =
        |event: &Event| matches!(event, Event::Message { event, .. } if event == "whisper");
    assert!(sim.find_event(bob, SECOND, whisper).is_some());
    assert!(!sim.events(ann).iter().any(whisper));
}

#[test]
fn both_sides_notice_a_cut() {
    let (mut sim, ann, _) = joined();
    sim.cut(ann);
    assert!(matches!(closed(&mut sim, ann, Duration::ZERO), Some(CloseCause::Io { .. })));
    assert_eq!(sim.server().sockets().count(), 0);
    let rejoined = |event: &Event| matches!(event, Event::Joined { rejoined: true, .. });
    assert!(sim.find_event(ann, 2 * SECOND, rejoined).is_some());
}

#[test]
fn a_half_open_connection_ends_by_heartbeat_here_and_by_idle_timeout_there() {
    let (mut sim, ann, _) = joined();
    sim.half_open(ann);
    let cause = closed(&mut sim, ann, 41 * SECOND);
    assert_eq!(cause, Some(CloseCause::HeartbeatTimedOut));
    assert_eq!(sim.now().since_epoch(), 40 * SECOND);
    sim.advance(2 * SECOND);
    assert_eq!(sim.server().sockets().count(), 2);
    sim.advance(20 * SECOND);
    assert_eq!(sim.server().sockets().count(), 1);
}

#[test]
fn what_was_held_back_arrives_in_order() {
    let (mut sim, ann, room) = joined();
    let (bob, _) = join(&mut sim);
    sim.stall(ann);
    push(&mut sim, ann, room, "shout", 1);
    push(&mut sim, ann, room, "whisper", 1);
    sim.advance(SECOND);
    assert!(sim.events(bob).is_empty());
    sim.resume(ann);
    let names: Vec<String> = sim
        .events(bob)
        .into_iter()
        .map(|event| match event {
            Event::Message { event, .. } => event.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names, ["shout", "whisper"]);
}

#[test]
fn a_refused_connection_says_why() {
    let mut sim = Simulation::new(demo_server().build());
    let ann = sim.client(Config::phoenix_cr());
    sim.refuse_next(
        ann,
        UpgradeRejection::new(429).with_header("Retry-After", "7").with_body("slow down"),
    );
    sim.with(ann, |socket, now| socket.connect(now));
    let Some(CloseCause::UpgradeRejected(refusal)) = closed(&mut sim, ann, SECOND) else {
        panic!("not refused")
    };
    assert_eq!((refusal.status, refusal.retry_after), (429, Some(7 * SECOND)));
    assert_eq!(refusal.body, "slow down");
    let opened = |event: &Event| matches!(event, Event::Opened { .. });
    assert!(sim.find_event(ann, 10 * SECOND, opened).is_some());
}

#[test]
fn silence_ends_by_the_connect_timeout() {
    let mut sim = Simulation::new(demo_server().build());
    let ann = sim.client(Config::phoenix_cr());
    sim.set_connectivity(ann, Connectivity::Silent);
    sim.with(ann, |socket, now| socket.connect(now));
    assert_eq!(closed(&mut sim, ann, 60 * SECOND), Some(CloseCause::ConnectTimedOut));
    sim.set_connectivity(ann, Connectivity::Offline);
    assert!(matches!(closed(&mut sim, ann, 60 * SECOND), Some(CloseCause::ConnectFailed { .. })));
}

#[test]
fn a_disconnect_ends_on_both_sides() {
    let (mut sim, ann, _) = joined();
    sim.with(ann, |socket, now| socket.disconnect(now, CloseCode::NORMAL, "bye")).unwrap();
    assert_eq!(sim.server().sockets().count(), 0);
    assert_eq!(sim.socket(ann).connection_state(), ConnectionState::Closed);
}

#[test]
fn a_connection_replaced_while_frames_fly_ends_on_the_server_too() {
    let (mut sim, ann, _) = joined();
    sim.set_latency(ann, Duration::from_millis(50));
    assert!(sim.with(ann, |socket, now| socket.reconnect_now(now)));
    sim.advance(SECOND);
    assert_eq!(sim.server().sockets().count(), 1);
    assert_eq!(sim.socket(ann).connection_state(), ConnectionState::Open);
}
