//! Clients over long-poll against the server in memory, under virtual time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use phx_client::{Channel, ChannelState, ConnectionState, Socket, StreamItem, TransportKind};
use phx_proto::{Config, Event, Outcome, Payload};
use phx_testing::in_memory::{Link, VirtualTime};
use phx_testing::{
    Connectivity, HttpServer, PhoenixVersion, ServerBuilder, Simulation, UpgradeRejection,
    demo_server,
};
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);

fn world(server: ServerBuilder) -> (VirtualTime, Link) {
    let time = VirtualTime::new();
    let link = time.link(server.build());
    (time, link)
}

async fn connected(link: &Link) -> Socket {
    link.socket().transport(TransportKind::LongPoll).connect().await.unwrap()
}

async fn joined(link: &Link) -> Channel {
    connected(link).await.channel("room:a").join().await.unwrap()
}

fn seconds(time: &VirtualTime) -> u64 {
    time.now().since_epoch().as_secs()
}

fn shout(link: &Link, payload: &Value) {
    let payload = Payload::json(payload).unwrap();
    link.with_server(|server, now| server.broadcast(now, "room:a", "shout", payload));
}

#[test]
fn requests_take_the_time_that_frames_take() {
    let (time, link) = world(demo_server());
    time.run(async {
        link.set_latency(SECOND / 2);
        let room = joined(&link).await;
        let reply: Value = room.push("echo", &json!({ "a": 1 })).await.unwrap();
        assert_eq!(reply, json!({ "a": 1 }));
        assert_eq!(seconds(&time), 3);
    });
}

#[test]
fn every_release_carries_a_session() {
    for version in [PhoenixVersion::new(1, 7, 24), PhoenixVersion::default()] {
        let (time, link) = world(demo_server().version(version));
        time.run(async {
            let room = joined(&link).await;
            for n in 0..3 {
                let reply: u32 = room.push("echo", &n).await.unwrap();
                assert_eq!(reply, n);
            }
            // Longer than an idle WebSocket lives.
            time.sleep(300 * SECOND).await;
            let _: Value = room.push("echo", &()).await.unwrap();
        });
        // Of a release that reads no header, one session is left over, which ends without polls.
        assert_eq!(link.with_server(|server, _| server.sockets().count()), 1, "{version:?}");
    }
}

#[test]
fn many_pushes_have_one_outcome_each() {
    let (time, link) = world(demo_server());
    time.run(async {
        link.set_latency(SECOND / 10);
        let room = joined(&link).await;
        let pushes: Vec<_> = (0..900).map(|n| room.push("echo", &n)).collect();
        for (n, push) in pushes.into_iter().enumerate() {
            let reply: usize = push.await.unwrap();
            assert_eq!(reply, n);
        }
    });
}

#[test]
fn a_cut_is_a_gap_and_the_session_goes_on() {
    for server in [HttpServer::Bandit, HttpServer::Cowboy] {
        let (time, link) = world(demo_server().http_server(server));
        time.run(async {
            let room = joined(&link).await;
            let mut shouts = room.on::<Value>("shout");
            time.sleep(SECOND).await;
            let session = link.server_socket();
            link.cut();
            shout(&link, &json!(1));
            assert!(matches!(shouts.next().await, Some(StreamItem::Gap)));
            assert!(matches!(shouts.next().await, Some(StreamItem::Message(_))));
            assert_eq!(link.server_socket(), session, "no other session");
        });
    }
}

/// Where a poll must be given up, Bandit gives what comes to its request, and it is lost.
#[test]
fn messages_for_a_poll_that_a_disconnect_gave_up_are_a_gap() {
    let (time, link) = world(demo_server());
    time.run(async {
        let socket = connected(&link).await;
        let room = socket.channel("room:a").join().await.unwrap();
        let mut shouts = room.on::<Value>("shout");
        time.sleep(SECOND).await;
        socket.disconnect().await;
        shout(&link, &json!("lost"));
        socket.connect().await.unwrap();
        assert!(matches!(shouts.next().await, Some(StreamItem::Gap)));
        shout(&link, &json!("kept"));
        let Some(StreamItem::Message(message)) = shouts.next().await else { panic!() };
        assert_eq!(message, "kept");
    });
}

#[test]
fn messages_for_a_poll_that_a_switch_gave_up_are_a_gap() {
    let (time, link) = world(demo_server());
    time.run(async {
        link.swallow_frames(true);
        let socket = link.socket().long_poll_fallback(SECOND).connect().await.unwrap();
        let room = socket.channel("room:a").join().await.unwrap();
        assert_eq!(socket.transport(), Some(TransportKind::LongPoll));
        let mut shouts = room.on::<Value>("shout");
        time.sleep(SECOND).await;
        link.swallow_frames(false);
        // Longer than the session goes on behind the poll that was given up.
        link.set_latency(SECOND / 10);
        socket.retry_web_socket();
        time.sleep(SECOND / 20).await;
        shout(&link, &json!("lost"));
        assert!(matches!(shouts.next().await, Some(StreamItem::Gap)));
        assert_eq!(socket.transport(), Some(TransportKind::WebSocket));
        shout(&link, &json!("kept"));
        let Some(StreamItem::Message(message)) = shouts.next().await else { panic!() };
        assert_eq!(message, "kept");
    });
}

