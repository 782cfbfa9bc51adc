//! The contents of a payload, shown on request.

use core::fmt;

use super::Payload;
use crate::Escaped;

/// The contents of a [`Payload`], for the messages of tests: made by [`Payload::shown`].
///
/// `Debug` shows the whole JSON text, [`Escaped`], or the bytes of a binary payload as in a byte string. Two are
/// equal if the payloads are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Shown<'a>(&'a Payload);

impl Payload {
    /// The contents, which `Debug` of a payload hides: for assertions and while looking for a mistake. Not for logs,
    /// since payloads carry join params and users' data.
    ///
    /// # Examples
    ///
    /// ```
    /// use phx_proto::Payload;
    ///
    /// let payload = Payload::json(&[1, 2])?;
    /// assert_eq!(format!("{:?}", payload.shown()), "[1,2]");
    /// assert_eq!(format!("{:?}", Payload::binary("a\0").shown()), r#"b"a\x00""#);
    /// // What an assertion that fails shows.
    /// assert_eq!(payload.shown(), Payload::from_json_text("[1,2]")?.shown());
    /// # Ok::<(), phx_proto::PayloadError>(())
    /// ```
    #[must_use]
    pub fn shown(&self) -> Shown<'_> {
        Shown(self)
    }
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_json() {
            Some(json) => write!(f, "{}", Escaped::whole(json)),
            None => write!(f, "b\"{}\"", self.0.as_bytes().escape_ascii()),
        }
    }
}
