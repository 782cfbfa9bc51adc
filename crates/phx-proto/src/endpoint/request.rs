//! One attempt's upgrade request.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::{Url, headers};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Prefix of the token in the subprotocol. In spite of the name, the server reads the token as
/// STANDARD base64: `-` or `_` in it is an HTTP 500.
const TOKEN_PREFIX: &str = "base64url.bearer.phx.";

/// One WebSocket upgrade request: what the driver of an attempt to connect needs.
///
/// Made by [`Endpoint::request`](super::Endpoint::request). `Debug` and `Display` show scheme, host,
/// port and path; they hide params, header values and the token.
///
/// # Examples
///
/// ```
/// use phx_proto::Endpoint;
///
/// let request = Endpoint::parse("wss://[::1]/socket")?.request("2.0.0");
/// assert_eq!(request.url().as_str(), "wss://[::1]/socket/websocket?vsn=2.0.0");
/// assert_eq!((request.host(), request.port(), request.is_tls()), ("::1", 443, true));
/// assert!(request.headers().is_empty() && request.protocols().is_empty());
/// # Ok::<(), phx_proto::EndpointError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    url: Url,
    /// The host without brackets and with its zone, if it has one.
    zoned: Option<String>,
    headers: Vec<(String, String)>,
    auth_token: Option<String>,
    protocols: Vec<String>,
}

impl Request {
    pub(super) fn new(
        url: Url,
        zone: Option<&str>,
        headers: Vec<(String, String)>,
        auth_token: Option<String>,
    ) -> Self {
        let protocols = match &auth_token {
            // A server whose socket takes no token answers the token alone without a subprotocol,
            // which WebSocket clients treat as an error.
            Some(token) => Vec::from([
                "phoenix".to_string(),
                format!("{TOKEN_PREFIX}{}", STANDARD_NO_PAD.encode(token)),
            ]),
            None => Vec::new(),
        };
        let mut request = Request { url, zoned: None, headers, auth_token, protocols };
        request.zoned = zone.map(|zone| format!("{}%{zone}", request.host()));
        request
    }

    /// The ws or wss URL with path, all params and vsn. It holds secrets: don't log it; log the
    /// request itself.
    #[cfg(feature = "url")]
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The path and, after a question mark, the query: what the first line of the HTTP request names. It holds secrets, as
    /// the URL does.
    ///
    /// # Examples
    ///
    /// ```
    /// let endpoint = phx_proto::Endpoint::parse("ws://example.com/socket")?;
    /// assert_eq!(endpoint.request("2.0.0").target(), "/socket/websocket?vsn=2.0.0");
    /// # Ok::<(), phx_proto::EndpointError>(())
    /// ```
    #[must_use]
    pub fn target(&self) -> String {
        self.target_at(self.url.path())
    }

    /// The same for the long-poll transport, see [`long_poll_url`](Self::long_poll_url).
    pub(crate) fn long_poll_target(&self) -> String {
        self.target_at(&self.long_poll_path())
    }

    fn target_at(&self, path: &str) -> String {
        // Every request has a query, since it has `vsn`.
        format!("{path}?{}", self.url.query().unwrap_or_default())
    }

    fn long_poll_path(&self) -> Cow<'_, str> {
        let path = self.url.path();
        match path.strip_suffix("/websocket") {
            Some(path) => Cow::Owned(format!("{path}/longpoll")),
            None => Cow::Borrowed(path),
        }
    }

    /// The http or https URL of the long-poll transport beside the WebSocket, with the same params: `longpoll` takes the
    /// place of `websocket` at the path's end, as in phoenix.js. Another path is that of
    /// [`Endpoint::with_exact_path`](super::Endpoint::with_exact_path), and stays. It holds secrets as well.
    #[cfg(feature = "url")]
    #[must_use]
    pub fn long_poll_url(&self) -> Url {
        let mut url = self.url.clone();
        // From one scheme of the web to another: it can't fail.
        let _ = url.set_scheme(if self.is_tls() { "https" } else { "http" });
        url.set_path(&self.long_poll_path());
        url
    }

    /// The extra headers in order: valid HTTP names and values, no name twice, none that the
    /// handshake writes itself. Not the subprotocols.
    #[must_use]
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The values for Sec-WebSocket-Protocol: none, or `phoenix` and the one with the auth token. A
    /// server whose socket takes no token answers without that header: accept that.
    #[must_use]
    pub fn protocols(&self) -> &[String] {
        &self.protocols
    }

    /// The auth token as it was given, for transports that send it in a header. It is a secret, and may hold
    /// characters that a header can't.
    #[must_use]
    pub fn auth_token(&self) -> Option<&str> {
        self.auth_token.as_deref()
    }

    /// Returns `true` for wss, `false` for ws.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.url.scheme() == "wss"
    }

    /// The host, an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.url.host_str().unwrap_or_default();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// The host to look up and connect to: [`host`](Self::host), with the zone of an IPv6 address that has one. The
    /// `Host` header and the name that TLS checks are without it.
    #[must_use]
    pub fn dial_host(&self) -> &str {
        self.zoned.as_deref().unwrap_or_else(|| self.host())
    }

    /// The port, the scheme's default filled in: 443 with TLS, 80 without.
    #[must_use]
    pub fn port(&self) -> u16 {
        // `url` leaves out a port that is the scheme's default.
        let default = if self.is_tls() { 443 } else { 80 };
        self.url.port().unwrap_or(default)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(without_query(&self.url))
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("url", &without_query(&self.url))
            .field("headers", &headers::names(&self.headers))
            .field("auth_token", &self.auth_token.is_some())
            .finish()
    }
}

fn without_query(url: &Url) -> &str {
    url.as_str().split_once('?').map_or(url.as_str(), |(before, _)| before)
}
