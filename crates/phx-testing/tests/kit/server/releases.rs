//! Differences between releases of Phoenix. 1.7.24, 1.8.12 and 1.9-dev were run; those between them are known from the
//! sources.

use phx_proto::{Frame, Payload};
use phx_testing::{ConnectRequest, PhoenixVersion, demo_server};

use crate::wire::{CRASHED, JOIN, JOINED, Wire};

const V1_7_24: PhoenixVersion = PhoenixVersion::new(1, 7, 24);
const V1_8_0: PhoenixVersion = PhoenixVersion::new(1, 8, 0);
const V1_8_2: PhoenixVersion = PhoenixVersion::new(1, 8, 2);
const V1_8_3: PhoenixVersion = PhoenixVersion::new(1, 8, 3);
const V1_8_7: PhoenixVersion = PhoenixVersion::new(1, 8, 7);
const V1_8_8: PhoenixVersion = PhoenixVersion::new(1, 8, 8);
const V1_8_9: PhoenixVersion = PhoenixVersion::new(1, 8, 9);
const V1_8_10: PhoenixVersion = PhoenixVersion::new(1, 8, 10);
const V1_8_11: PhoenixVersion = PhoenixVersion::new(1, 8, 11);
const V1_8_12: PhoenixVersion = PhoenixVersion::new(1, 8, 12);
const V1_9_DEV: PhoenixVersion = PhoenixVersion::new(1, 9, 0);

fn answers(version: PhoenixVersion, vsn: &str, texts: &[&str]) -> Vec<String> {
    super::answers(demo_server().version(version), vsn, texts)
}

#[test]
fn the_default_is_the_release_of_the_recordings() {
    assert_eq!(PhoenixVersion::default(), V1_8_12);
}

#[test]
fn a_disconnect_closes_with_1001_since_1_8_8_and_with_1000_before() {
    for (version, expected) in [
        (V1_7_24, "close 1000"),
        (V1_8_7, "close 1000"),
        (V1_8_8, "close 1001"),
        (V1_8_12, "close 1001"),
        (V1_9_DEV, "close 1001"),
    ] {
        let builder = demo_server().version(version).connect(|_| Ok(Some("ann".to_owned())));
        let mut wire = Wire::new(builder.build());
        wire.open();
        wire.server.disconnect(wire.now, "ann");
        assert_eq!(wire.answers(), [expected], "{version:?}");
    }
}

