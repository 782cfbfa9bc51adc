//! Payloads: JSON text that is decoded when it is asked for, or bytes.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::Error as _};
use serde_json::value::RawValue;

mod check;
mod into_payload;
mod json_cause;
mod shown;

pub use into_payload::IntoPayload;
pub use json_cause::JsonCause;
pub use shown::Shown;

/// The payload of a message: JSON text, or bytes of a V2 binary frame.
///
/// A received payload is a slice of its frame and hasn't been parsed: [`decode`](Self::decode) does
/// that, once, into the type that is wanted. A payload to send is encoded where it is made, so that a
/// value that can't be serialised is an error at the call.
///
/// `Debug` shows the kind and the length, never the contents: payloads carry join params. A test that
/// needs them asks for [`shown`](Self::shown).
///
/// # Examples
///
/// ```
/// use phx_proto::Payload;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, PartialEq, Debug)]
/// struct NewMsg { body: String }
///
/// let payload = Payload::json(&NewMsg { body: "hi".into() })?;
/// assert_eq!(payload.as_bytes(), r#"{"body":"hi"}"#);
/// assert_eq!(payload.decode::<NewMsg>()?, NewMsg { body: "hi".into() });
/// assert_eq!(format!("{payload:?}"), "Payload::Json(13 bytes)");
/// # Ok::<(), phx_proto::PayloadError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Payload {
    bytes: Bytes,
    is_binary: bool,
    is_uncompressed: bool,
}

impl Payload {
    /// 120: the characters of a [`reason`](Self::reason) that errors show.
    pub const MAX_SHOWN_REASON: usize = 120;

    /// The JSON text of `value`.
    ///
    /// # Errors
    ///
    /// [`PayloadError::Serialize`] if `value` can't be written as JSON (a map whose keys aren't
    /// strings, or its `Serialize` fails).
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, PayloadError> {
        let text: Vec<u8> =
            serde_json::to_vec(value).map_err(|error| PayloadError::Serialize(error.into()))?;
        Ok(Payload::from_unchecked_json(at_its_length(text)))
    }

    /// The payload `{}`, which Phoenix expects where there is nothing to say.
    #[must_use]
    pub const fn empty() -> Self {
        Payload::from_unchecked_json(Bytes::from_static(b"{}"))
    }

    /// JSON text that is there already, taken as it is.
    ///
    /// Besides the grammar this checks what a server's decoder refuses: numbers with a fraction or
    /// an exponent that fit no double, and escapes such as `\\ud800` that are half of a surrogate
    /// pair. Keys that occur twice are let through; the server keeps the last.
    ///
    /// # Errors
    ///
    /// [`PayloadError::NotJson`], with the text, if it isn't exactly one JSON value that a server
    /// takes: it would close the connection.
    ///
    /// # Examples
    ///
    /// ```
    /// use phx_proto::Payload;
    ///
    /// let payload = Payload::from_json_text(r#"{"body":"hi"}"#)?;
    /// assert_eq!(payload.as_json(), Some(r#"{"body":"hi"}"#));
    /// assert!(Payload::from_json_text("{body}").is_err());
    /// # Ok::<(), phx_proto::PayloadError>(())
    /// ```
    pub fn from_json_text(text: impl Into<Bytes>) -> Result<Self, PayloadError> {
        let text = text.into();
        let error = match grammar(&text) {
            Ok(()) => match check::refused_by_servers(&text) {
                None => return Ok(Payload::from_unchecked_json(text)),
                Some(refused) => serde_json::Error::custom(refused),
            },
            Err(error) => error,
        };
        Err(PayloadError::NotJson {
            error: error.into(),
            payload: Payload::from_unchecked_json(text),
        })
    }

    /// Text that stood in a frame where JSON belongs: checked when it is decoded.
    ///
    /// For serializers. Text for sending goes through [`from_json_text`](Self::from_json_text):
    /// serializers copy it into frames as it is, and a server closes the connection on a frame that
    /// isn't JSON.
    #[must_use]
    pub const fn from_unchecked_json(text: Bytes) -> Self {
        Payload { bytes: text, is_binary: false, is_uncompressed: false }
    }

    /// Bytes for a V2 binary frame. Any bytes, also none.
    pub fn binary(data: impl Into<Bytes>) -> Self {
        Payload { bytes: data.into(), is_binary: true, is_uncompressed: false }
    }

    /// Marks the payload: its message is sent uncompressed, also over a connection that compresses. For a payload that
    /// has a secret beside text that others chose, since the length of a compressed message shows how much of them is equal.
    /// Join params need no mark: joins are never compressed.
    ///
    /// # Examples
    ///
    /// ```
    /// use phx_proto::Payload;
    ///
    /// let payload = Payload::json(&["token", "hunter2"])?.uncompressed();
    /// assert!(payload.is_uncompressed());
    /// # Ok::<(), phx_proto::PayloadError>(())
    /// ```
    #[must_use]
    pub const fn uncompressed(mut self) -> Self {
        self.is_uncompressed = true;
        self
    }

    /// Returns `true` if the message must be sent uncompressed.
    #[must_use]
    pub const fn is_uncompressed(&self) -> bool {
        self.is_uncompressed
    }

