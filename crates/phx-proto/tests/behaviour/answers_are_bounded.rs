//! Unpolled answers are limited in bytes, and dropped ones are reported.

use crate::common::{Script, json, quiet, quiet_but, reply};
use allocation_counter::measure;
use phx_proto::{
    Action, ChannelId, CloseCause, Config, Event, Frame, Instant, Message, Outcome, Payload,
    ReconnectPolicy, RejoinPolicy, Serializer, Socket, UpgradeRejection, V2, V2Server,
};

/// Settings with this limit of answers, in bytes.
fn limited_to(bytes: usize) -> Config {
    quiet_but(|config| config.max_answer_bytes = bytes)
}

/// Returns JSON text of this number of bytes.
fn text(bytes: usize) -> Payload {
    json(&format!("{:?}", "x".repeat(bytes - 2)))
}

fn to_channel(join: &Message, event: &str, payload: Payload) -> Frame {
    let message = Message::new(join.topic.clone(), event, payload);
    V2Server.encode(&message.with_join_ref(join.join_ref.clone())).unwrap()
}

/// Passes a frame to the socket, without polling.
fn unpolled(s: &mut Script, frame: Frame) {
    let transport = s.transport();
    s.socket.handle_frame(s.now, transport, frame);
}

/// Joins `count` channels, up to the server's answer.
fn joining(s: &mut Script, count: usize) -> Vec<(ChannelId, Message)> {
    let joining = (0..count).map(|number| {
        let topic = format!("room:{number}");
        let channel = s.channel(&topic);
        s.join(channel);
        (channel, s.latest(&format!("phx_join {topic}")))
    });
    let joining = joining.collect();
    s.forget_lines();
    joining
}

#[test]
fn replies_that_nobody_polls_are_limited_in_bytes() {
    let (mut s, a) = Script::joined(limited_to(1_000), "room:a");
    for number in 0..10 {
        s.push(a, &format!("msg{number}"));
    }
    s.forget_lines();
    for number in 0..10 {
        let sent = s.latest(&format!("msg{number} room:a"));
        unpolled(&mut s, reply(&sent, "ok", text(300)));
    }
    let (kept, dropped): (Vec<_>, Vec<_>) =
        s.events().into_iter().partition(|line| !line.ends_with("dropped"));
    let numbers = |lines: &[String]| -> Vec<String> {
        lines.iter().map(|line| line.split(':').next().unwrap().to_owned()).collect()
    };
    assert_eq!(numbers(&kept), ["msg0", "msg1", "msg2"]);
    assert_eq!(dropped[0], "msg3: ok, 300 bytes dropped");
    assert_eq!(dropped.len(), 7, "one outcome each: {dropped:?}");
    assert!(s.socket.is_connected());

    // Polled answers free their bytes.
    s.push(a, "again");
    let sent = s.latest("again room:a");
    unpolled(&mut s, reply(&sent, "error", text(300)));
    assert!(s.events()[0].starts_with("again: error \"xxx"));
}

#[test]
fn the_memory_of_answers_that_nobody_polls_stays_within_the_limit() {
    const KIB: usize = 1 << 10;
    let (mut s, a) = Script::joined(limited_to(1_000 * KIB), "room:a");
    for number in 0..100 {
        s.push(a, &format!("msg{number}"));
    }
    s.forget_lines();
    let sent: Vec<_> = (0..100).map(|number| s.latest(&format!("msg{number} room:a"))).collect();
    let response = text(100 * KIB);
    let (transport, now) = (s.transport(), s.now);
    let used = measure(|| {
        for sent in &sent {
            let frame = reply(sent, "ok", response.clone());
            s.socket.handle_frame(now, transport, frame);
        }
    });
    assert!(used.bytes_total > 100 * 100 * KIB as u64, "all of it came: {used:?}");
    // The kept answers, and the frame being made.
    assert!(used.bytes_max < 1_300 * KIB as u64, "{used:?}");
}