#[test]
fn a_crash_has_a_reason_since_1_8_10() {
    let bare = r#"["1","1","room:a","phx_error",{}]"#;
    for (version, expected) in [
        (V1_7_24, bare),
        (V1_8_9, bare),
        (V1_8_10, CRASHED),
        (V1_8_12, CRASHED),
        (V1_9_DEV, CRASHED),
    ] {
        let answers = answers(version, "2.0.0", &[JOIN, r#"["1","2","room:a","crash",{}]"#]);
        assert_eq!(answers, [expected], "{version:?}");
    }
}

#[test]
fn a_push_with_a_stale_join_ref_gets_silence_since_1_8_3_and_an_answer_before() {
    let reply = r#"["1","2","room:a","phx_reply",{"response":{},"status":"ok"}]"#;
    for (version, is_answered) in
        [(V1_7_24, true), (V1_8_2, true), (V1_8_3, false), (V1_8_12, false), (V1_9_DEV, false)]
    {
        for join_ref in [r#""0""#, r#""""#] {
            let push = format!(r#"[{join_ref},"2","room:a","echo",{{}}]"#);
            let expected: &[&str] = if is_answered { &[reply] } else { &[] };
            assert_eq!(answers(version, "2.0.0", &[JOIN, &push]), expected, "{version:?} {push}");
        }
    }
}

#[test]
fn a_push_whose_join_ref_is_null_is_dropped_from_1_8_3_to_1_8_11_only() {
    let reply = r#"["1","2","room:a","phx_reply",{"response":{},"status":"ok"}]"#;
    let push = r#"[null,"2","room:a","echo",{}]"#;
    for (version, is_answered) in [
        (V1_7_24, true),
        (V1_8_2, true),
        (V1_8_3, false),
        (V1_8_11, false),
        (V1_8_12, true),
        (V1_9_DEV, true),
    ] {
        let expected: &[&str] = if is_answered { &[reply] } else { &[] };
        assert_eq!(answers(version, "2.0.0", &[JOIN, push]), expected, "{version:?}");
    }
}

#[test]
fn an_empty_join_ref_of_a_binary_push_is_a_stale_one_and_not_null() {
    let push = b"\0\0\x01\x06\x042room:aechoabc".as_slice();
    for (version, count) in [(V1_7_24, 1), (V1_8_11, 0), (V1_8_12, 0), (V1_9_DEV, 0)] {
        let mut wire = Wire::new(demo_server().version(version).build());
        let socket = wire.join();
        wire.server.handle_frame(wire.now, socket, Frame::binary(push));
        assert_eq!(wire.answers().len(), count, "{version:?}");
    }
}

#[test]
fn a_v1_push_with_a_join_ref_gets_silence_since_1_8_3_and_an_answer_before() {
    let join = r#"{"topic":"room:a","event":"phx_join","payload":{},"ref":"1"}"#;
    let push = r#"{"topic":"room:a","event":"echo","payload":{},"ref":"2","join_ref":"1"}"#;
    for (version, count) in [(V1_7_24, 1), (V1_8_12, 0), (V1_9_DEV, 0)] {
        assert_eq!(answers(version, "1.0.0", &[join, push]).len(), count, "{version:?}");
    }
    let without = r#"{"topic":"room:a","event":"echo","payload":{},"ref":"2"}"#;
    for version in [V1_7_24, V1_8_11, V1_8_12, V1_9_DEV] {
        assert_eq!(answers(version, "1.0.0", &[join, without]).len(), 1, "{version:?}");
    }
}

#[test]
fn a_leave_with_a_stale_join_ref_gets_silence_from_every_release() {
    for version in [V1_7_24, V1_8_3, V1_8_12, V1_9_DEV] {
        for join_ref in ["null", r#""0""#, r#""""#] {
            let leave = format!(r#"[{join_ref},"2","room:a","phx_leave",{{}}]"#);
            let answers = answers(version, "2.0.0", &[JOIN, &leave]);
            assert_eq!(answers, [""; 0], "{version:?} {leave}");
        }
    }
}

#[test]
fn a_token_by_subprotocol_is_ignored_before_1_8() {
    let request = ConnectRequest::new("/socket/websocket?vsn=2.0.0")
        .with_header("Sec-WebSocket-Protocol", "phoenix, base64url.bearer.phx.YW5u");
    for (version, protocol, token) in [
        (V1_7_24, None, None),
        (V1_8_0, Some("phoenix"), Some("ann")),
        (V1_8_12, Some("phoenix"), Some("ann")),
        (V1_9_DEV, Some("phoenix"), Some("ann")),
    ] {
        let builder = demo_server().version(version).auth_token(true);
        let builder = builder.connect(|info| Ok(info.auth_token().map(str::to_owned)));
        let mut wire = Wire::new(builder.build());
        let accepted = wire.server.connect(wire.now, &request).unwrap();
        assert_eq!(accepted.protocol, protocol, "{version:?}");
        wire.server.disconnect(wire.now, "ann");
        assert_eq!(wire.answers().len(), usize::from(token.is_some()), "{version:?}");
    }
}

#[test]
fn the_number_of_channels_is_limited_since_1_8_9() {
    for (version, is_limited) in
        [(V1_7_24, false), (V1_8_8, false), (V1_8_9, true), (V1_8_12, true), (V1_9_DEV, true)]
    {
        let mut wire = Wire::new(demo_server().version(version).build());
        let socket = wire.open();
        for number in 0..100 {
            wire.sent(
                socket,
                &format!(r#"["{number}","{number}","room:{number}","phx_join",{{}}]"#),
            );
        }
        wire.send(socket, r#"["200","200","room:200","phx_join",{}]"#);
        let answer = wire.answers().join("\n");
        assert_eq!(answer.contains("too many channels joined"), is_limited, "{version:?}");
    }
}

#[test]
fn releases_agree_on_the_rest() {
    for version in [V1_7_24, V1_8_11, V1_8_12, V1_9_DEV] {
        assert_eq!(answers(version, "2.0.0", &[JOIN]), [JOINED], "{version:?}");
        let mut wire = Wire::new(demo_server().version(version).build());
        wire.join();
        wire.server.broadcast(wire.now, "room:a", "news", Payload::empty());
        assert_eq!(wire.answers(), [r#"[null,null,"room:a","news",{}]"#], "{version:?}");
    }
}
