//! Random messages, encoded by phoenix.js's serializer and decoded by ours and the other way round, as text and as
//! binary. npm's package has V2 only.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use fastrand::Rng;
use phx_conformance::official::Official;
use phx_proto::{
    EncodeError, Frame, Message, Payload, Ref, Serializer as _, Status, V2, V2Server, events,
};
use serde_json::{Map, Value, json};

const MESSAGES: u64 = 4_000;

/// Messages of a client: both encode them to the same frame, byte for byte if it is binary.
#[test]
fn both_encode_alike_and_decode_each_others_frames() {
    let mut official = Official::start().unwrap();
    let messages: Vec<Message> = (0..MESSAGES).map(client_message).collect();
    let questions = messages.iter().map(|message| json!({ "message": shown(message) }));
    let theirs: Vec<Value> = official.ask("encode", questions).unwrap();
    let mut decodable = Vec::new();
    let mut refused = 0;
    for (seed, (message, theirs)) in messages.iter().zip(&theirs).enumerate() {
        let ours = V2.encode(message);
        if theirs.get("refused").is_some() {
            assert!(matches!(ours, Err(EncodeError::TooLong { .. })), "seed {seed}: {ours:?}");
            refused += 1;
            continue;
        }
        let ours = ours.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let theirs = frame(theirs);
        if message.payload.is_binary() {
            assert_eq!(ours, theirs, "seed {seed}");
            // phoenix.js has no decoder for binary frames of clients.
            assert_same(seed, message, &V2Server.decode(theirs).unwrap());
        } else {
            assert_same(seed, message, &V2.decode(theirs).unwrap());
            decodable.push((seed, message, ours));
        }
    }
    let questions = decodable.iter().map(|(_, _, frame)| json!({ "frame": frame_json(frame) }));
    let decoded: Vec<Value> = official.ask("decode", questions).unwrap();
    for ((seed, message, _), decoded) in decodable.iter().zip(&decoded) {
        assert_eq!(plain(&shown(message)), plain(decoded), "seed {seed}");
    }
    println!("serializer: client messages={MESSAGES}, refused by both={refused}");
    assert!(refused > 10, "{refused}");
}

/// Frames of a server: both decode them to the same message.
#[test]
fn both_decode_a_servers_frames_alike() {
    let mut official = Official::start().unwrap();
    let messages: Vec<Message> = (0..MESSAGES).map(server_message).collect();
    let frames: Vec<Frame> =
        messages.iter().map(|message| V2Server.encode(message).unwrap()).collect();
    let questions = frames.iter().map(|frame| json!({ "frame": frame_json(frame) }));
    let theirs: Vec<Value> = official.ask("decode", questions).unwrap();
    let (mut binary, mut marked) = (0, 0);
    for (seed, (frame, theirs)) in frames.iter().zip(&theirs).enumerate() {
        let ours = V2.decode(frame.clone()).unwrap();
        assert_same(seed, &messages[seed], &ours);
        let mut expected = shown(&ours);
        if !frame.is_text() {
            binary += 1;
            marked += usize::from(drop_marks(&mut expected));
        }
        assert_eq!(plain(&expected), plain(theirs), "seed {seed}");
    }
    println!("serializer: server messages={MESSAGES}, binary={binary}, deviation 21 in {marked}");
    assert!(marked > 10, "{marked}");
    assert!(binary > 500, "{binary}");
}

/// Removes byte order marks (deviation 21): phoenix.js decodes the names of a binary frame as a browser decodes a
/// file, and drops a mark at their beginning. In the core, as on the server, it is a part of the name. Returns true if
/// there was one.
fn drop_marks(message: &mut Value) -> bool {
    let dropped = |name: &mut Value| {
        let rest = name.as_str().and_then(|name| name.strip_prefix('\u{feff}')).map(str::to_owned);
        rest.map(|rest| *name = json!(rest)).is_some()
    };
    let mut any = false;
    for field in ["join_ref", "ref", "topic", "event"] {
        any |= dropped(&mut message[field]);
    }
    if let Some(status) = message["payload"].get_mut("status") {
        any |= dropped(status);
    }
    any
}

fn assert_same(seed: usize, expected: &Message, found: &Message) {
    assert_eq!(plain(&shown(expected)), plain(&shown(found)), "seed {seed}");
}

/// Returns a message in phoenix.js's form.
fn shown(message: &Message) -> Value {
    let text = |reference: &Option<Ref>| reference.as_ref().map(|it| it.to_text().to_string());
    let mut shown = json!({
        "join_ref": text(&message.join_ref),
        "ref": text(&message.reference),
        "topic": &*message.topic,
        "event": &*message.event,
    });
    let payload = match message.payload.as_json() {
        Some(json) => serde_json::from_str(json).unwrap(),
        None => json!({ "bytes": message.payload.as_bytes().to_vec() }),
    };
    if message.payload.is_binary() && message.status.is_none() {
        shown["binary"] = payload.clone();
    }
    shown["payload"] = match &message.status {
        Some(status) => json!({ "status": status.as_str(), "response": payload }),
        None => payload,
    };
    shown
}

/// Returns the message without the fields of the question, with empty refs as null (they are the same in binary
/// frames), and with one kind of number.
fn plain(message: &Value) -> Value {
    let mut message = message.clone();
    let fields = message.as_object_mut().unwrap();
    fields.remove("binary");
    for name in ["join_ref", "ref"] {
        if fields[name] == "" {
            fields[name] = Value::Null;
        }
    }
    floats(&mut message);
    message
}

