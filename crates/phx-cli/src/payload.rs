//! Payloads as they are given on the command line: JSON, `@FILE` or `-`.

use phx_tokio::Payload;
use serde_json::{Map, Value};

use crate::failure::{Failure, chain};
use crate::value;

/// Bytes of a payload: more wouldn't be sent.
const MAX_PAYLOAD: usize = 64 << 20;

/// JSON text, `@FILE` with JSON in it, or `-` for JSON on standard input. Without any it is `{}`.
pub(crate) fn json(argument: Option<&str>) -> Result<Payload, Failure> {
    match argument {
        None => Ok(Payload::empty()),
        Some("-") => checked(read("-")?, "standard input"),
        Some(argument) => match argument.strip_prefix('@') {
            Some(path) => checked(read(path)?, path),
            None => checked(argument.as_bytes().to_vec(), "the payload"),
        },
    }
}

/// A file's bytes; `-` is standard input.
pub(crate) fn read(path: &str) -> Result<Vec<u8>, Failure> {
    value::read(path, MAX_PAYLOAD).map(|(bytes, _)| bytes).map_err(Failure::Usage)
}

fn checked(text: Vec<u8>, what: &str) -> Result<Payload, Failure> {
    let is_word = text.first().is_some_and(u8::is_ascii_alphabetic);
    Payload::from_json_text(text).map_err(|error| {
        let hint = if is_word { "; a string needs double quotes, as in '\"hello\"'" } else { "" };
        Failure::Usage(format!("{what} isn't JSON: {}{hint}", chain(&error)))
    })
}

/// Params of a join: an object, with single ones added to it.
pub(crate) fn params(object: Option<&str>, pairs: &[(String, String)]) -> Result<Payload, Failure> {
    let payload = match object {
        Some(text) => checked(text.as_bytes().to_vec(), "--join-params")?,
        None => Payload::empty(),
    };
    let mut params: Map<String, Value> = payload.decode().map_err(|_| {
        Failure::usage("the params of a join are a JSON object, as in '{\"name\": \"ann\"}'")
    })?;
    if pairs.is_empty() {
        return Ok(payload);
    }
    for (name, value) in pairs {
        params.insert(name.clone(), Value::String(value.clone()));
    }
    Payload::json(&params).map_err(|error| Failure::Usage(chain(&error)))
}

#[cfg(test)]
mod tests {
    use allocation_counter::measure;

    use super::*;

    #[test]
    fn single_params_are_added_to_the_object() {
        let pairs = [("name".to_owned(), "ann".to_owned())];
        let params = params(Some(r#"{"age": 3}"#), &pairs).unwrap();
        assert_eq!(params.as_json(), Some(r#"{"age":3,"name":"ann"}"#));
    }

    #[test]
    #[cfg(unix)]
    fn a_payload_is_limited_in_bytes() {
        let used = measure(|| {
            let Err(Failure::Usage(text)) = read("/dev/zero") else { panic!("it has no end") };
            assert_eq!(text, "/dev/zero holds more than 64 MiB");
        });
        // A buffer that doubles is there twice while it is copied.
        assert!(used.bytes_max < 4 * MAX_PAYLOAD as u64, "{used:?}");
    }

    #[test]
    fn forgotten_quotes_are_hinted_at() {
        let Err(Failure::Usage(text)) = json(Some("hello")) else { panic!("it isn't JSON") };
        assert!(text.contains("needs double quotes"), "{text}");
    }
}
