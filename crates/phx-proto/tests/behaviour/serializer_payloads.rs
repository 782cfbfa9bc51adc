//! Payloads: invalid JSON is an error when it is decoded at the latest, and keeps its bytes.

use std::error::Error as _;

use phx_proto::{Payload, PayloadError};

#[test]
fn text_that_a_server_would_close_on_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "{}{}",
        "nope",
        "[1,]",
        r#"{"a":1,}"#,
        r#""\x""#,
        r#""\ud800""#,
        r#"{"\udc00":1}"#,
        "1e999",
        "[-1.0e400]",
        "NaN",
    ] {
        let Err(PayloadError::NotJson { payload, .. }) = Payload::from_json_text(text) else {
            panic!("took {text}");
        };
        assert_eq!(payload.as_bytes(), text);
    }
    assert!(matches!(Payload::from_json_text(&b"\"\xff\""[..]), Err(PayloadError::NotJson { .. })));
}

#[test]
fn text_that_a_server_takes_is_taken_as_it_is() {
    for text in [
        "null",
        " {} ",
        r#"{"a":1,"a":2}"#,
        r#""\ud83d\ude00""#,
        "12345678901234567890123",
        "1e-999",
        r#""\\ud800""#,
    ] {
        assert_eq!(Payload::from_json_text(text).unwrap().as_json(), Some(text));
    }
}

#[test]
fn errors_hide_what_their_sources_may_quote() {
    let payload = Payload::json("hunter2").unwrap();
    let error = payload.decode::<u64>().unwrap_err();
    assert!(!format!("{error} {error:?} {error:#?}").contains("hunter2"));
    assert_eq!(
        format!("{error:?}"),
        "Deserialize { category: Data, line: 1, column: 9, payload: Payload::Json(9 bytes) }"
    );
    // The documented exception.
    assert!(error.source().unwrap().to_string().contains("hunter2"));
}

#[test]
fn every_error_names_the_payload_that_it_holds() {
    let number = Payload::json(&7).unwrap();
    let error = number.decode::<bool>().unwrap_err();
    assert_eq!(error.payload(), Some(&number));
    let binary = Payload::binary("bytes");
    let error = binary.decode::<bool>().unwrap_err();
    assert_eq!(error.payload(), Some(&binary));
    let unchecked = Payload::from_unchecked_json("{\"a\":".into());
    let error = unchecked.decode::<serde_json::Value>().unwrap_err();
    assert_eq!(error.payload(), Some(&unchecked));
    let error = Payload::from_json_text("{body}").unwrap_err();
    assert_eq!(error.payload().unwrap().as_bytes(), "{body}");
    // There was none yet.
    let keys_that_are_no_strings = std::collections::BTreeMap::from([([1], 2)]);
    assert!(Payload::json(&keys_that_are_no_strings).unwrap_err().payload().is_none());
}
