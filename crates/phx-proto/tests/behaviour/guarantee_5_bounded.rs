//! Guarantee 5: memory is bounded by the configured limits, for any actions of the peer and the user.
//!
//! Each test repeats steps that might accumulate memory, and then counts the memory that more repetitions leave.

use crate::common::{Script, ms, quiet, reply, secs};
use allocation_counter::measure;
use phx_chaos::{Chaos, Options};
use phx_proto::{Config, Frame, Params, Payload};

/// Settings with limits so small that they are reached at once.
fn small() -> Config {
    let mut config = quiet();
    config.max_channels = 8;
    config.max_pushes = 32;
    config.max_buffered_pushes = 8;
    config.max_buffered_bytes = 1_000;
    config.max_events = 50;
    config
}

/// Returns the bytes that 1,000 more rounds leave allocated.
#[track_caller]
fn does_not_grow(s: &mut Script, mut round: impl FnMut(&mut Script, usize)) {
    for number in 0..1_000 {
        round(s, number);
    }
    let more = measure(|| {
        for number in 1_000..2_000 {
            round(s, number);
        }
    });
    // A table may be rehashed or a tree split, but no memory may stay for every round.
    assert!(more.bytes_current < 4_000, "{} bytes in 1,000 rounds", more.bytes_current);
}

#[test]
fn messages_that_nobody_polls() {
    let (mut s, _) = Script::joined(small(), "room:a");
    let transport = s.transport();
    does_not_grow(&mut s, |s, number| {
        let text = match number % 4 {
            0 => "garbage",
            1 => r#"[null,null,"room:a","news",{"x":[1,2,3]}]"#,
            2 => r#"[null,null,"unknown","news",{}]"#,
            _ => r#"["7","8","room:a","phx_reply",{"status":"ok","response":{}}]"#,
        };
        s.socket.handle_frame(s.now, transport, Frame::text(text));
    });
}

#[test]
fn pushes_that_nobody_sends() {
    let (mut s, a) = Script::joined(small(), "room:a");
    does_not_grow(&mut s, |s, _| {
        let payload = Payload::json(&[0; 20]).unwrap();
        drop(s.socket.push(s.now, a, "msg", payload, None));
    });
}

#[test]
fn outcomes_that_nobody_polls() {
    let (mut s, a) = Script::joined(small(), "room:a");
    does_not_grow(&mut s, |s, _| {
        if let Ok(push) = s.socket.push(s.now, a, "msg", Payload::empty(), None) {
            s.socket.cancel(push);
        }
    });
}

#[test]
fn pings_answered_before_they_are_sent() {
    let mut s = Script::open(small());
    let transport = s.transport();
    does_not_grow(&mut s, |s, number| {
        drop(s.socket.ping(s.now));
        let guess = format!(
            r#"[null,"{}","phoenix","phx_reply",{{"status":"ok","response":{{}}}}]"#,
            number + 1
        );
        s.socket.handle_frame(s.now, transport, Frame::text(guess));
    });
}

#[test]
fn connects_and_disconnects_that_nobody_polls() {
    let mut s = Script::new(small());
    does_not_grow(&mut s, |s, number| {
        s.socket.connect(s.now);
        match number % 3 {
            0 => drop(s.socket.reconnect_now(s.now)),
            1 => drop(s.socket.disconnect(s.now, phx_proto::CloseCode::NORMAL, "")),
            _ => s.socket.handle_timeout(s.now + secs(20)),
        }
    });
}

#[test]
fn connections_that_are_dropped_one_after_the_other() {
    let mut s = Script::new(small());
    does_not_grow(&mut s, |s, _| {
        s.socket.connect(s.now);
        while let Some(action) = s.socket.poll_action() {
            if let phx_proto::Action::Connect { transport, .. } = action {
                s.socket.handle_opened(s.now, transport);
            }
        }
        drop(s.socket.ping(s.now));
        s.socket.reconnect_now(s.now);
        while s.socket.poll_event().is_some() {}
    });
}

/// Leaving and joining in quick succession: a stability timer left over from each would be there for
/// ten seconds.
#[test]
fn channels_that_come_and_go() {
    let mut s = Script::open(small());
    does_not_grow(&mut s, |s, _| {
        s.now = s.now + ms(1);
        let a = s.socket.channel("room:a", Payload::empty()).unwrap();
        drop(s.socket.join(s.now, a, None));
        answer_everything(s);
        s.socket.remove(s.now, a);
        answer_everything(s);
        while s.socket.poll_event().is_some() {}
    });
}

#[test]
fn joins_left_while_the_transport_takes_nothing() {
    let mut s = Script::open(small());
    does_not_grow(&mut s, |s, _| {
        s.now = s.now + secs(1);
        if let Ok(channel) = s.socket.channel("room:a", Params::OnRequest) {
            drop(s.socket.join(s.now, channel, None));
            s.socket.remove(s.now, channel);
        }
        if let Ok(channel) = s.socket.channel("room:b", Payload::empty()) {
            drop(s.socket.join(s.now, channel, None));
            drop(s.socket.leave(s.now, channel, None));
            s.socket.remove(s.now, channel);
        }
        s.socket.handle_timeout(s.now);
    });
}

#[test]
fn a_crash_after_every_join() {
    let (mut s, _) = Script::joined(small(), "room:a");
    s.server_push("room:a", "phx_error");
    does_not_grow(&mut s, |s, _| {
        s.now = s.now + secs(60);
        s.socket.handle_timeout(s.now);
        while s.socket.poll_event().is_some() {}
        while s.socket.poll_action().is_some() {}
    });
}

#[test]
fn random_sessions_without_drains() {
    for seed in [1, 3, 5, 7] {
        // Every call and transport is remembered by the test itself: two sessions are compared.
        let held = |steps| {
            let mut config = small();
            config.max_events = 1_000_000;
            let mut chaos =
                Chaos::with_config(Options { drains: true, ..Options::new(seed) }, config);
            chaos.run(steps);
            format!("{:?}", chaos.socket).len()
        };
        let (short, long) = (held(1_000), held(4_000));
        assert!(long < short + 20_000, "seed {seed}: {short} then {long}");
    }
}

/// Answers all sent frames with ok.
fn answer_everything(s: &mut Script) {
    let transport = s.transport();
    while let Some(action) = s.socket.poll_action() {
        let phx_proto::Action::Send { frame, .. } = action else { continue };
        let sent = phx_proto::Serializer::decode(&phx_proto::V2Server, frame).unwrap();
        let frame = reply(&sent, "ok", Payload::empty());
        s.socket.handle_frame(s.now, transport, frame);
    }
}
