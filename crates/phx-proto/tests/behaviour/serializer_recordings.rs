//! Every WebSocket frame of the recordings with a real Phoenix server is decoded by the receiving side's serializer, and
//! encoded again by the sending side's.
use phx_conformance::recordings::{Recording, Side};
use phx_proto::{Bytes, DecodeCause, Field, Frame, Serializer, V1, V1Server, V2, V2Server, events};
use serde_json::Value;

/// A frame of a recording.
struct Recorded {
    recording: String,
    /// Line in the recording, from 1.
    line: usize,
    from_server: bool,
    v1: bool,
    frame: Frame,
}

impl Recorded {
    /// Returns the serializer of the side that received the frame.
    fn receiver(&self) -> &'static dyn Serializer {
        side(self.v1, !self.from_server)
    }

    /// Returns the serializer of the side that sent it.
    fn sender(&self) -> &'static dyn Serializer {
        side(self.v1, self.from_server)
    }
}

fn side(v1: bool, server: bool) -> &'static dyn Serializer {
    match (v1, server) {
        (true, true) => &V1Server,
        (true, false) => &V1,
        (false, true) => &V2Server,
        (false, false) => &V2,
    }
}

/// Returns every WebSocket frame of every recording.
fn recorded_frames() -> Vec<Recorded> {
    let names = Recording::names().unwrap();
    let recordings = names.iter().map(|name| Recording::open(name).unwrap());
    let frames = recordings.flat_map(|recording| {
        let recorded = recording.lines.iter().filter_map(|line| {
            Some(Recorded {
                recording: recording.name.clone(),
                line: line.number,
                from_server: line.from == Side::Server,
                // Phoenix takes every 2.0.x for V2, and no version at all for 1.0.0.
                v1: !recording.url_of(line.conn).contains("vsn=2.0."),
                frame: line.frame()?,
            })
        });
        recorded.collect::<Vec<_>>()
    });
    frames.collect()
}

/// Returns the frames that aren't messages: recording, line and cause. The last column is true if Phoenix closed the
/// connection (with 1011, or 1007 for text that isn't UTF-8).
fn not_messages() -> Vec<(&'static str, usize, DecodeCause, &'static str)> {
    use DecodeCause::{Empty, Truncated, UnknownKind, Utf8};
    let field = DecodeCause::Field;
    vec![
        ("malformed_array_0", 4, field(Field::JoinRef), "closed"),
        ("malformed_array_4", 4, field(Field::Payload), "closed"),
        ("malformed_bin_empty", 4, Empty, "closed"),
        ("malformed_bin_invalid_utf8_topic", 4, Utf8(Field::Topic), "closed"),
        // `[` of the JSON text is the kind.
        ("malformed_bin_json_in_binary", 4, UnknownKind(b'['), "closed"),
        ("malformed_bin_kind_1", 4, UnknownKind(1), "closed"),
        ("malformed_bin_kind_2", 4, UnknownKind(2), "closed"),
        ("malformed_bin_kind_9", 4, UnknownKind(9), "closed"),
        ("malformed_bin_short_header", 4, Truncated(Field::Header), "closed"),
        ("malformed_bin_truncated", 4, Truncated(Field::Topic), "closed"),
        // Names that aren't strings, which a `Message` can't hold: see `V2Server`.
        ("malformed_event_null", 4, field(Field::Event), "open"),
        ("malformed_event_number", 4, field(Field::Event), "open"),
        ("malformed_topic_null", 4, field(Field::Topic), "open"),
        ("malformed_topic_null", 5, field(Field::Topic), "open"),
        ("malformed_topic_number", 4, field(Field::Topic), "open"),
        ("malformed_topic_number", 5, field(Field::Topic), "open"),
    ]
}

/// Texts that aren't arrays, by recording and line: the error is `Json`.
const NOT_ARRAYS: [(&str, usize); 7] = [
    ("malformed_empty_text", 4),
    ("malformed_invalid_json", 4),
    ("malformed_invalid_utf8_text", 4),
    ("malformed_json_map", 4),
    ("malformed_json_null", 4),
    ("malformed_json_string", 4),
    // V1 on a connection whose `vsn` is 2.0.5.
    ("vsn_missing_or_unknown", 18),
];

fn is_message(recorded: &Recorded) -> bool {
    let name = recorded.recording.as_str();
    let listed = not_messages().iter().any(|(n, line, ..)| *n == name && *line == recorded.line);
    !listed && !NOT_ARRAYS.contains(&(name, recorded.line))
}

