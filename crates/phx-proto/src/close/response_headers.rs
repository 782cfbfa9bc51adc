//! The headers of an HTTP answer.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

/// The headers of an HTTP answer, in order, as the server sent them.
///
/// `Debug` shows the names only: a value may be a cookie.
///
/// # Examples
///
/// ```
/// use phx_proto::ResponseHeaders;
///
/// let headers = ResponseHeaders::new([("X-Request-Id", "F1"), ("Set-Cookie", "secret")]);
/// assert_eq!(headers.get("x-request-id"), Some(&b"F1"[..]));
/// assert!(!format!("{headers:?}").contains("secret"));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ResponseHeaders(Bytes);

impl ResponseHeaders {
    /// The headers of these names and values. One with a line end in it isn't taken: no HTTP answer has it.
    pub fn new<N: AsRef<str>, V: AsRef<[u8]>>(headers: impl IntoIterator<Item = (N, V)>) -> Self {
        // One allocation for all, as lines of `name:value`.
        let mut lines = Vec::new();
        for (name, value) in headers {
            let (name, value) = (name.as_ref(), value.as_ref());
            if name.contains([':', '\n']) || value.contains(&b'\n') {
                continue;
            }
            lines.extend_from_slice(name.as_bytes());
            lines.push(b':');
            lines.extend_from_slice(value);
            lines.push(b'\n');
        }
        // Without the room to grow: those of an open connection are kept as long as it is.
        ResponseHeaders(lines.into_boxed_slice().into())
    }

    /// The first value of the header of this name, whatever its case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.split(|byte| *byte == b'\n').filter_map(|line| {
            // The first colon ends the name: a value may hold more.
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = line.split_at(colon);
            Some((core::str::from_utf8(name).ok()?, value.get(1..)?))
        })
    }

    /// The bytes that the headers take.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns `true` if there are no headers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for ResponseHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}
