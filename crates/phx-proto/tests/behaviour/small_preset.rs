//! The preset for machines with little memory: its limits, and the memory that a socket takes at them.

use crate::common::Script;
use allocation_counter::measure;
use phx_proto::{
    CallError, ChannelId, Config, Event, Frame, Instant, Outcome, Payload, Presence,
    PresenceConfig, Socket,
};
use serde::de::IgnoredAny;

/// A payload with this many bytes of JSON text.
fn payload(len: usize) -> Payload {
    Payload::json(&"x".repeat(len - 2)).unwrap()
}

/// A message of the server with this many bytes.
fn message(topic: &str, len: usize) -> Frame {
    let head = format!(r#"[null,null,"{topic}","news",""#);
    Frame::text(format!("{head}{}\"]", "x".repeat(len - head.len() - 2)))
}

/// A script that joined a channel, with the settings of the preset.
fn joined() -> (Script, ChannelId) {
    let (mut s, a) = Script::joined(Config::small(), "sensor:1");
    s.stuck = true;
    (s, a)
}

#[test]
fn eight_pushes_of_a_channel_wait_and_a_ninth_is_refused() {
    let (mut s, a) = joined();
    for _ in 0..8 {
        s.try_push(a, "temperature", payload(64), None).unwrap();
    }
    let refused = s.try_push(a, "temperature", payload(64), None).unwrap_err();
    assert!(matches!(refused.reason, CallError::BufferFull { .. }), "{:?}", refused.reason);
    assert_eq!(refused.payload, payload(64));
    s.stuck = false;
    assert_eq!(s.actions().len(), 8);
}

#[test]
fn a_kibibyte_of_payloads_waits() {
    let (mut s, a) = joined();
    s.try_push(a, "temperature", payload(1013), None).unwrap(); // And 11 of the name.
    let refused = s.try_push(a, "temperature", payload(3), None).unwrap_err().reason;
    assert!(matches!(refused, CallError::TooManyBytes { .. }), "{refused:?}");
}

#[test]
fn a_frame_of_a_kibibyte_is_decoded_and_a_longer_one_is_not() {
    let (mut s, _) = joined();
    s.frame(message("sensor:1", 1 << 10));
    assert!(s.events()[0].starts_with("sensor:1 news"));
    s.frame(message("sensor:1", (1 << 10) + 1));
    assert_eq!(s.events(), ["malformed: 1025 bytes are more than the 1024 allowed"]);
}

#[test]
fn four_channels_join_one_after_the_other() {
    let mut s = Script::open(Config::small());
    let topics = ["sensor:1", "sensor:2", "sensor:3", "sensor:4"];
    for topic in topics {
        let channel = s.channel(topic);
        s.join(channel);
    }
    for topic in topics {
        assert_eq!(s.actions(), [format!("send phx_join {topic}")]);
        s.reply(&format!("phx_join {topic}"), "ok", "{}");
    }
    let refused = s.channel_with("sensor:5", Payload::empty()).unwrap_err();
    assert!(matches!(refused, CallError::TooManyChannels { max: 4, .. }), "{refused:?}");
}

#[test]
fn joins_and_leaves_of_all_channels_fit_beside_eight_pushes() {
    let mut s = Script::new(Config::small());
    let channels = ["sensor:1", "sensor:2", "sensor:3", "sensor:4"].map(|topic| s.channel(topic));
    let calls = |socket: &mut Socket, now: Instant| {
        for channel in channels {
            socket.join(now, channel, None)?;
        }
        for _ in 0..8 {
            let pushed = socket.push(now, channels[0], "temperature", payload(64), None);
            pushed.map_err(|refused| refused.reason)?;
        }
        for channel in channels {
            socket.leave(now, channel, None)?;
        }
        Ok::<(), CallError>(())
    };
    // Nothing is polled, so that every outcome waits.
    assert_eq!(calls(&mut s.socket, s.now), Ok(()));
    let one_more = s.socket.join(s.now, channels[0], None);
    assert!(matches!(one_more, Err(CallError::TooManyPushes { max: 16, .. })), "{one_more:?}");
}

#[test]
fn events_that_nobody_polls_take_two_kibibytes() {
    let (mut s, _) = joined();
    let transport = s.transport();
    let frame = message("sensor:1", 512);
    for _ in 0..20 {
        s.socket.handle_frame(s.now, transport, frame.clone());
    }
    let events: Vec<Event> = std::iter::from_fn(|| s.socket.poll_event()).collect();
    let kept = events.iter().filter(|event| matches!(event, Event::Message { .. })).count();
    assert_eq!(kept, 4);
    assert!(events.iter().any(|event| matches!(event, Event::EventsLost { count: 16, .. })));

    let frame = message("sensor:1", 40);
    for _ in 0..20 {
        s.socket.handle_frame(s.now, transport, frame.clone());
    }
    let events: Vec<Event> = std::iter::from_fn(|| s.socket.poll_event()).collect();
    let kept = events.iter().filter(|event| matches!(event, Event::Message { .. })).count();
    assert_eq!(kept, 8);
}

#[test]
fn answers_that_nobody_polls_take_two_kibibytes() {
    let (mut s, a) = joined();
    s.stuck = false;
    for _ in 0..4 {
        s.try_push(a, "temperature", payload(64), None).unwrap();
    }
    let response = format!("{{\"x\":\"{}\"}}", "x".repeat(900));
    let pushes: Vec<String> = (0..4).map(|_| "temperature sensor:1".to_owned()).collect();
    let transport = s.transport();
    for (index, words) in pushes.iter().enumerate() {
        let mut sent = s.latest(words);
        let last: u64 = sent.reference.as_ref().unwrap().to_string().parse().unwrap();
        sent.reference = Some(phx_proto::Ref::from(last - 3 + index as u64));
        let frame =
            crate::common::reply(&sent, "ok", Payload::from_json_text(response.clone()).unwrap());
        s.socket.handle_frame(s.now, transport, frame);
    }
    let outcomes: Vec<Outcome> = std::iter::from_fn(|| s.socket.poll_event())
        .filter_map(|event| match event {
            Event::RequestDone { outcome, .. } => Some(outcome),
            _ => None,
        })
        .collect();
    let kept = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Reply { .. })).count();
    assert_eq!((outcomes.len(), kept), (4, 2));
}