#[test]
fn messages_decode_and_encode_to_the_same_again() {
    let frames = recorded_frames();
    let mut binary = 0;
    let mut v1 = 0;
    for recorded in frames.iter().filter(|recorded| is_message(recorded)) {
        let place = format!("{} line {}", recorded.recording, recorded.line);
        let mut message = recorded
            .receiver()
            .decode(recorded.frame.clone())
            .unwrap_or_else(|error| panic!("{place}: {error}"));
        let again = recorded.sender().encode(&message).unwrap_or_else(|e| panic!("{place}: {e}"));
        match (&recorded.frame, &again) {
            (Frame::Text(sent), Frame::Text(again)) => {
                let mut sent: Value = serde_json::from_slice(sent).unwrap();
                as_this_project_writes_it(&place, &mut sent);
                let again: Value = serde_json::from_slice(again).unwrap();
                assert_eq!(again, sent, "{place}");
            }
            (sent, again) => {
                binary += 1;
                assert_eq!(again, sent, "{place}");
            }
        }
        v1 += usize::from(recorded.v1);
        // The message that comes out of the second frame is the same, unless V1 dropped a join_ref.
        if recorded.v1 {
            message.join_ref = None;
        }
        assert_eq!(recorded.receiver().decode(again).as_ref(), Ok(&message), "{place}");
    }
    // A filter without any match would make this test pass.
    assert!(frames.len() > 800, "{} frames", frames.len());
    assert!(binary >= 15, "{binary} binary frames");
    assert!(v1 >= 15, "{v1} frames of V1");
}

/// Normalises what the serializers write in one way only: refs are strings, and V1 has no `join_ref`.
fn as_this_project_writes_it(place: &str, frame: &mut Value) {
    match frame {
        Value::Array(elements) => {
            for reference in &mut elements[..2] {
                if let Value::Number(number) = reference {
                    assert!(place.starts_with("heartbeat_raw"), "{place}: a ref is a number");
                    *reference = Value::String(number.to_string());
                }
            }
        }
        Value::Object(keys) => {
            if keys.remove("join_ref").is_some() {
                assert_eq!(place, "vsn_1_0_0 line 8", "V1 with a join_ref");
            }
        }
        other => assert!(other.is_array(), "{place}: neither array nor object"),
    }
}

#[test]
fn text_of_the_server_is_encoded_byte_for_byte() {
    let mut compared = 0;
    for recorded in recorded_frames().iter().filter(|r| r.from_server && is_message(r)) {
        if recorded.recording == "heartbeat_raw"
            && recorded.frame.as_bytes().starts_with(b"[null,3,")
        {
            continue; // It echoes a ref that is a number.
        }
        let message = recorded.receiver().decode(recorded.frame.clone()).unwrap();
        assert_eq!(
            recorded.sender().encode(&message).unwrap().as_bytes(),
            recorded.frame.as_bytes(),
            "{} line {}",
            recorded.recording,
            recorded.line
        );
        compared += 1;
    }
    assert!(compared > 400, "{compared} frames");
}

#[test]
fn what_is_no_message_says_why_and_hands_the_frame_back() {
    let frames = recorded_frames();
    let at = |name: &str, line: usize| {
        frames
            .iter()
            .find(|recorded| recorded.recording == name && recorded.line == line)
            .unwrap_or_else(|| panic!("{name} line {line} is not a frame"))
    };
    for (name, line, reason, phoenix) in not_messages() {
        let recorded = at(name, line);
        let error = recorded.receiver().decode(recorded.frame.clone()).unwrap_err();
        assert_eq!(error.reason, reason, "{name} line {line}");
        assert_eq!(error.frame, recorded.frame, "{name} line {line}");
        let closed = frames.iter().all(|r| r.recording != name || r.line <= 5);
        assert_eq!(closed, phoenix == "closed", "{name}: what Phoenix did");
    }
    for (name, line) in NOT_ARRAYS {
        let recorded = at(name, line);
        let error = recorded.receiver().decode(recorded.frame.clone()).unwrap_err();
        assert!(matches!(error.reason, DecodeCause::Json { .. }), "{name}: {error:?}");
        assert_eq!(error.frame, recorded.frame, "{name}");
    }
}

/// All names but escaped ones, and the event of replies.
#[test]
fn names_and_payloads_are_slices_of_their_frames() {
    let mut names = 0;
    for recorded in recorded_frames().iter().filter(|recorded| is_message(recorded)) {
        let message = recorded.receiver().decode(recorded.frame.clone()).unwrap();
        let within = recorded.frame.as_bytes().as_ptr_range();
        let is_slice = |part: &Bytes| part.is_empty() || within.contains(&part.as_ptr());
        let place = format!("{} line {}", recorded.recording, recorded.line);
        assert!(is_slice(message.payload.as_bytes()), "{place}");
        let is_escaped = recorded.frame.is_text() && recorded.frame.as_bytes().contains(&b'\\');
        if !is_escaped && message.event != events::REPLY {
            assert!(is_slice(message.topic.as_bytes()), "{place}");
            assert!(is_slice(message.event.as_bytes()), "{place}");
            names += 1;
        }
    }
    assert!(names > 300, "{names} frames");
}
