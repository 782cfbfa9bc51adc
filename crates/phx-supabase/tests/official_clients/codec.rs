//! Random messages, encoded by realtime-js's serializer and ours, and random frames of the server, decoded by both.
//!
//! What differs, and is counted:
//!
//! | | realtime-js | ours |
//! |---|---|---|
//! | a broadcast of `null` to send | `{}` | `null` |
//! | a frame that ends inside its names | read as far as it goes | an error |
//! | a name that isn't UTF-8 | U+FFFD in its place | an error |
//! | a byte order mark at the start of a name or of JSON | dropped | a part of it |
//! | an encoding other than 0 and 1 | bytes | an error |
//! | metadata that isn't JSON | throws | the payload, and metadata that can't be decoded |
//! | metadata `null` | `null` | `null`, as JSON |
//! | no frame of kind 4 | throws, or undefined | Phoenix's, or an error |

use std::collections::BTreeMap;
use std::path::Path;

use fastrand::Rng;
use phx_client::{DecodeCause, EncodeError, Frame, Message, Payload, Ref, Serializer as _};
use phx_conformance::official::Official;
use phx_supabase::{Broadcast, USER_BROADCAST, V2};
use serde_json::{Value, json};

/// `PHX_CODEC_MESSAGES` is another number.
const MESSAGES: u64 = 10_000;

fn messages() -> u64 {
    std::env::var("PHX_CODEC_MESSAGES").map_or(MESSAGES, |text| text.parse().unwrap())
}

fn official() -> Official {
    let judges = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges");
    Official::run(&judges.join("codec.mjs")).unwrap()
}

/// What a client sends: both encode it to the same frame, up to the way that JSON is written.
#[test]
fn supabase_judge_codec_of_clients() {
    let (mut official, mut refused, mut binary, mut nulls) = (official(), 0_u64, 0_u64, 0_u64);
    let count = messages();
    let pushes: Vec<Push> = (0..count).map(Push::random).collect();
    let questions = pushes.iter().map(|push| json!({ "message": push.shown() }));
    let answers: Vec<Value> = official.ask("encode", questions).unwrap();
    for (seed, (push, theirs)) in pushes.iter().zip(&answers).enumerate() {
        let ours = push.encode();
        match (&ours, theirs.get("refused")) {
            (Err(EncodeError::TooLong { .. }), Some(_)) => refused += 1,
            (Ok(Frame::Binary(frame)), None) => {
                let theirs = bytes(theirs["frame"].as_str().unwrap());
                let (mut ours, theirs) = (parts(frame), parts(&theirs));
                if ours.3.is_null() {
                    ours.3 = json!({});
                    nulls += 1;
                }
                assert_eq!(ours, theirs, "seed {seed}");
                binary += 1;
            }
            (Ok(Frame::Text(text)), None) => {
                let read = |text: &[u8]| plain(serde_json::from_slice(text).unwrap());
                let theirs = theirs["text"].as_str().unwrap();
                assert_eq!(read(text), read(theirs.as_bytes()), "seed {seed}");
            }
            _ => panic!("seed {seed}: {ours:?}, {theirs}"),
        }
    }
    println!(
        "codec: client messages={count}, kind 3={binary}, refused by both={refused}, null={nulls}"
    );
    assert!(binary > count / 2 && refused > count / 100 && nulls > 0, "{binary} {refused}");
}

/// A push of a client.
struct Push {
    join_ref: u64,
    reference: u64,
    topic: String,
    event: String,
    /// Metadata of a broadcast, and its body; without, the payload of another event.
    broadcast: Option<(Option<Value>, Body)>,
    payload: Value,
}

enum Body {
    Json(Value),
    Bytes(Vec<u8>),
}