#[test]
fn no_poll_is_given_up_while_the_session_goes_on() {
    let (time, link) = world(demo_server());
    time.run(async {
        let room = joined(&link).await;
        let mut shouts = room.on::<u32>("shout");
        let session = link.server_socket();
        // Pushes, replies and idle times of all lengths: each message has a poll that waits for it.
        for n in 0..60 {
            time.sleep(SECOND / 4 * (n % 50)).await;
            if n % 3 == 0 {
                let _: u32 = room.push("echo", &n).await.unwrap();
            }
            shout(&link, &json!(n));
            let item = shouts.next().await;
            assert!(matches!(item, Some(StreamItem::Message(m)) if m == n), "{item:?}");
        }
        assert_eq!(link.server_socket(), session);
    });
}

#[test]
fn the_end_of_a_channel_comes_as_over_a_websocket() {
    let (time, link) = world(demo_server());
    time.run(async {
        let socket = connected(&link).await;
        let stopped = socket.channel("room:a").join().await.unwrap();
        let crashed = socket.channel("room:b").join().await.unwrap();
        stopped.push_without_reply("stop", &json!({})).await.unwrap();
        crashed.push_without_reply("crash", &json!({})).await.unwrap();
        let mut status = stopped.status();
        while status.next().await != Some(ChannelState::Closed) {}
        let mut status = crashed.status();
        while status.next().await != Some(ChannelState::Errored) {}
        while status.next().await != Some(ChannelState::Joined) {}
        assert!(seconds(&time) < 2);
    });
}

#[test]
fn messages_that_an_error_lost_are_a_gap() {
    let (time, link) = world(demo_server());
    time.run(async {
        let room = joined(&link).await;
        let mut shouts = room.on::<Value>("shout");
        time.sleep(SECOND).await;
        link.with_server(|server, _| server.fail_next_poll());
        shout(&link, &json!("lost"));
        assert!(matches!(shouts.next().await, Some(StreamItem::Gap)));
        shout(&link, &json!("kept"));
        let Some(StreamItem::Message(message)) = shouts.next().await else { panic!() };
        assert_eq!(message, "kept");
        assert_eq!(seconds(&time), 1);
    });
}

#[test]
fn a_session_that_the_server_ended_is_found_out_by_the_next_poll() {
    let (time, link) = world(demo_server());
    time.run(async {
        let room = joined(&link).await;
        let mut shouts = room.on::<Value>("shout");
        time.sleep(SECOND).await;
        link.with_server(|server, now| server.drain(now));
        let item = time.wait_for("the rejoin", 20 * SECOND, shouts.next()).await;
        assert!(matches!(item, Some(StreamItem::Gap)));
        // The poll's end, and two answers 410.
        assert!((12..18).contains(&seconds(&time)), "{}", seconds(&time));
        let reply: u32 = room.push("echo", &7).await.unwrap();
        assert_eq!(reply, 7);
    });
}

#[test]
fn a_busy_session_loses_nothing() {
    let (time, link) = world(demo_server());
    time.run(async {
        let room = joined(&link).await;
        let mut shouts = room.on::<Value>("shout");
        time.sleep(SECOND).await;
        let session = link.server_socket().unwrap();
        // The poll's end falls into the time.
        time.sleep(7 * SECOND).await;
        link.with_server(|server, now| server.keep_busy(now, session, 5 * SECOND));
        time.sleep(SECOND).await;
        shout(&link, &json!(1));
        let item = time.wait_for("the message", 10 * SECOND, shouts.next()).await;
        assert!(matches!(item, Some(StreamItem::Message(_))), "{item:?}");
        assert_eq!(link.server_socket(), Some(session));
    });
}

#[test]
fn the_polls_deadline_finds_a_half_open_connection() {
    let (time, link) = world(demo_server());
    time.run(async {
        let socket = connected(&link).await;
        link.half_open();
        let mut status = socket.status();
        while status.next().await == Some(ConnectionState::Open) {}
        assert_eq!(seconds(&time), 20);
        while status.next().await != Some(ConnectionState::Open) {}
        assert!(seconds(&time) < 25);
    });
}

#[test]
fn refusals_have_their_status() {
    for (refusal, status) in [(UpgradeRejection::new(401), 403), (UpgradeRejection::new(503), 503)]
    {
        let is_proxys = status == 503;
        let application = refusal.clone();
        let server = demo_server();
        let server =
            if is_proxys { server } else { server.connect(move |_| Err(application.clone())) };
        let (time, link) = world(server);
        time.run(async {
            if is_proxys {
                link.refuse_next(refusal);
            }
            let attempt = link
                .socket()
                .transport(TransportKind::LongPoll)
                .reconnect_policy(phx_client::ReconnectPolicy::never())
                .connect();
            let text = format!("{:?}", attempt.await.unwrap_err());
            assert!(text.contains(&status.to_string()), "{text}");
        });
    }
}

