//! Payloads as an application gets them from Phoenix's JSON library.

use std::borrow::Cow;
use std::collections::BTreeSet;

use bytes::Bytes;
use phx_proto::Payload;

/// What the payload reads after Phoenix has parsed it: of equal keys of an object the first counts, and
/// `-0` is `0`. All else stays as it is written. The payload must be JSON, or binary.
pub(super) fn parsed(payload: Payload) -> Payload {
    let Some(json) = payload.as_json() else {
        return payload;
    };
    match rewritten(json.as_bytes()) {
        Some(json) => Payload::from_json_text(Bytes::from(json)).unwrap_or(payload),
        None => payload,
    }
}

/// What is open around a value.
enum Scope<'a> {
    Array,
    /// The keys so far.
    Object(BTreeSet<Cow<'a, [u8]>>),
}

/// `None` if it reads the same. One pass; a value that is dropped isn't looked into.
fn rewritten(json: &[u8]) -> Option<Vec<u8>> {
    let mut kept = Vec::new();
    // All before it was kept or dropped.
    let mut done = 0;
    let mut scopes = Vec::new();
    let (mut at, mut comma, mut key_is_next) = (0, 0, false);
    while let Some(&byte) = json.get(at) {
        match byte {
            b'{' => {
                scopes.push(Scope::Object(BTreeSet::new()));
                key_is_next = true;
            }
            b'[' => {
                scopes.push(Scope::Array);
                key_is_next = false;
            }
            b'}' | b']' => {
                scopes.pop();
                key_is_next = false;
            }
            b',' => {
                comma = at;
                key_is_next = matches!(scopes.last(), Some(Scope::Object(_)));
            }
            b'"' => {
                let end = end_of_string(json, at);
                if let (true, Some(Scope::Object(keys))) = (key_is_next, scopes.last_mut())
                    && !keys.insert(unescaped(json.get(at..end).unwrap_or_default()))
                {
                    kept.extend_from_slice(json.get(done..comma).unwrap_or_default());
                    done = end_of_value(json, end);
                    at = done;
                    continue;
                }
                key_is_next = false;
                at = end;
                continue;
            }
            b'-' | b'0'..=b'9' => {
                let rest = json.get(at..).unwrap_or_default();
                let is_part =
                    |byte: &&u8| matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E' | b'0'..=b'9');
                let end = at + rest.iter().take_while(is_part).count();
                if json.get(at..end) == Some(b"-0") {
                    kept.extend_from_slice(json.get(done..at).unwrap_or_default());
                    done = at + 1;
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    if done == 0 {
        return None;
    }
    kept.extend_from_slice(json.get(done..).unwrap_or_default());
    Some(kept)
}

/// Where the string that begins here ends, its quote included.
fn end_of_string(json: &[u8], begin: usize) -> usize {
    let mut at = begin + 1;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    json.len()
}

/// Where the member ends whose key ends here: before the comma or brace that follows it.
fn end_of_value(json: &[u8], key_end: usize) -> usize {
    let (mut at, mut depth) = (key_end, 0_usize);
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => {
                at = end_of_string(json, at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b',' | b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    json.len()
}

/// The key that a string with its quotes is.
fn unescaped(string: &[u8]) -> Cow<'_, [u8]> {
    if string.contains(&b'\\')
        && let Ok(key) = serde_json::from_slice::<String>(string)
    {
        return Cow::Owned(key.into_bytes());
    }
    let without_begin = string.strip_prefix(b"\"").unwrap_or(string);
    Cow::Borrowed(without_begin.strip_suffix(b"\"").unwrap_or(without_begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> String {
        let payload = Payload::from_json_text(json.to_owned()).unwrap();
        parsed(payload).as_json().unwrap().to_owned()
    }

    #[test]
    fn of_equal_keys_the_first_counts_at_every_depth() {
        assert_eq!(read(r#"{"a":1,"a":2}"#), r#"{"a":1}"#);
        assert_eq!(read(r#"{"a":1 , "a" : {"b":[1,2],"c":"},"} ,"d":3}"#), r#"{"a":1 ,"d":3}"#);
        assert_eq!(read(r#"[{"a":{"b":1,"b":2},"a":3},{"a":4}]"#), r#"[{"a":{"b":1}},{"a":4}]"#);
        assert_eq!(read(r#"{"a":1,"b":2,"a":3,"b":4,"a":5}"#), r#"{"a":1,"b":2}"#);
        assert_eq!(read(r#"{"a":1,"\u0061":"\"}"}"#), r#"{"a":1}"#, "the same key");
        assert_eq!(read(r#"{"":1,"":{}}"#), r#"{"":1}"#);
    }

    #[test]
    fn a_negative_zero_is_zero_and_other_numbers_stay() {
        assert_eq!(read("-0"), "0");
        assert_eq!(read(r#"{"a":[-0, -0],"b":-0}"#), r#"{"a":[0, 0],"b":0}"#);
        assert_eq!(read(r#"{"a":-0,"a":-0,"c":-0}"#), r#"{"a":0,"c":0}"#);
        for same in ["[-0.0,-0e1,1e-0,-1,-5e3]", r#"["-0"]"#] {
            assert_eq!(read(same), same);
        }
    }

    #[test]
    fn what_reads_the_same_is_not_copied() {
        let json = r#"{"a":{"a":[1,"a","a"]},"b":"\"a\":","c":[{},{}],"d":null}"#;
        assert_eq!(rewritten(json.as_bytes()), None);
        let binary = Payload::binary(b"{\"a\":1,\"a\":2}".as_slice());
        assert_eq!(parsed(binary.clone()), binary);
    }

    #[test]
    fn random_json_reads_as_a_parser_that_keeps_the_first_key() {
        let mut rng = fastrand::Rng::with_seed(9);
        for _ in 0..2000 {
            let json = random(&mut rng, 4);
            let once = read(&json);
            let expected: First = serde_json::from_str(&json).unwrap();
            assert_eq!(serde_json::from_str::<First>(&once).unwrap().0, expected.0, "{json}");
            assert_eq!(read(&once), once);
            let all: serde_json::Value = serde_json::from_str(&once).unwrap();
            assert_eq!(all, expected.0, "{json} has no equal keys any more");
        }
    }

    fn random(rng: &mut fastrand::Rng, depth: u32) -> String {
        let kind = if depth == 0 { rng.u8(0..4) } else { rng.u8(0..8) };
        let count = rng.usize(0..5);
        match kind {
            0 => (*rng.choice(&["1", "-0", "1e-0", "true", "null"]).unwrap()).to_owned(),
            1..=3 => {
                (*rng.choice(&[r#""a""#, r#""}\"""#, r#""\\""#, r#"",""#]).unwrap()).to_owned()
            }
            4 | 5 => {
                let values: Vec<_> = (0..count).map(|_| random(rng, depth - 1)).collect();
                format!("[{}]", values.join(" ,"))
            }
            _ => {
                let keys = [r#""a""#, r#""b""#, r#""\u0061""#, r#""\"""#];
                let members = (0..count).map(|_| {
                    let key = *rng.choice(&keys).unwrap();
                    format!("{key} : {}", random(rng, depth - 1))
                });
                format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// A value of which the first of equal keys counts.
    struct First(serde_json::Value);

    impl<'de> serde::Deserialize<'de> for First {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = First;

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("JSON")
                }

                fn visit_bool<E>(self, value: bool) -> Result<First, E> {
                    Ok(First(value.into()))
                }

                fn visit_u64<E>(self, value: u64) -> Result<First, E> {
                    Ok(First(value.into()))
                }

                fn visit_f64<E>(self, value: f64) -> Result<First, E> {
                    // serde_json reads `-0` as a float; `1e-0` is 1.0.
                    Ok(First(if value == 0.0 { 0.into() } else { value.into() }))
                }

                fn visit_str<E>(self, value: &str) -> Result<First, E> {
                    Ok(First(value.into()))
                }

                fn visit_unit<E>(self) -> Result<First, E> {
                    Ok(First(serde_json::Value::Null))
                }

                fn visit_seq<A: serde::de::SeqAccess<'de>>(
                    self,
                    mut seq: A,
                ) -> Result<First, A::Error> {
                    let mut list = Vec::new();
                    while let Some(First(value)) = seq.next_element()? {
                        list.push(value);
                    }
                    Ok(First(list.into()))
                }

                fn visit_map<A: serde::de::MapAccess<'de>>(
                    self,
                    mut map: A,
                ) -> Result<First, A::Error> {
                    let mut object = serde_json::Map::new();
                    while let Some((key, First(value))) = map.next_entry::<String, First>()? {
                        object.entry(key).or_insert(value);
                    }
                    Ok(First(object.into()))
                }
            }
            deserializer.deserialize_any(Visitor)
        }
    }
}