impl Push {
    fn random(seed: u64) -> Self {
        let rng = &mut Rng::with_seed(seed);
        let persist = match rng.u8(0..6) {
            0 => Some(json!(true)),
            1 => Some(json!({ "ttl": rng.u32(..) })),
            2 if rng.u8(0..4) == 0 => Some(json!("x".repeat(rng.usize(230..260)))),
            _ => None,
        };
        let body = match rng.bool() {
            true => Body::Json(value(rng, 3)),
            false => Body::Bytes((0..rng.usize(0..40)).map(|_| rng.u8(..)).collect()),
        };
        Push {
            join_ref: rng.u64(..),
            reference: rng.u64(..),
            topic: format!("realtime:{}", name(rng)),
            event: name(rng),
            broadcast: (rng.u8(0..5) > 0).then_some((persist, body)),
            payload: value(rng, 2),
        }
    }

    /// In realtime-js's words.
    fn shown(&self) -> Value {
        let refs = [self.join_ref, self.reference].map(|number| number.to_string());
        let (event, payload) = match &self.broadcast {
            None => (self.event.as_str(), self.payload.clone()),
            Some((persist, body)) => {
                let body = match body {
                    Body::Json(value) => value.clone(),
                    Body::Bytes(bytes) => json!({ "bytes": hex(bytes) }),
                };
                let mut payload =
                    json!({ "type": "broadcast", "event": self.event, "payload": body });
                if let Some(persist) = persist {
                    payload["persist"] = persist.clone();
                }
                ("broadcast", payload)
            }
        };
        json!({
            "join_ref": refs[0], "ref": refs[1], "topic": self.topic, "event": event,
            "payload": payload,
        })
    }

    fn encode(&self) -> Result<Frame, EncodeError> {
        let message = match &self.broadcast {
            None => Message::new(
                self.topic.as_str(),
                self.event.as_str(),
                Payload::json(&self.payload).unwrap(),
            ),
            Some((persist, body)) => {
                let body = match body {
                    Body::Json(value) => Payload::json(value).unwrap(),
                    Body::Bytes(bytes) => Payload::binary(bytes.clone()),
                };
                let mut broadcast = Broadcast::new(self.event.as_str(), body);
                if let Some(persist) = persist {
                    let meta = Payload::json(&json!({ "persist": persist })).unwrap();
                    broadcast = broadcast.with_meta(meta);
                }
                Message::new(self.topic.as_str(), USER_BROADCAST, broadcast.to_payload()?)
            }
        };
        let message = message
            .with_join_ref(Some(Ref::from(self.join_ref)))
            .with_reference(Some(Ref::from(self.reference)));
        assert_eq!(V2.check(&message).is_ok(), V2.encode(&message).is_ok());
        V2.encode(&message)
    }
}

/// The parts of a frame of kind 3: header, names, metadata and body, the JSON of them as values.
fn parts(frame: &[u8]) -> (Vec<u8>, [Vec<u8>; 4], Value, Value) {
    let (header, mut rest) = frame.split_at(7);
    let mut part = |len: u8| {
        let (part, after) = rest.split_at(usize::from(len));
        rest = after;
        part.to_vec()
    };
    let names = [header[1], header[2], header[3], header[4]].map(&mut part);
    let meta = part(header[5]);
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    let meta = if meta.is_empty() { Value::Null } else { json(&meta) };
    let body = if header[6] == 1 { plain(json(rest)) } else { json!(hex(rest)) };
    (header.to_vec(), names, meta, body)
}

/// What a server sends: both decode it alike, but for the differences that are listed.
#[test]
fn supabase_judge_codec_of_servers() {
    let mut official = official();
    let count = messages();
    let frames: Vec<Frame> = (0..count).map(server_frame).collect();
    let questions = frames.iter().map(|frame| match frame {
        Frame::Text(text) => json!({ "text": std::str::from_utf8(text).unwrap() }),
        Frame::Binary(bytes) => json!({ "frame": hex(bytes) }),
    });
    let answers: Vec<Value> = official.ask("decode", questions).unwrap();
    let mut listed: BTreeMap<&str, u64> = BTreeMap::new();
    for (seed, (frame, theirs)) in frames.iter().zip(&answers).enumerate() {
        let what = difference(frame, theirs)
            .unwrap_or_else(|text| panic!("seed {seed}, {}: {text}", hex(frame.as_bytes())));
        *listed.entry(what.unwrap_or("none")).or_default() += 1;
    }
    println!("codec: server frames={count}, differences {listed:?}");
    assert!(listed.get("none").is_some_and(|equal| *equal > count / 2), "{listed:?}");
    let all = ["truncated", "not UTF-8", "byte order mark", "encoding", "metadata", "another kind"];
    assert!(all.iter().all(|what| listed.contains_key(what)), "{listed:?}");
}

