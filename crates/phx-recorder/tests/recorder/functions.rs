//! What functions of the caller decided is in the recording, and isn't called in a replay.

use std::time::Duration;

use phx_proto::{
    Action, Backoff, CloseCause, ClosePolicy, Config, Frame, Instant, Payload, Reconnect,
    ReconnectPolicy, Rejoin, RejoinPolicy, Socket, Status,
};
use phx_recorder::{RecordingOptions, Ring, RingLimits, replay};

use crate::session::drain;

fn config() -> Config {
    let mut config = Config::default();
    config.reconnect_policy = ReconnectPolicy::function(|cause, _| {
        if cause.code().as_u16() == 4001 { Reconnect::Stop } else { Reconnect::Backoff }
    });
    // It looks into the payload, of which the recording has the length.
    config.rejoin_policy =
        RejoinPolicy::function(|rejection| match rejection.reason().as_deref() {
            Some("full") => Rejoin::After(Duration::from_secs(60)),
            _ => Rejoin::Stop,
        });
    config.close_policy = ClosePolicy::function(|payload| match payload.reason().as_deref() {
        Some("over") => Rejoin::Stop,
        _ => Rejoin::Backoff,
    });
    config.reconnect = Backoff::function(|tries| Duration::from_millis(u64::from(tries) * 7));
    config.rejoin =
        Backoff::function(|tries| Duration::from_millis(u64::from(tries))).with_jitter_percent(50);
    config
}

fn connect(socket: &mut Socket, now: Instant) -> phx_proto::TransportId {
    socket.connect(now);
    let Some(Action::Connect { transport, .. }) = socket.poll_control() else { panic!() };
    socket.handle_opened(now, transport);
    transport
}

#[test]
fn their_decisions_are_replayed() {
    let ring = Ring::new(RingLimits::default());
    let mut socket = ring.record(config(), 7, RecordingOptions::default());
    let mut now = Instant::EPOCH;
    let transport = connect(&mut socket, now);
    for topic in ["full", "gone", "crowd"] {
        let channel = socket.channel(topic, Payload::empty()).unwrap();
        socket.join(now, channel, None).unwrap();
    }
    let mut answers = ["full", "gone"].into_iter();
    drain(&mut socket, now, &mut |_| {
        Some(match answers.next() {
            Some(reason) => {
                let response = format!("{{\"reason\":\"{reason}\"}}");
                (Status::Error, Payload::from_json_text(response).unwrap())
            }
            None => (Status::Ok, Payload::empty()),
        })
    });
    let closed = r#"[null,null,"crowd","phx_close",{"reason":"later"}]"#;
    socket.handle_frame(now, transport, Frame::text(closed));
    drain(&mut socket, now, &mut |_| None);
    for _ in 0..3 {
        now = socket.poll_timeout().unwrap();
        socket.handle_timeout(now);
        drain(&mut socket, now, &mut |_| Some((Status::Ok, Payload::empty())));
    }
    socket.handle_closed(now, transport, CloseCause::io(""));
    drain(&mut socket, now, &mut |_| None);
    while let Some(at) = socket.poll_timeout().filter(|at| *at < now + Duration::from_secs(200)) {
        socket.handle_timeout(at);
        drain(&mut socket, at, &mut |_| None);
    }
    drop(socket);
    let recording = String::from_utf8(ring.dump()).unwrap();
    for decided in
        ["reconnect\":\"backoff", "rejoin\":{\"after", "rejoin\":\"stop", "close\":\"backoff"]
    {
        assert!(recording.contains(&format!("{{\"decided\":{{\"{decided}")), "{decided}");
    }
    assert!(recording.contains("reconnect_delay") && recording.contains("rejoin_delay"));
    assert!(replay(recording.as_bytes()).unwrap().is_complete);
}