fn floats(value: &mut Value) {
    match value {
        Value::Number(number) => *value = json!(number.as_f64()),
        Value::Array(values) => values.iter_mut().for_each(floats),
        Value::Object(values) => values.values_mut().for_each(floats),
        _ => {}
    }
}

fn frame(answer: &Value) -> Frame {
    match answer.get("text") {
        Some(text) => Frame::text(text.as_str().unwrap().to_owned()),
        None => Frame::binary(bytes(&answer["bytes"])),
    }
}

fn frame_json(frame: &Frame) -> Value {
    if frame.is_text() {
        json!({ "text": String::from_utf8(frame.as_bytes().to_vec()).unwrap() })
    } else {
        json!({ "bytes": frame.as_bytes().to_vec() })
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    let bytes = value.as_array().unwrap().iter();
    bytes.map(|byte| u8::try_from(byte.as_u64().unwrap()).unwrap()).collect()
}

fn client_message(seed: u64) -> Message {
    let mut rng = Rng::with_seed(seed);
    let binary = rng.bool();
    // In a binary frame the longest name is 255 bytes, and one more is refused.
    let longest = if binary { rng.usize(255..=256) } else { 400 };
    let topic = name(&mut rng, longest);
    let event = name(&mut rng, longest);
    let payload = if binary { binary_payload(&mut rng) } else { json_payload(&mut rng) };
    // phoenix.js writes a missing ref into a binary frame as the text "null"; it never has one there.
    let (join_ref, reference) = if binary {
        (Some(reference(&mut rng)), Some(reference(&mut rng)))
    } else {
        (maybe(&mut rng), maybe(&mut rng))
    };
    Message::new(topic, event, payload).with_join_ref(join_ref).with_reference(reference)
}

fn server_message(seed: u64) -> Message {
    let mut rng = Rng::with_seed(seed);
    let binary = rng.bool();
    let topic = name(&mut rng, 255);
    let payload = if binary { binary_payload(&mut rng) } else { json_payload(&mut rng) };
    match rng.u8(0..3) {
        0 => {
            let status = match rng.u8(0..3) {
                0 => Status::Ok,
                1 => Status::Error,
                _ => Status::from(name(&mut rng, 255).as_str()),
            };
            Message::reply(topic, Some(reference(&mut rng)), status, payload)
                .with_join_ref(maybe(&mut rng))
        }
        1 => Message::new(topic, event(&mut rng), payload).with_join_ref(Some(reference(&mut rng))),
        _ => Message::new(topic, event(&mut rng), payload),
    }
}

/// Generates an event that isn't a reply's.
fn event(rng: &mut Rng) -> String {
    let name = name(rng, 255);
    if events::REPLY == name { "news".to_owned() } else { name }
}

fn maybe(rng: &mut Rng) -> Option<Ref> {
    rng.bool().then(|| reference(rng))
}

fn reference(rng: &mut Rng) -> Ref {
    match rng.u8(0..4) {
        0 => Ref::from(&*name(rng, 20)),
        1 => Ref::from(u64::MAX),
        _ => Ref::from(rng.u64(0..100_000)),
    }
}

/// Generates text of at most `longest` bytes, often of exactly as many; never empty.
fn name(rng: &mut Rng, longest: usize) -> String {
    let len = if rng.u8(0..8) == 0 { longest } else { rng.usize(1..longest.min(30)) };
    let mut name = String::new();
    loop {
        let next = character(rng);
        if name.len() + next.len_utf8() > len {
            break;
        }
        name.push(next);
    }
    name.push_str(&"x".repeat(len - name.len()));
    name
}

fn character(rng: &mut Rng) -> char {
    match rng.u8(0..8) {
        0 => ['"', '\\', '/', '\u{0}', '\n', '\u{7f}', '\u{2028}', '\u{feff}'][rng.usize(0..8)],
        1 => rng.char(..),
        2 => ['\u{fc}', '\u{20ac}', '\u{1f426}'][rng.usize(0..3)],
        _ => rng.char('a'..='z'),
    }
}

fn binary_payload(rng: &mut Rng) -> Payload {
    let len = if rng.u8(0..5) == 0 { 0 } else { rng.usize(0..300) };
    let bytes: Vec<u8> = (0..len).map(|_| rng.u8(..)).collect();
    Payload::binary(bytes)
}

fn json_payload(rng: &mut Rng) -> Payload {
    Payload::json(&json_value(rng, 0)).unwrap()
}

fn json_value(rng: &mut Rng, depth: usize) -> Value {
    let kinds = if depth < 4 { 9 } else { 6 };
    match rng.u8(0..kinds) {
        // phoenix.js asks a payload for its constructor, so none can be null.
        0 if depth > 0 => Value::Null,
        0 | 1 => json!(rng.bool()),
        // Numbers that both sides can represent.
        2 => json!(rng.i64(-(1 << 53)..=1 << 53)),
        3 => json!(f64::from(rng.i32(..)) / 8.0),
        4 | 5 => json!(name(rng, 40)),
        6 => (0..rng.usize(0..4)).map(|_| json_value(rng, depth + 1)).collect(),
        _ => {
            let mut object = Map::new();
            for _ in 0..rng.usize(0..4) {
                object.insert(name(rng, 12), json_value(rng, depth + 1));
            }
            Value::Object(object)
        }
    }
}
