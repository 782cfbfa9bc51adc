//! The `reason` of a response.

use alloc::borrow::Cow;
use alloc::string::String;

use crate::serializer::scan::{Element, Scanner};
use crate::{DecodeCause, Payload};

/// The reason, which takes the scanner to find.
impl Payload {
    /// The string under `reason`, if this is a JSON object that has one: how Phoenix says why it
    /// rejected a join, or why a channel crashed.
    ///
    /// # Examples
    ///
    /// ```
    /// use phx_proto::Payload;
    ///
    /// let response = Payload::from_json_text(r#"{"reason":"unauthorized"}"#)?;
    /// assert_eq!(response.reason().as_deref(), Some("unauthorized"));
    /// # Ok::<(), phx_proto::PayloadError>(())
    /// ```
    #[must_use]
    pub fn reason(&self) -> Option<Cow<'_, str>> {
        if self.is_binary() { None } else { reason(self.as_bytes()) }
    }
}

/// There is no reason, or it isn't JSON.
struct NoReason;

impl From<DecodeCause> for NoReason {
    fn from(_: DecodeCause) -> Self {
        NoReason
    }
}

/// The string under `reason`, if the text is a JSON object that has one, and no other. Copied only if it has escapes.
// Not by a type that is deserialised: that would bring in the reader of all others, with its numbers.
fn reason(json: &[u8]) -> Option<Cow<'_, str>> {
    match written(json).ok()?.text(json)? {
        Cow::Borrowed(text) => core::str::from_utf8(text).ok().map(Cow::Borrowed),
        Cow::Owned(text) => String::from_utf8(text).ok().map(Cow::Owned),
    }
}

fn written(json: &[u8]) -> Result<Element, NoReason> {
    let mut scanner = Scanner::new(json);
    let mut reason = None;
    scanner.object(|scanner, key| {
        let is_reason = *key.text(json).ok_or(NoReason)? == *b"reason";
        let value = scanner.element()?;
        if is_reason && reason.replace(value).is_some() {
            return Err(NoReason);
        }
        Ok(())
    })?;
    scanner.end()?;
    reason.ok_or(NoReason)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Reason<'a> {
        #[serde(borrow)]
        reason: Cow<'a, str>,
    }

    #[test]
    fn it_is_what_serde_finds() {
        let texts = [
            "",
            "null",
            "{}",
            "[]",
            r#"{"reason":"unauthorized"}"#,
            r#" { "id" : [1, {"reason": "other"}], "reason" : "late" } "#,
            r#"{"reason":""}"#,
            r#"{"reason":"a\nb \u00e9 \ud83d\ude00"}"#,
            r#"{"reason":"\ud800"}"#,
            r#"{"re\u0061son":"escaped"}"#,
            r#"{"\ud800":1,"reason":"a"}"#,
            r#"{"other":"\ud800","reason":"a"}"#,
            r#"{"reason":"one","reason":"two"}"#,
            r#"{"reason":null}"#,
            r#"{"reason":7}"#,
            r#"{"reason":{"reason":"a"}}"#,
            r#"{"reason":"a"} x"#,
            r#"{"reason":"a""#,
            r#"{"reason":"a",}"#,
            r#"{"reason" "a"}"#,
            "{\"reason\":\"a\tb\"}",
            "{\"reason\":\"h\u{e9}\"}",
        ];
        for text in texts {
            let by_serde = serde_json::from_str(text).ok().map(|Reason { reason }| reason);
            assert_eq!(reason(text.as_bytes()), by_serde, "{text}");
        }
        assert_eq!(reason(b"{\"reason\":\"\xff\"}"), None);
    }

    #[test]
    fn an_array_has_none() {
        assert_eq!(reason(br#"["unauthorized"]"#), None);
    }
}
