//! The messages of an answer become the frames that they were on the server.

use phx_proto::Frame;
use phx_proto::longpoll::{ExchangeKind, SessionEvent};

use super::drive::Drive;

fn events(messages: &str) -> Vec<SessionEvent> {
    let (mut drive, poll) = Drive::confirmed();
    drive.answer(&poll, &format!(r#"{{"messages":[{messages}],"status":200,"token":"T1"}}"#));
    drive.events()
}

fn text(text: &str) -> SessionEvent {
    SessionEvent::Frame(Frame::text(text.to_owned()))
}

#[test]
fn each_is_the_encoded_frame_as_a_string() {
    assert_eq!(
        events(r#""[null,null,\"a\",\"b\",{\"é\":\"\u2713 \\n\"}]" , "{\"topic\":\"a\"}","""#),
        [text("[null,null,\"a\",\"b\",{\"é\":\"✓ \\n\"}]"), text("{\"topic\":\"a\"}"), text("")],
    );
}

#[test]
fn binary_from_the_server_is_a_string_that_starts_with_a_kind() {
    let binary = |bytes: &[u8]| SessionEvent::Frame(Frame::binary(bytes.to_vec()));
    assert_eq!(
        events(
            r#""\u0001\u0001\u0001\u0006\u000212room:lokabc","\u0000\u0001","\u0002é","\u0003""#
        ),
        [
            binary(b"\x01\x01\x01\x06\x0212room:lokabc"),
            binary(b"\x00\x01"),
            binary("\u{2}é".as_bytes()),
            text("\u{3}"),
        ],
    );
}

#[test]
fn what_is_no_text_is_a_gap_and_the_others_are_delivered() {
    for wrong in ["7", "null", "true", r#"{"a":["x"]}"#, "[[1],{}]", r#""\ud800""#, r#""a\udc00b""#]
    {
        let events = events(&format!(r#""[1]",{wrong} , "[2]""#));
        assert_eq!(events, [text("[1]"), SessionEvent::Gap, text("[2]")], "{wrong}");
    }
}

#[test]
fn any_order_of_keys_and_any_white_space() {
    let (mut drive, poll) = Drive::confirmed();
    let body = "\n{ \"st\\u0061tus\" : 200 , \"other\":[{\"messages\":1}],\n\"messages\":\n[ \"[1]\"\t,\r\"[2]\" ] }\n";
    drive.answer(&poll, body);
    assert_eq!(drive.events(), [text("[1]"), text("[2]")]);
}

#[test]
fn two_thousand_messages_come_in_order() {
    let (mut drive, poll) = Drive::confirmed();
    let messages: Vec<_> = (0..2_000).map(|n| format!(r#""[\"{n}\"]""#)).collect();
    drive.answer(&poll, &format!(r#"{{"messages":[{}],"status":200}}"#, messages.join(",")));
    drive.one(ExchangeKind::Poll);
    let expected: Vec<_> = (0..2_000).map(|n| text(&format!("[\"{n}\"]"))).collect();
    assert_eq!(drive.events(), expected);
}

#[test]
fn messages_of_any_length_come_whole() {
    for len in (0..600).chain([4_095, 4_096, 100_000]) {
        let long = "\\\"é".repeat(len);
        let expected = long.replace('\\', "");
        assert_eq!(
            events(&format!(r#""{long}","[]","{long}""#)),
            [text(&expected), text("[]"), text(&expected)]
        );
    }
}

#[test]
fn messages_of_all_lengths_come_in_one_answer() {
    let texts: Vec<_> = (0..600).map(|n| format!("{n}{}", "x".repeat(n * 7_919 % 600))).collect();
    let strings: Vec<_> = texts.iter().map(|text| format!("\"{text}\"")).collect();
    let expected: Vec<_> = texts.iter().map(|it| text(it)).collect();
    assert_eq!(events(&strings.join(",")), expected);
}
