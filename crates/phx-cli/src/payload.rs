//! Payloads as they are given on the command line: JSON, `@FILE` or `-`.

use std::fs;
use std::io::{self, Read as _};

use phx_tokio::Payload;
use serde_json::{Map, Value};

use crate::failure::{Failure, chain};

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
    let bytes = if path == "-" {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(path)
    };
    bytes.map_err(|error| {
        Failure::unreadable(if path == "-" { "standard input" } else { path }, &error)
    })
}

fn checked(text: Vec<u8>, what: &str) -> Result<Payload, Failure> {
    let is_word = text.first().is_some_and(u8::is_ascii_alphabetic);
    Payload::from_json_text(text).map_err(|error| {
        let hint = if is_word { "; a text needs quotes of its own, as in '\"hello\"'" } else { "" };
        Failure::Usage(format!("{what} isn't JSON: {}{hint}", chain(&error)))
    })
}

/// Params of a join: an object, with single ones added to it.
pub(crate) fn params(object: Option<&str>, pairs: &[(String, String)]) -> Result<Payload, Failure> {
    let payload = json(object)?;
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
    use super::*;

    #[test]
    fn single_params_are_added_to_the_object() {
        let pairs = [("name".to_owned(), "ann".to_owned())];
        let params = params(Some(r#"{"age": 3}"#), &pairs).unwrap();
        assert_eq!(params.as_json(), Some(r#"{"age":3,"name":"ann"}"#));
    }

    #[test]
    fn who_forgets_the_quotes_is_told() {
        let Err(Failure::Usage(text)) = json(Some("hello")) else { panic!("it isn't JSON") };
        assert!(text.contains("quotes of its own"), "{text}");
    }
}
