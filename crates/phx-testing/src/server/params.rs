//! A query string as the server's application sees it: nested maps and lists of strings.

use serde_json::{Map, Value};
use url::form_urlencoded;

/// Names nested deeper than this are cut off.
const MAX_DEPTH: usize = 64;

/// Decodes `a=1&b[c]=2&d[]=3` the way Plug does: maps by `[key]`, lists by `[]`, all values
/// strings. Of equal names the last counts; a name that contradicts an earlier one replaces it.
pub(super) fn decode(query: &str) -> Map<String, Value> {
    let mut params = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let (first, rest) = name.split_once('[').unwrap_or((&name, ""));
        let keys: Vec<&str> =
            rest.split_terminator(['[', ']']).step_by(2).take(MAX_DEPTH).collect();
        let slot = params.entry(first).or_insert(Value::Null);
        insert(slot, &keys, value.into_owned());
    }
    params
}

fn insert(slot: &mut Value, keys: &[&str], value: String) {
    match keys {
        [] => *slot = Value::String(value),
        [""] => {
            if !slot.is_array() {
                *slot = Value::Array(Vec::new());
            }
            if let Value::Array(list) = slot {
                list.push(Value::String(value));
            }
        }
        [key, rest @ ..] => {
            if !slot.is_object() {
                *slot = Value::Object(Map::new());
            }
            if let Value::Object(map) = slot {
                insert(map.entry(*key).or_insert(Value::Null), rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::decode;

    #[test]
    fn nests_as_plug_does() {
        let query = "name=Zo%C3%AB+%26&user[id]=7&user[tags][]=a&user[tags][]=b&list[]=1";
        let expected =
            json!({"name": "Zoë &", "user": {"id": "7", "tags": ["a", "b"]}, "list": ["1"]});
        assert_eq!(Value::Object(decode(query)), expected);
    }

    #[test]
    fn survives_anything() {
        for query in ["", "&&", "=", "[", "]", "a[", "a]", "a[b", "a[[b]]=1", "%", "a=%ff&a[b]=2"] {
            decode(query);
        }
    }
}
