//! An HTTP answer that isn't the upgrade.

#[cfg(feature = "url")]
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;
#[cfg(feature = "url")]
use url::Url;

use super::ResponseHeaders;
use crate::Escaped;

/// Characters of a redirect's target in an error.
const MAX_TARGET: usize = 200;

/// An HTTP answer that isn't the upgrade: what the application or a proxy said instead.
///
/// `Debug` shows the names of the headers and the body's length only. `Display` shows the status, and of a redirect
/// scheme, host and path of its target. Redirects are never followed: the request holds secrets.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UpgradeRejection {
    /// The HTTP status: 403 for `:error` and a bad origin, or what the application chose.
    pub status: u16,
    /// `Retry-After`, as the time to wait from the moment the answer came.
    pub retry_after: Option<Duration>,
    /// The headers of the answer. Empty where [`body`](Self::body) is empty for want of room.
    pub headers: ResponseHeaders,
    /// The beginning of the body; the driver caps it. Empty in an [`Event::Closed`](crate::Event::Closed) for which
    /// there was no room, see [`Config::max_answer_bytes`](crate::Config::max_answer_bytes).
    pub body: Bytes,
}

impl UpgradeRejection {
    /// An answer with this status, without headers and body.
    #[must_use]
    pub fn new(status: u16) -> Self {
        let headers = ResponseHeaders::default();
        UpgradeRejection { status, retry_after: None, headers, body: Bytes::new() }
    }

    /// The same answer with a `Retry-After`.
    #[must_use]
    pub fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.retry_after = retry_after;
        self
    }

    /// The same answer with these headers.
    #[must_use]
    pub fn with_headers(mut self, headers: ResponseHeaders) -> Self {
        self.headers = headers;
        self
    }

    /// The same answer with this body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The bytes that headers and body take.
    pub(crate) fn answer_len(&self) -> usize {
        self.headers.len().saturating_add(self.body.len())
    }

    /// The same answer without headers and body.
    pub(crate) fn without_answer(self) -> Self {
        self.with_headers(ResponseHeaders::default()).with_body(Bytes::new())
    }

    /// The target of a redirect without userinfo, query and fragment, which may hold secrets.
    #[cfg(feature = "url")]
    fn target(&self) -> Option<String> {
        if !(300..400).contains(&self.status) {
            return None;
        }
        let location = core::str::from_utf8(self.headers.get("Location")?).ok()?.trim();
        match Url::parse(location) {
            Ok(url) => Some(match url.host_str() {
                Some(host) => {
                    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                    format!("{}://{host}{port}{}", url.scheme(), url.path())
                }
                // Such as `data:`, whose path can hold anything.
                None => format!("{}:", url.scheme()),
            }),
            // Relative to the request, with or without another host.
            Err(url::ParseError::RelativeUrlWithoutBase) => {
                // `.invalid` is reserved (RFC 2606): no real redirect names this host.
                let base = Url::parse("http://redirect.invalid/").ok()?;
                let url = base.join(location).ok()?;
                Some(match url.host_str() {
                    Some("redirect.invalid") => url.path().into(),
                    host => format!("//{}{}", host.unwrap_or_default(), url.path()),
                })
            }
            Err(_) => None,
        }
    }
}

/// Without the feature `url`.
#[cfg(not(feature = "url"))]
impl UpgradeRejection {
    /// Always `None`: finding the parts that may hold secrets needs the URL standard.
    fn target(&self) -> Option<String> {
        None
    }
}

impl fmt::Display for UpgradeRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server refused the connection with HTTP status {}", self.status)?;
        match self.target() {
            Some(target) => {
                let target = Escaped::short(&target, MAX_TARGET);
                write!(f, ", a redirect to {target}, which isn't followed")
            }
            None => Ok(()),
        }
    }
}

impl fmt::Debug for UpgradeRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpgradeRejection")
            .field("status", &self.status)
            .field("retry_after", &self.retry_after)
            .field("headers", &self.headers)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}