#[test]
fn one_answer_of_any_size_fits_alone() {
    let mut s = Script::open(limited_to(10));
    let (a, join) = joining(&mut s, 1).remove(0);
    // The event of the channel and the outcome of the call share it.
    unpolled(&mut s, reply(&join, "ok", text(100_000)));
    for line in s.events() {
        assert!(line.len() > 100_000, "{line}");
    }
    s.push(a, "msg");
    let sent = s.latest("msg room:0");
    unpolled(&mut s, reply(&sent, "ok", text(100_000)));
    assert!(s.events()[0].len() > 100_000);
}

#[test]
fn joins_rejections_crashes_and_ends_that_nobody_polls_are_limited_in_bytes() {
    let mut config = limited_to(1_000);
    config.rejoin_policy = RejoinPolicy::always();
    let mut s = Script::open(config);
    let joins = joining(&mut s, 6);
    // Fills the limit.
    unpolled(&mut s, reply(&joins[0].1, "ok", text(1_000)));
    unpolled(&mut s, reply(&joins[1].1, "ok", text(300)));
    unpolled(&mut s, to_channel(&joins[1].1, "phx_error", text(301)));
    unpolled(&mut s, reply(&joins[2].1, "full", text(302)));
    unpolled(&mut s, to_channel(&joins[3].1, "phx_error", text(303)));
    unpolled(&mut s, to_channel(&joins[4].1, "phx_close", text(304)));
    let lines = s.events();
    let lines: Vec<&str> = lines.iter().skip(2).map(String::as_str).collect();
    assert_eq!(
        lines,
        [
            "room:1 joined 300 bytes dropped",
            "join room:1: ok, 300 bytes dropped",
            "room:1 errored: crashed 301 bytes dropped, retry in 1s",
            "room:2 join failed: rejected full 302 bytes dropped, retry in 1s",
            "join room:2: full, 302 bytes dropped",
            "room:3 join failed: crashed 303 bytes dropped, retry in 1s",
            "join room:4: channel closed",
            "room:4 closed: by server 304 bytes dropped",
        ]
    );
    unpolled(&mut s, to_channel(&joins[0].1, "phx_close", text(300)));
    assert!(s.events()[0].starts_with("room:0 closed: by server \"xxx"));
}

