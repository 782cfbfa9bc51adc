//! One request of a session, and what becomes of it.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;

use crate::close::{CloseCause, ExchangeKind, ResponseHeaders};

/// The number of an exchange in its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub(super) u64);

/// One HTTP request for the driver to make.
///
/// `Debug` shows its kind, the names of its headers, and the body's length.
#[derive(Clone, PartialEq, Eq)]
pub struct Exchange {
    id: ExchangeId,
    kind: ExchangeKind,
    target: String,
    headers: Headers,
    body: Bytes,
}

/// The headers of an exchange.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Headers {
    /// Those of the request that the session was made for.
    pub(super) extra: Arc<[(String, String)]>,
    /// The session's token, or the user's at the creation.
    pub(super) token: Option<(&'static str, Arc<str>)>,
    pub(super) content_type: Option<&'static str>,
}

impl Headers {
    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let extra = self.extra.iter().map(|(name, value)| (&**name, &**value));
        let token = self.token.iter().map(|(name, value)| (*name, &**value));
        extra.chain(token).chain(self.content_type.map(|value| ("content-type", value)))
    }
}

impl Exchange {
    pub(super) fn new(
        id: ExchangeId,
        kind: ExchangeKind,
        (target, headers): (String, Headers),
        body: Bytes,
    ) -> Self {
        Exchange { id, kind, target, headers, body }
    }

    /// The number to report its answer or failure with.
    #[must_use]
    pub fn id(&self) -> ExchangeId {
        self.id
    }

    /// The kind of request.
    #[must_use]
    pub fn kind(&self) -> ExchangeKind {
        self.kind
    }

    /// The HTTP method: `GET` or `POST`.
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self.kind {
            ExchangeKind::Create | ExchangeKind::Poll => "GET",
            ExchangeKind::Post => "POST",
        }
    }

    /// The path and the query. It holds secrets: don't log it.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The headers in order: valid HTTP names and values. Not those that the HTTP message around the body needs, as
    /// `host` and `content-length`.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter()
    }

    /// The body. Only a POST has one.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Exchange")
            .field("id", &self.id.0)
            .field("kind", &self.kind)
            .field("headers", &names)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}

/// An HTTP answer, whole and decompressed.
///
/// `Debug` shows the status, the names of the headers, and the body's length.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) headers: ResponseHeaders,
    pub(super) body: Bytes,
}

impl Answer {
    /// An answer with this HTTP status and this body.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        let headers = ResponseHeaders::default();
        Answer { status, retry_after: None, headers, body: body.into() }
    }

    /// The same answer with a `Retry-After`. Only that of a [`Create`](ExchangeKind::Create) is looked at.
    #[must_use]
    pub fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.retry_after = retry_after;
        self
    }

    /// The same answer with these headers. Only those of a [`Create`](ExchangeKind::Create) are looked at.
    #[must_use]
    pub fn with_headers(mut self, headers: ResponseHeaders) -> Self {
        self.headers = headers;
        self
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}

/// The reason why an exchange has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "either the server may have read it, or not")]
pub enum Unanswered {
    /// The server certainly didn't read the request: it is made again.
    NotRead(CloseCause),
    /// The server may have read the request: a POST isn't sent again, and a poll may have lost messages.
    Unknown(CloseCause),
}