#[test]
fn attempts_fail_and_wait_as_over_a_websocket() {
    let (time, link) = world(demo_server());
    time.run(async {
        let attempt = || {
            link.socket()
                .transport(TransportKind::LongPoll)
                .reconnect_policy(phx_client::ReconnectPolicy::never())
                .connect()
        };
        link.set_connectivity(Connectivity::Offline);
        attempt().await.unwrap_err();
        assert_eq!(seconds(&time), 0);
        link.set_connectivity(Connectivity::Silent);
        attempt().await.unwrap_err();
        assert_eq!(seconds(&time), 20);
        // A session whose connections are cut needs new ones.
        link.set_connectivity(Connectivity::Online);
        let socket = connected(&link).await;
        link.set_connectivity(Connectivity::Offline);
        link.cut();
        let mut status = socket.status();
        while status.next().await == Some(ConnectionState::Open) {}
    });
}

#[test]
fn a_dropped_socket_gives_its_requests_up() {
    let (time, link) = world(demo_server().http_server(HttpServer::Cowboy));
    time.run(async {
        let room = joined(&link).await;
        time.sleep(SECOND).await;
        assert_eq!(link.with_server(|server, _| server.waiting_polls()), 1);
        drop(room);
        time.sleep(SECOND).await;
        assert_eq!(link.with_server(|server, _| server.waiting_polls()), 0);
        time.sleep(30 * SECOND).await;
        assert_eq!(link.with_server(|server, _| server.sockets().count()), 0);
    });
}

#[test]
fn a_simulations_client_uses_the_transport_that_is_set() {
    let mut sim = Simulation::new(demo_server().build());
    let ann = sim.client(Config::default());
    sim.set_transport(ann, TransportKind::LongPoll);
    sim.set_latency(ann, SECOND / 10);
    let room = sim.with(ann, |socket, now| {
        socket.connect(now);
        let room = socket.channel("room:a", Payload::empty()).unwrap();
        socket.join(now, room, None).unwrap();
        room
    });
    let joined = |event: &Event| matches!(event, Event::Joined { .. });
    assert!(sim.find_event(ann, SECOND, joined).is_some());
    sim.with(ann, |socket, now| {
        for n in 0..300 {
            socket.push(now, room, "echo", Payload::json(&n).unwrap(), None).unwrap();
        }
    });
    for _ in 0..300 {
        let done = sim.find_event(ann, SECOND, |event| matches!(event, Event::RequestDone { .. }));
        assert!(matches!(done, Some(Event::RequestDone { outcome: Outcome::Reply { .. }, .. })));
    }
    // Three POSTs of a hundred, and the poll behind the first reply to the last.
    assert_eq!(sim.now().since_epoch(), Duration::from_millis(1_200));

    // The poll waits again by then.
    sim.advance(SECOND);
    sim.cut(ann);
    let lost = |event: &Event| matches!(event, Event::MessagesLost { .. });
    assert!(sim.find_event(ann, SECOND, lost).is_some());

    // A machine that sleeps doesn't poll: its session ends.
    sim.suspend(ann);
    sim.advance(60 * SECOND);
    assert_eq!(sim.server().sockets().count(), 0);
    sim.wake(ann);
    let rejoined = |event: &Event| matches!(event, Event::Joined { rejoined: true, .. });
    assert!(sim.find_event(ann, 30 * SECOND, rejoined).is_some());

    // The next transport is of the other kind.
    sim.set_transport(ann, TransportKind::WebSocket);
    sim.with_server(|server, now| server.drain(now));
    assert!(sim.find_event(ann, 60 * SECOND, rejoined).is_some());
    sim.cut(ann);
    assert!(sim.find_event(ann, 60 * SECOND, rejoined).is_some());
}

#[test]
fn a_socket_falls_back_where_websockets_open_and_carry_nothing() {
    let transports = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&transports);
    let server = demo_server().connect(move |info| {
        notes.lock().unwrap().push(info.transport());
        Ok(None)
    });
    let (time, link) = world(server);
    time.run(async {
        link.swallow_frames(true);
        let socket = link.socket().long_poll_fallback(2 * SECOND).connect().await.unwrap();
        let room = socket.channel("room:a").join().await.unwrap();
        assert_eq!(seconds(&time), 2);
        let reply: u32 = room.push("echo", &1).await.unwrap();
        assert_eq!(reply, 1);
        assert_eq!(
            *transports.lock().unwrap(),
            [TransportKind::WebSocket, TransportKind::LongPoll]
        );
    });
}