/// The listed difference between both readings of a frame, if there is one; another one is an error.
fn difference(frame: &Frame, theirs: &Value) -> Result<Option<&'static str>, String> {
    let is_kind_4 = !frame.is_text() && frame.as_bytes().first() == Some(&4);
    let decoded = V2.decode(frame.clone());
    if !frame.is_text() && !is_kind_4 {
        return match theirs.get("refused").is_some() || theirs["message"].is_null() {
            true => Ok(Some("another kind")),
            false => Err(format!("{theirs}")),
        };
    }
    let message = match decoded {
        Ok(message) => message,
        Err(error) => {
            return match error.reason {
                DecodeCause::Truncated(_) => Ok(Some("truncated")),
                DecodeCause::Utf8(_) if is_replaced(theirs) => Ok(Some("not UTF-8")),
                DecodeCause::Field(_) if is_kind_4 && has_bytes(theirs) => Ok(Some("encoding")),
                other => Err(format!("{other}, {theirs}")),
            };
        }
    };
    let Some(broadcast) = Broadcast::read(&message.payload).filter(|_| is_broadcast(&message))
    else {
        let ours = json!([
            message.join_ref.map(|it| it.to_text().to_string()),
            &*message.topic,
            &*message.event,
            message.payload.decode::<Value>().unwrap(),
        ]);
        let theirs = &theirs["message"];
        let theirs =
            json!([theirs["join_ref"], theirs["topic"], theirs["event"], theirs["payload"]]);
        return match plain(ours.clone()) == plain(theirs.clone()) {
            true => Ok(None),
            false => Err(format!("ours {ours}, theirs {theirs}")),
        };
    };
    let meta: Option<Option<Value>> =
        broadcast.meta.as_ref().map(|meta| meta.decode().ok().map(plain));
    let body = match broadcast.payload.is_binary() {
        true => Some(json!({ "bytes": hex(broadcast.payload.as_bytes()) })),
        false => broadcast.payload.decode::<Value>().ok(),
    };
    if meta == Some(None) {
        return match (is_replaced(theirs), has_mark(broadcast.meta.as_ref())) {
            (true, _) => Ok(Some("metadata")),
            (_, true) => Ok(Some("byte order mark")),
            _ => Err(format!("theirs {theirs}")),
        };
    }
    let Some(body) = body else {
        return match (theirs.get("refused"), has_mark(Some(&broadcast.payload))) {
            (Some(_), _) => Ok(None),
            (_, true) => Ok(Some("byte order mark")),
            _ => Err(format!("theirs {theirs}")),
        };
    };
    let mut ours = json!([&*message.topic, &*broadcast.event, plain(body), meta.flatten()]);
    let theirs = &theirs["message"];
    let payload = &theirs["payload"];
    let theirs = json!([
        theirs["topic"],
        payload["event"],
        plain(payload["payload"].clone()),
        plain(payload["meta"].clone()),
    ]);
    if ours == theirs {
        return Ok(None);
    }
    for name in ours.as_array_mut().unwrap().iter_mut().take(2) {
        let text = name.as_str().unwrap();
        *name = json!(text.strip_prefix('\u{feff}').unwrap_or(text));
    }
    match ours == theirs {
        true => Ok(Some("byte order mark")),
        false => Err(format!("ours {ours}, theirs {theirs}")),
    }
}

/// True if realtime-js read something else than what was sent, or threw.
fn is_replaced(theirs: &Value) -> bool {
    theirs.get("refused").is_some() || theirs.to_string().contains('\u{fffd}')
}

