//! Payloads in the form that Phoenix's JSON library gives them.

use std::collections::BTreeSet;
use std::fmt;

use phx_proto::Payload;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The payload as Phoenix parses it: of equal keys of an object the first counts, and
/// `-0` is `0`. What reads the same stays as it is written. The payload must be JSON that `serde_json`
/// reads, or binary.
pub(super) fn parsed(payload: Payload) -> Payload {
    let Some(json) = payload.as_json() else {
        return payload;
    };
    let mut text = String::with_capacity(json.len());
    match write(json.trim_ascii(), &mut text) {
        Ok(true) => Payload::from_json_text(text).unwrap_or(payload),
        Ok(false) | Err(_) => payload,
    }
}

/// Writes the value as read; returns true if that differs.
fn write(json: &str, to: &mut String) -> serde_json::Result<bool> {
    let mut changed = false;
    match json.as_bytes().first() {
        Some(b'{') => {
            let Members(members) = serde_json::from_str(json)?;
            let mut known = BTreeSet::new();
            to.push('{');
            for (key, value) in members {
                if known.contains(&key) {
                    changed = true;
                    continue;
                }
                to.push_str(if known.is_empty() { "" } else { "," });
                to.push_str(&serde_json::to_string(&key)?);
                to.push(':');
                changed |= write(value.get(), to)?;
                known.insert(key);
            }
            to.push('}');
        }
        Some(b'[') => {
            to.push('[');
            for (index, value) in serde_json::from_str::<Vec<&RawValue>>(json)?.iter().enumerate() {
                to.push_str(if index == 0 { "" } else { "," });
                changed |= write(value.get(), to)?;
            }
            to.push(']');
        }
        _ if json == "-0" => {
            changed = true;
            to.push('0');
        }
        _ => to.push_str(json),
    }
    Ok(changed)
}

/// The members of an object, in their order, equal keys among them.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Each)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;

    fn read(json: &str) -> String {
        let payload = Payload::from_json_text(json.to_owned()).unwrap();
        parsed(payload).as_json().unwrap().to_owned()
    }

    #[test]
    fn of_equal_keys_the_first_counts_at_every_depth() {
        assert_eq!(read(r#"{"a":1,"a":2}"#), r#"{"a":1}"#);
        assert_eq!(read(r#"{"a":1 , "a" : {"b":[1,2],"c":"},"} ,"d":3}"#), r#"{"a":1,"d":3}"#);
        assert_eq!(read(r#"[{"a":{"b":1,"b":2},"a":3},{"a":4}]"#), r#"[{"a":{"b":1}},{"a":4}]"#);
        assert_eq!(read(r#"{"a":1,"b":2,"a":3,"b":4,"a":5}"#), r#"{"a":1,"b":2}"#);
        assert_eq!(read(r#"{"a":1,"\u0061":"\"}"}"#), r#"{"a":1}"#, "the same key");
        assert_eq!(read(r#"{"":1,"":{}}"#), r#"{"":1}"#);
    }

    #[test]
    fn a_negative_zero_is_zero_and_other_numbers_stay() {
        assert_eq!(read("-0"), "0");
        assert_eq!(read(r#"{"a":[-0, -0],"b":-0}"#), r#"{"a":[0,0],"b":0}"#);
        assert_eq!(read(r#"{"a":-0,"a":-0,"c":-0}"#), r#"{"a":0,"c":0}"#);
        for same in ["[-0.0,-0e1,1e-0,-1,-5e3]", r#"["-0"]"#] {
            assert_eq!(read(same), same);
        }
    }

    #[test]
    fn what_reads_the_same_stays_as_it_is_written() {
        let json = r#" {"a":{"a":[1, "a","a"]},"b":"\"\u0061\":","c":[{},{}],"d" :null} "#;
        assert_eq!(read(json), json);
        let binary = Payload::binary(b"{\"a\":1,\"a\":2}".as_slice());
        assert_eq!(parsed(binary.clone()), binary);
    }

    #[test]
    fn random_json_reads_as_a_parser_that_keeps_the_first_key() {
        let mut rng = fastrand::Rng::with_seed(9);
        for _ in 0..2000 {
            let (json, expected) = random(&mut rng, 4);
            let once = read(&json);
            assert_eq!(serde_json::from_str::<Value>(&once).unwrap(), expected, "{json}");
            assert_eq!(read(&once), once);
        }
    }

    /// A value as it may be written, and what it reads.
    fn random(rng: &mut fastrand::Rng, depth: u32) -> (String, Value) {
        let kind = if depth == 0 { rng.u8(0..4) } else { rng.u8(0..8) };
        let count = rng.usize(0..5);
        let mut texts = Vec::new();
        match kind {
            0 => {
                let (text, value) = rng
                    .choice([
                        ("1", json!(1)),
                        ("-0", json!(0)),
                        ("1e-0", json!(1.0)),
                        ("null", json!(null)),
                    ])
                    .unwrap();
                (text.to_owned(), value)
            }
            1..=3 => {
                let text = *rng.choice(&[r#""a""#, r#""}\"""#, r#""\\""#, r#"",""#]).unwrap();
                (text.to_owned(), serde_json::from_str(text).unwrap())
            }
            4 | 5 => {
                let mut values = Vec::new();
                for _ in 0..count {
                    let (text, value) = random(rng, depth - 1);
                    texts.push(text);
                    values.push(value);
                }
                (format!("[{}]", texts.join(" ,")), Value::Array(values))
            }
            _ => {
                let mut object = Map::new();
                for _ in 0..count {
                    let keys = [("a", "a"), ("b", "b"), (r"\u0061", "a"), (r#"\""#, "\"")];
                    let (written, key) = *rng.choice(&keys).unwrap();
                    let (text, value) = random(rng, depth - 1);
                    texts.push(format!(r#""{written}" : {text}"#));
                    object.entry(key).or_insert(value);
                }
                (format!("{{{}}}", texts.join(", ")), Value::Object(object))
            }
        }
    }
}