/// On this machine; where pointers have 32 bits it is about two thirds.
#[test]
fn a_socket_at_all_limits_of_the_small_preset_takes_16_kibibytes() {
    let frame = message("sensor:1", 1 << 10);
    let counted = measure(|| {
        let mut s = Socket::new(Config::small(), 1);
        let now = Instant::EPOCH;
        let channels = ["sensor:1", "sensor:2", "sensor:3", "sensor:4"]
            .map(|topic| s.channel(topic, Payload::empty()).unwrap());
        s.connect(now);
        let Some(phx_proto::Action::Connect { transport, .. }) = s.poll_action() else { panic!() };
        s.handle_opened(now, transport);
        for channel in channels {
            s.join(now, channel, None).unwrap();
            let Some(phx_proto::Action::Send { frame, .. }) = s.poll_action() else { panic!() };
            let sent = phx_proto::Serializer::decode(&phx_proto::V2Server, frame).unwrap();
            s.handle_frame(now, transport, crate::common::reply(&sent, "ok", payload(512)));
        }
        let mut refused = 0;
        for channel in channels.into_iter().cycle().take(40) {
            refused += usize::from(s.push(now, channel, "temperature", payload(64), None).is_err());
        }
        assert!(refused > 0);
        for _ in 0..20 {
            s.handle_frame(now, transport, frame.clone());
            s.handle_frame(now, transport, message("sensor:2", 40));
        }
    });
    assert!(counted.bytes_max < 16 << 10, "{counted:?}");
}

#[test]
fn presences_have_the_limits_of_the_small_preset() {
    assert_eq!(PresenceConfig::small().validate(), Ok(()));
    let presences = |count: usize, filler: usize| {
        let one = |n| format!(r#""{n}":{{"metas":[{{"phx_ref":"{}"}}]}}"#, "x".repeat(filler));
        let all: Vec<String> = (0..count).map(one).collect();
        Payload::from_json_text(format!("{{{}}}", all.join(","))).unwrap()
    };
    let take = |payload: &Payload| {
        let mut presence = Presence::<IgnoredAny>::with_config(PresenceConfig::small());
        presence.handle_joined();
        presence.handle_event("presence_state", payload).map_err(|error| error.to_string())
    };
    assert!(take(&presences(32, 4)).is_ok());
    assert!(take(&presences(33, 4)).unwrap_err().contains("32"));
    assert!(take(&presences(3, 900)).unwrap_err().contains("2048"));

    let mut presence = Presence::<IgnoredAny>::with_config(PresenceConfig::small());
    presence.handle_joined();
    let diff = Payload::from_json_text(r#"{"joins":{},"leaves":{}}"#).unwrap();
    for _ in 0..4 {
        assert!(presence.handle_event("presence_diff", &diff).is_ok());
    }
    assert!(presence.handle_event("presence_diff", &diff).is_err());
}