/// True for text behind a byte order mark.
fn has_mark(payload: Option<&Payload>) -> bool {
    payload.is_some_and(|payload| payload.as_bytes().starts_with("\u{feff}".as_bytes()))
}

fn has_bytes(theirs: &Value) -> bool {
    theirs.get("refused").is_some() || theirs["message"]["payload"]["payload"]["bytes"].is_string()
}

fn is_broadcast(message: &Message) -> bool {
    message.event == USER_BROADCAST || message.event == "broadcast"
}

fn server_frame(seed: u64) -> Frame {
    let rng = &mut Rng::with_seed(seed);
    let topic = format!("realtime:{}", name(rng));
    if rng.u8(0..5) == 0 {
        let (event, payload) = match rng.bool() {
            true => ("presence_diff".to_owned(), value(rng, 2)),
            false => {
                let mut payload = json!({
                    "type": "broadcast", "event": name(rng), "payload": value(rng, 2),
                });
                if rng.bool() {
                    payload["meta"] = json!({ "id": name(rng) });
                }
                ("broadcast".to_owned(), payload)
            }
        };
        return Frame::text(json!([null, null, topic, event, payload]).to_string());
    }
    let bom = if rng.u8(0..20) == 0 { "\u{feff}" } else { "" };
    let event = format!("{bom}{}", name(rng));
    let meta = match rng.u8(0..4) {
        0 => json!({ "id": name(rng), "replayed": true }).to_string(),
        1 => value(rng, 1).to_string(),
        _ => String::new(),
    };
    let is_json = rng.bool();
    let body = match is_json {
        true => value(rng, 3).to_string().into_bytes(),
        false => (0..rng.usize(0..40)).map(|_| rng.u8(..)).collect(),
    };
    let mut frame = vec![4];
    let cut = |text: &str| {
        let end = (0..=255.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap();
        text[..end].to_owned()
    };
    let (topic, event) = (cut(&topic), cut(&event));
    let meta = if meta.len() > 255 { String::new() } else { meta };
    for part in [&topic, &event, &meta] {
        frame.push(u8::try_from(part.len()).unwrap());
    }
    frame.push(u8::from(is_json));
    for part in [topic.as_bytes(), event.as_bytes(), meta.as_bytes(), &body] {
        frame.extend_from_slice(part);
    }
    // Not in the metadata: a digit that becomes an `E` makes a number that JavaScript takes for infinite.
    let names = frame.len() - body.len() - meta.len();
    match rng.u8(0..20) {
        0 => frame.truncate(rng.usize(0..frame.len())),
        1 => frame[rng.usize(0..5)] = rng.u8(..),
        2 => frame[rng.usize(5..names)] = rng.u8(..),
        3 => frame[4] = rng.u8(2..),
        _ => {}
    }
    Frame::binary(frame)
}

/// A name, now and then as long as fits or one longer.
fn name(rng: &mut Rng) -> String {
    let chars = ['a', 'z', '0', ':', ' ', '"', '\\', 'é', '✓', '\u{1f600}', '\u{0}'];
    let len = match rng.u8(0..30) {
        0 => rng.usize(240..260),
        1 => 0,
        _ => rng.usize(1..12),
    };
    (0..len).map(|_| if len > 200 { 'x' } else { *rng.choice(&chars).unwrap() }).collect()
}

/// A value that JavaScript reads and writes as it is.
fn value(rng: &mut Rng, depth: u32) -> Value {
    match rng.u8(0..if depth == 0 { 5 } else { 7 }) {
        0 => Value::Null,
        1 => json!(rng.bool()),
        2 => json!(rng.i32(..)),
        3 => json!(f64::from(rng.i32(..)) / 64.0),
        4 => json!(name(rng)),
        5 => (0..rng.usize(0..4)).map(|_| value(rng, depth - 1)).collect(),
        _ => (0..rng.usize(0..4)).map(|_| (name(rng), value(rng, depth - 1))).collect(),
    }
}

/// The same value with one type of numbers: JavaScript writes 1.0 as 1.
fn plain(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(list) => list.into_iter().map(plain).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, plain(value))).collect(),
        other => other,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks_exact(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
