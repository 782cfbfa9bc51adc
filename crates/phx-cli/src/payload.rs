//! Payloads on the command line: JSON, `@FILE` or `-`.

use std::collections::BTreeMap;
use std::error::Error as _;

use phx_tokio::Payload;
use serde_json::value::RawValue;

use crate::failure::{Failure, chain};
use crate::value;

/// Bytes of a payload: more wouldn't be sent.
const MAX_PAYLOAD: usize = 64 << 20;

/// A param's name and its JSON value.
pub(crate) type JsonPair = (String, Box<RawValue>);

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
    value::read(path, MAX_PAYLOAD).map(|(bytes, _)| bytes).map_err(Failure::usage)
}

/// Checks that the text is a payload; `what` names it in the error.
pub(crate) fn checked(text: Vec<u8>, what: &str) -> Result<Payload, Failure> {
    let is_word = text.first().is_some_and(u8::is_ascii_alphabetic);
    Payload::from_json_text(text).map_err(|error| {
        // The error itself repeats the text.
        let why = error.source().unwrap_or(&error);
        let hint = if is_word { "; a string needs double quotes, as in '\"hello\"'" } else { "" };
        Failure::usage(format!("{what} isn't JSON: {}{hint}", chain(why)))
    })
}

/// Params of a join: a JSON object from `what`, with single ones added to it.
pub(crate) fn params(text: &[u8], what: &str, pairs: &[JsonPair]) -> Result<Payload, Failure> {
    let payload = checked(text.to_vec(), what)?;
    let mut params: BTreeMap<String, Box<RawValue>> = payload.decode().map_err(|_| {
        Failure::usage("the params of a join are a JSON object, as in '{\"name\": \"ann\"}'")
    })?;
    params.extend(pairs.iter().cloned());
    Payload::json(&params).map_err(|error| Failure::usage(chain(&error)))
}

#[cfg(test)]
mod tests {
    use allocation_counter::measure;

    use super::*;
    use crate::failure::Code;

    #[test]
    fn single_params_are_added_to_the_object() {
        let pairs = ["name=ann", "n:=1.50"].map(|pair| value::json_pair(pair).unwrap());
        let params = params(br#"{"age": 3, "n": 0}"#, "it", &pairs).unwrap();
        assert_eq!(params.as_json(), Some(r#"{"age":3,"n":1.50,"name":"ann"}"#));
    }

    #[test]
    #[cfg(unix)]
    fn a_payload_is_limited_in_bytes() {
        let used = measure(|| {
            let Err(Failure::Error(Code::Usage, text)) = read("/dev/zero") else {
                panic!("it has no end")
            };
            assert_eq!(text, "/dev/zero holds more than 64 MiB");
        });
        // A buffer that doubles is there twice while it is copied.
        assert!(used.bytes_max < 4 * MAX_PAYLOAD as u64, "{used:?}");
    }

    #[test]
    fn forgotten_quotes_are_hinted_at() {
        let Err(Failure::Error(Code::Usage, text)) = json(Some("hello")) else {
            panic!("it isn't JSON")
        };
        assert!(text.contains("needs double quotes"), "{text}");
    }
}