    /// Returns `true` for the bytes of a binary frame.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        self.is_binary
    }

    /// The JSON text, or the bytes of a binary payload.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The JSON text, or the bytes of a binary payload.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// The JSON text, if it is JSON and UTF-8.
    #[must_use]
    pub fn as_json(&self) -> Option<&str> {
        if self.is_binary {
            return None;
        }
        core::str::from_utf8(&self.bytes).ok()
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns `true` if there are no bytes; `{}` has two.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The same payload in separate memory, so that it doesn't keep its frame.
    pub(crate) fn copied(&self) -> Self {
        Payload { bytes: Bytes::copy_from_slice(&self.bytes), ..*self }
    }

    /// Decodes the JSON text. `T` may borrow from the payload (`&str`, `&serde_json::value::RawValue`).
    ///
    /// # Errors
    ///
    /// [`PayloadError::Deserialize`] if the text isn't JSON, or isn't a `T`;
    /// [`PayloadError::Binary`] if this is a binary payload. Both hold the payload.
    pub fn decode<'a, T: Deserialize<'a>>(&'a self) -> Result<T, PayloadError> {
        if self.is_binary {
            return Err(PayloadError::Binary { payload: self.clone() });
        }
        // Checked as a whole, the strings in it needn't be checked one by one.
        let decoded = match self.as_json() {
            Some(text) => serde_json::from_str(text),
            None => serde_json::from_slice(&self.bytes),
        };
        decoded.map_err(|error| PayloadError::Deserialize {
            error: error.into(),
            payload: self.clone(),
        })
    }

    /// Checks the grammar of JSON text, and builds nothing.
    pub(crate) fn check_grammar(&self) -> Result<(), PayloadError> {
        if self.is_binary {
            return Err(PayloadError::Binary { payload: self.clone() });
        }
        grammar(&self.bytes).map_err(|error| PayloadError::Deserialize {
            error: error.into(),
            payload: self.clone(),
        })
    }
}

/// Checks that `text` is JSON: a raw value does, and builds nothing.
fn grammar(text: &[u8]) -> Result<(), serde_json::Error> {
    serde_json::from_slice::<&RawValue>(text).map(drop)
}

impl Default for Payload {
    fn default() -> Self {
        Payload::empty()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_binary() { "Binary" } else { "Json" };
        write!(f, "Payload::{kind}({} bytes)", self.len())
    }
}

/// The text in memory of its length. Bytes of a larger capacity have a reference count in a separate allocation, which for a small
/// text costs more than a copy does, and a push may wait for long.
fn at_its_length(text: Vec<u8>) -> Bytes {
    const SMALL: usize = 1 << 10;
    if text.len() <= SMALL { Bytes::copy_from_slice(&text) } else { Bytes::from(text) }
}

/// The error of a payload that couldn't be encoded or decoded.
///
/// The texts of these errors and their `Debug` never quote the payload; `Debug` says at which line
/// and column it went wrong. Their sources may quote it, [`Escaped`](crate::Escaped): [`JsonCause`] says what was found
/// where something else was wanted (`invalid type: string "hunter2", expected u64`), and your own
/// type's `Serialize` or `Deserialize` says what it likes. Don't log the sources where payloads are
/// secret.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// The value can't be written as JSON.
    #[error("the value can't be written as JSON")]
    Serialize(#[source] JsonCause),
    /// The text given for a payload isn't one JSON value.
    #[error("the payload isn't one valid JSON value")]
    #[non_exhaustive]
    NotJson {
        /// The parser's error.
        #[source]
        error: JsonCause,
        /// The text, as it was given.
        payload: Payload,
    },
    /// The payload isn't valid JSON, or isn't of the wanted type.
    #[error("the payload isn't what was expected")]
    #[non_exhaustive]
    Deserialize {
        /// The parser's error.
        #[source]
        error: JsonCause,
        /// The payload, as it came.
        payload: Payload,
    },
    /// The payload is binary: it can't be decoded as JSON.
    #[error("the payload is binary, not JSON")]
    #[non_exhaustive]
    Binary {
        /// The payload, as it came.
        payload: Payload,
    },
}

/// A payload that the server sent and that was dropped: more bytes of answers would have waited to be read than
/// [`Config::max_answer_bytes`](crate::Config::max_answer_bytes) allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PayloadDropped {
    /// Its length in bytes.
    pub len: usize,
}

impl PayloadDropped {
    /// A payload of `len` bytes, dropped: for drivers that limit what they keep.
    #[must_use]
    pub const fn new(len: usize) -> Self {
        PayloadDropped { len }
    }
}

impl fmt::Display for PayloadDropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.len;
        write!(
            f,
            "a payload of {len} bytes was dropped, because too many answers waited to be read"
        )
    }
}

impl PayloadError {
    /// The payload, where the error holds one.
    #[must_use]
    pub fn payload(&self) -> Option<&Payload> {
        match self {
            PayloadError::Serialize(_) => None,
            PayloadError::NotJson { payload, .. }
            | PayloadError::Deserialize { payload, .. }
            | PayloadError::Binary { payload } => Some(payload),
        }
    }
}

impl fmt::Debug for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, error, payload) = match self {
            PayloadError::Serialize(error) => ("Serialize", Some(error), None),
            PayloadError::NotJson { error, payload } => ("NotJson", Some(error), Some(payload)),
            PayloadError::Deserialize { error, payload } => {
                ("Deserialize", Some(error), Some(payload))
            }
            PayloadError::Binary { payload } => ("Binary", None, Some(payload)),
        };
        let mut fields = f.debug_struct(name);
        if let Some(error) = error {
            fields
                .field("category", &error.inner().classify())
                .field("line", &error.inner().line())
                .field("column", &error.inner().column());
        }
        if let Some(payload) = payload {
            fields.field("payload", payload);
        }
        fields.finish()
    }
}
