//! Requests of long-poll clients and of an application's HTTP API, and their answers.

use std::fmt;
#[cfg(feature = "listener")]
use std::time::Duration;

use bytes::Bytes;
#[cfg(feature = "deflate")]
use phx_proto::CloseCode;
use serde_json::{Map, Value};

use super::connect::{ConnectRequest, UpgradeRejection};

/// Exchange of one request and its answer. None is used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub(super) u64);

impl fmt::Debug for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExchangeId({})", self.0)
    }
}

/// Request of a long-poll client, or of a client of an application's [HTTP API](crate::ServerBuilder::http_api).
///
/// `Debug` shows the method, the path and the names of the headers only.
///
/// # Examples
///
/// ```
/// use phx_testing::HttpRequest;
///
/// let request = HttpRequest::new("POST", "/socket/longpoll?vsn=2.0.0")
///     .with_header("content-type", "application/x-ndjson")
///     .with_body(r#"["1","1","room:a","phx_join",{}]"#);
/// assert_eq!(request.method(), "POST");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    method: String,
    pub(super) head: ConnectRequest,
    pub(super) body: Bytes,
}

impl HttpRequest {
    /// Creates a request for `path_and_query`, without headers and body.
    #[must_use]
    pub fn new(method: &str, path_and_query: &str) -> Self {
        let head = ConnectRequest::new(path_and_query);
        HttpRequest { method: method.to_owned(), head, body: Bytes::new() }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.head = self.head.with_header(name, value);
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Returns the method, such as `GET`.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Returns the path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.head.path()
    }

    /// Returns the params of the query, decoded as Plug does: nested maps and lists with strings as leaves.
    #[must_use]
    pub fn params(&self) -> Map<String, Value> {
        self.head.params()
    }

    /// Returns the first header of this name, which is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// Returns the body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("head", &self.head)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}

/// Answer to a request of a long-poll client, or of a client of an application's HTTP API.
///
/// `Debug` shows the status and the names of the headers only.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
    ends_connection: bool,
}

impl HttpAnswer {
    /// Creates an answer without headers.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        HttpAnswer { status, headers: Vec::new(), body: body.into(), ends_connection: false }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    pub(super) fn ending_connection(mut self, ends: bool) -> Self {
        self.ends_connection = ends;
        self
    }

    /// Returns the HTTP status, which is 200 for most of Phoenix's answers: their own status is in the body.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the headers, with their names in lower case, without those of the body's length.
    #[must_use]
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// Returns the body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Returns true if the server closes the connection behind this answer, without a header that says so.
    #[must_use]
    pub fn ends_connection(&self) -> bool {
        self.ends_connection
    }
}

impl From<UpgradeRejection> for HttpAnswer {
    fn from(refusal: UpgradeRejection) -> Self {
        let answer = HttpAnswer::new(refusal.status(), refusal.body().clone());
        let headers = refusal.headers().iter();
        headers.fold(answer, |answer, (name, value)| answer.with_header(name, value))
    }
}

impl fmt::Debug for HttpAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("HttpAnswer")
            .field("status", &self.status)
            .field("headers", &headers)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .field("ends_connection", &self.ends_connection)
            .finish()
    }
}

/// Web server below Phoenix, for the behaviour of long-poll and of compression where the two differ.
///
/// | | Bandit | Cowboy |
/// |---|---|---|
/// | a client gives a poll up | its messages are lost until its 10 s are over, unless a new poll comes | they wait for the next poll |
/// | a connection is idle | closed after 60 s | closed after 5 s |
/// | requests on one connection | any number | 1,000; the last answer has `connection: close` |
/// | a client accepts gzip | answers are compressed | they aren't |
/// | after an HTTP 500 | the connection ends, without a header that says so | it goes on |
/// | the answer about compression joins its parameters with | `;` | `; ` |
/// | a quoted value in an offer of compression | the offer is refused | the value is accepted |
/// | an empty header of extensions, and the socket compresses | no compression | 400 |
/// | a message inflates to more than 25 times its size on the wire | closed with 1009 | accepted |
/// | a control frame between fragments of a compressed message | handled | read as a part of the message |
/// | a broken compressed stream | closed with 1007 | closed with 1002 |
///
/// The rows about compression come from observations of Bandit 1.12 and Cowboy 2.17, as does what both have in common:
/// every text and binary frame of the server is compressed, however small; a stream that the client ended with a final
/// block gives empty messages from then on. Offers of 8 bits for the server's window are refused here; what the two
/// answer to them wasn't observed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpServer {
    /// Bandit, Phoenix's default.
    #[default]
    Bandit,
    /// Cowboy.
    Cowboy,
}

impl HttpServer {
    pub(super) fn serves_abandoned_requests(self) -> bool {
        self == HttpServer::Bandit
    }

    pub(super) fn closes_after_errors(self) -> bool {
        self == HttpServer::Bandit
    }

    /// Time without a request after which a connection is closed.
    #[cfg(feature = "listener")]
    pub(crate) fn idle_timeout(self) -> Duration {
        match self {
            HttpServer::Bandit => Duration::from_secs(60),
            HttpServer::Cowboy => Duration::from_secs(5),
        }
    }

    /// Whether answers are compressed for clients that ask for it.
    #[cfg(feature = "listener")]
    pub(crate) fn compresses(self) -> bool {
        self == HttpServer::Bandit
    }

    /// Text between the words of an answer about extensions.
    #[cfg(feature = "deflate")]
    pub(crate) fn extension_separator(self) -> &'static str {
        match self {
            HttpServer::Bandit => ";",
            HttpServer::Cowboy => "; ",
        }
    }

    #[cfg(feature = "deflate")]
    pub(crate) fn takes_quoted_values(self) -> bool {
        self == HttpServer::Cowboy
    }

    #[cfg(feature = "deflate")]
    pub(crate) fn refuses_empty_extensions(self) -> bool {
        self == HttpServer::Cowboy
    }

    /// Returns the length to which a message of `wire` compressed bytes may inflate.
    #[cfg(feature = "deflate")]
    pub(crate) fn max_inflated(self, wire: usize) -> usize {
        match self {
            HttpServer::Bandit => wire.saturating_mul(25),
            HttpServer::Cowboy => usize::MAX,
        }
    }

    #[cfg(feature = "deflate")]
    pub(crate) fn reads_control_frames_as_fragments(self) -> bool {
        self == HttpServer::Cowboy
    }

    #[cfg(feature = "deflate")]
    pub(crate) fn code_of_broken_stream(self) -> CloseCode {
        CloseCode::from_u16(match self {
            HttpServer::Bandit => 1007,
            HttpServer::Cowboy => 1002,
        })
    }

    /// Largest number of requests on one connection.
    #[cfg(feature = "listener")]
    pub(crate) fn max_requests(self) -> Option<u32> {
        match self {
            HttpServer::Bandit => None,
            HttpServer::Cowboy => Some(1_000),
        }
    }
}
