//! What functions of the caller decided is in the recording, and isn't called in a replay.

use std::sync::Arc;
use std::time::Duration;

use phx_proto::{
    Action, Backoff, CloseCause, ClosePolicy, Config, DecodeError, EncodeError, Frame, Instant,
    Message, Payload, Reconnect, ReconnectPolicy, Rejoin, RejoinPolicy, Serializer, Socket, Status,
    V2,
};
use phx_recorder::{Payloads, RecordingOptions, Ring, RingLimits, replay, replay_with};

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

/// A serializer that looks into payloads.
#[derive(Debug)]
struct Picky;

impl Serializer for Picky {
    fn vsn(&self) -> &str {
        V2.vsn()
    }

    fn encode(&self, message: &Message) -> Result<Frame, EncodeError> {
        self.check(message)?;
        V2.encode(message)
    }

    fn check(&self, message: &Message) -> Result<(), EncodeError> {
        if message.payload.as_json().is_some_and(|text| text.contains("bad")) {
            return Err(EncodeError::Custom("a bad payload".to_owned()));
        }
        match message.payload.as_json() {
            Some(text) if message.event == "say" && !text.contains("good") => {
                Err(EncodeError::Custom("no good payload".to_owned()))
            }
            _ => V2.check(message),
        }
    }

    fn decode(&self, frame: Frame) -> Result<Message, DecodeError> {
        V2.decode(frame)
    }
}

#[test]
fn a_serializer_that_looks_into_payloads_decides_as_it_did() {
    for payloads in [Payloads::Length, Payloads::Hashed, Payloads::Whole] {
        let mut config = Config::default();
        config.serializer = Arc::new(Picky);
        let ring = Ring::new(RingLimits::default());
        let mut socket = ring.record(config, 7, RecordingOptions::default().payloads(payloads));
        let now = Instant::EPOCH;
        connect(&mut socket, now);
        let lobby = socket.channel("room:lobby", Payload::empty()).unwrap();
        socket.join(now, lobby, None).unwrap();
        drain(&mut socket, now, &mut |_| Some((Status::Ok, Payload::empty())));
        for (text, is_sent) in [("good", true), ("bad", false), ("neither", false), ("good", true)]
        {
            let payload = Payload::json(text).unwrap();
            assert_eq!(socket.push(now, lobby, "say", payload, None).is_ok(), is_sent, "{text}");
            drain(&mut socket, now, &mut |_| Some((Status::Ok, Payload::empty())));
        }
        assert_eq!(socket.counters().pushes, 2);
        drop(socket);
        let replayed = replay_with(&ring.dump()[..], Arc::new(Picky)).unwrap();
        assert!(replayed.is_complete, "{replayed:?}");
    }
}