#[test]
fn bodies_of_refusals_that_nobody_polls_are_limited_in_bytes() {
    let mut config = limited_to(1_000);
    config.reconnect_policy = ReconnectPolicy::always();
    let mut socket = Socket::new(config, 1);
    let mut now = Instant::EPOCH;
    socket.connect(now);
    for _ in 0..5 {
        let Some(Action::Connect { transport, .. }) = socket.poll_action() else { panic!() };
        // The headers count as the body does: 100 bytes and 200.
        let headers = phx_proto::ResponseHeaders::new([("a", vec![b'x'; 97])]);
        let refusal = UpgradeRejection::new(503).with_headers(headers).with_body(vec![b'x'; 200]);
        socket.handle_closed(now, transport, CloseCause::UpgradeRejected(refusal));
        now = socket.poll_timeout().unwrap();
        socket.handle_timeout(now);
    }
    let bodies: Vec<usize> = std::iter::from_fn(|| socket.poll_event())
        .map(|event| match event {
            Event::Closed { cause: CloseCause::UpgradeRejected(refusal), .. } => {
                refusal.headers.len() + refusal.body.len()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(bodies, [300, 300, 300, 0, 0]);
}

#[test]
fn a_policy_gets_the_response_that_is_dropped_from_the_events() {
    let mut config = limited_to(1_000);
    config.rejoin_policy = RejoinPolicy::function(|rejection| {
        assert_eq!(rejection.response.as_ref().unwrap().len(), 300);
        phx_proto::Rejoin::Stop
    });
    let mut s = Script::open(config);
    let joins = joining(&mut s, 2);
    unpolled(&mut s, reply(&joins[0].1, "ok", text(1_000)));
    unpolled(&mut s, reply(&joins[1].1, "error", text(300)));
    let lines = s.events();
    assert_eq!(
        lines[2..],
        [
            "join room:1: error, 300 bytes dropped",
            "room:1 closed: rejected error 300 bytes dropped"
        ]
    );
}

#[test]
fn of_a_status_255_bytes_are_kept_when_the_response_is_dropped() {
    let (mut s, a) = Script::joined(limited_to(1_000), "room:a");
    for number in 0..3 {
        s.push(a, &format!("msg{number}"));
    }
    s.forget_lines();
    let sent = |s: &Script, number| s.latest(&format!("msg{number} room:a"));
    let long = "ö".repeat(400);
    for number in 0..2 {
        let sent = sent(&s, number);
        unpolled(&mut s, reply(&sent, &long, json("[]")));
    }
    let outcomes: Vec<Outcome> = std::iter::from_fn(|| s.socket.poll_event())
        .filter_map(|event| match event {
            Event::RequestDone { outcome, .. } => Some(outcome),
            _ => None,
        })
        .collect();
    let [Outcome::Reply { status: whole, .. }, Outcome::ReplyDropped { status: cut, len: 2, .. }] =
        &outcomes[..]
    else {
        panic!("{outcomes:?}")
    };
    assert_eq!((whole.as_str(), cut.as_str()), (&*long, &*"ö".repeat(127)));
}

/// Returns the bytes that stay allocated after a frame of a megabyte and its outcome.
#[track_caller]
fn held_after(s: &mut Script, frame: impl Fn() -> Frame) -> u64 {
    let transport = s.transport();
    let now = s.now;
    let measured = measure(|| {
        let frame = frame();
        assert!(frame.len() > 1 << 20);
        s.socket.handle_frame(now, transport, frame);
    });
    u64::try_from(measured.bytes_current).unwrap_or_default()
}

/// A peer can send much besides the kept part of a frame, which must be freed.
#[test]
fn a_small_payload_does_not_keep_a_large_frame() {
    const LITTLE: u64 = 16 << 10;
    let pad = " ".repeat(1 << 20);
    let padded = |frame: &Frame| {
        let text = String::from_utf8(frame.as_bytes().to_vec()).unwrap();
        let end = text.strip_suffix(']').unwrap();
        Frame::text(format!("{end}{pad}]"))
    };
    let mut s = Script::open(quiet());
    let joins = joining(&mut s, 3);
    let [(a, join_a), (_, join_b), (_, join_c)] = &joins[..] else { panic!() };
    let response = json(r#"{"small":true}"#);
    for (join, status) in [(join_a, "ok"), (join_b, "ok"), (join_c, "rather long for a status")] {
        let frame = reply(join, status, response.clone());
        let held = held_after(&mut s, || padded(&frame));
        assert!(held < LITTLE, "a join answered {status} holds {held} bytes");
    }
    s.push(*a, "msg");
    s.forget_lines();
    let frames = [
        reply(&s.latest("msg room:0"), "fine", response.clone()),
        to_channel(join_a, "news", response.clone()),
        V2Server.encode(&Message::new("nobody:1", "news", response.clone())).unwrap(),
        to_channel(join_a, "phx_error", response.clone()),
        to_channel(join_b, "phx_close", response),
    ];
    for frame in frames {
        let held = held_after(&mut s, || padded(&frame));
        assert!(held < LITTLE, "{:?} holds {held} bytes", V2.decode(frame).unwrap().event);
        assert_eq!(s.events().len(), 1);
    }
}

#[test]
fn a_payload_that_is_nearly_all_of_its_frame_is_not_copied() {
    let (mut s, _) = Script::joined(quiet(), "room:a");
    let news = Message::new("room:a", "news", text(1 << 20));
    let (frame, transport, now) = (V2Server.encode(&news).unwrap(), s.transport(), s.now);
    let measured = measure(|| s.socket.handle_frame(now, transport, frame));
    assert!(measured.bytes_total < 1 << 10, "{} bytes were allocated", measured.bytes_total);
    assert_eq!(s.events().len(), 1);
}
