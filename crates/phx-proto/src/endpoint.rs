//! The server to connect to, and the upgrade request: URL, params, headers, subprotocols.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

use serde::Serialize;

#[cfg(feature = "url")]
mod address;
mod error;
mod headers;
mod params;
#[cfg(any(test, not(feature = "url")))]
mod plain;
mod request;

pub use error::{EndpointError, ParamCause};
pub use request::Request;

#[cfg(feature = "url")]
use url::Url;

use headers::Headers;
use params::Params;
#[cfg(not(feature = "url"))]
use plain::{self as address, Url};

/// The last segment of the path of Phoenix's WebSocket transport.
const TRANSPORT: &str = "websocket";

/// The server that a socket connects to, and the contents of its upgrade request.
///
/// An endpoint is made from a URL or from its parts, and turned into a [`Request`] for each attempt
/// to connect. Setters take it by value; to evaluate params, headers or a token for each
/// attempt, keep one endpoint as the base, clone it, and set the fresh values on the clone: a later
/// value replaces an earlier one of the same name.
///
/// `Debug` and `Display` show scheme, host, port and path, and never a param, a header's value or a
/// token. The Origin header, which Phoenix compares with its `check_origin` option, is sent only if
/// it is set here.
///
/// # Examples
///
/// ```
/// use phx_proto::Endpoint;
///
/// let base = Endpoint::parse("wss://example.com/socket")?.with_param("locale", "en");
///
/// // At each attempt:
/// let request = base.clone().with_auth_token("fresh-token").request("2.0.0");
/// assert_eq!(
///     request.url().as_str(),
///     "wss://example.com/socket/websocket?locale=en&vsn=2.0.0",
/// );
/// assert_eq!(request.protocols(), ["phoenix", "base64url.bearer.phx.ZnJlc2gtdG9rZW4"]);
/// assert_eq!(base.to_string(), "wss://example.com/socket/websocket");
/// # Ok::<(), phx_proto::EndpointError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// ws or wss, with the transport's segment, without userinfo, query and fragment.
    url: Url,
    params: Params,
    headers: Headers,
    auth_token: Option<String>,
    /// The zone of the IPv6 address in `url`.
    zone: Option<String>,
}

impl Endpoint {
    /// The endpoint at `url`, as phoenix.js takes it: `wss://example.com/socket`.
    ///
    /// - The scheme is ws, wss, http or https; the last two mean ws and wss.
    /// - `/websocket` is appended to the path, unless it is the last segment already. Trailing
    ///   slashes don't count.
    /// - Params in the query are kept, in order, before those that are set later. A `vsn` among
    ///   them is refused: the serializer sets it.
    /// - Userinfo (`user:password@`) and a fragment are refused: WebSocket knows neither. So is an IPv6
    ///   zone (`%eth0`), which a URL can't hold: see [`from_parts`](Self::from_parts).
    ///
    /// Without the feature `url` only what needs no encoding is taken, here and by the other functions that take a host or a path: a
    /// name of lower-case ASCII or an IPv4 address, a path without `%`, `.` and `..` segments, and no query, since params are set by
    /// [`with_param`](Self::with_param). A label `xn--..` is taken as it is, without a check that it decodes.
    ///
    /// # Errors
    ///
    /// An [`EndpointError`] that names the part which is wrong, and doesn't quote the URL.
    ///
    /// # Examples
    ///
    /// ```
    /// use phx_proto::{Endpoint, EndpointError};
    ///
    /// let endpoint = Endpoint::parse("https://example.com/socket/?color=red")?;
    /// assert_eq!(
    ///     endpoint.request("2.0.0").url().as_str(),
    ///     "wss://example.com/socket/websocket?color=red&vsn=2.0.0",
    /// );
    /// assert_eq!(Endpoint::parse("ftp://example.com/socket"), Err(EndpointError::Scheme));
    /// # Ok::<(), EndpointError>(())
    /// ```
    pub fn parse(url: &str) -> Result<Self, EndpointError> {
        address::parse(url).map(Endpoint::new)
    }

    /// The endpoint at `url`: see [`parse`](Self::parse).
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse).
    #[cfg(feature = "url")]
    pub fn from_url(url: Url) -> Result<Self, EndpointError> {
        address::check(url).map(Endpoint::new)
    }

    /// The endpoint at a URL as the URL standard's parsers write it, such as the `href` of a browser's `URL`, for programs that have one
    /// and do without the feature `url`.
    ///
    /// What [`parse`](Self::parse) encodes and normalises is taken as it is; query, IPv6 addresses and `%` are allowed. With the feature
    /// `url` the two functions are the same. Names of hosts that no parser writes are refused, letters of the wrong case among them.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse).
    ///
    /// # Examples
    ///
    /// ```
    /// use phx_proto::Endpoint;
    ///
    /// let endpoint = Endpoint::from_href("https://[::1]/a%20b?color=red")?;
    /// assert_eq!(endpoint.request("2.0.0").target(), "/a%20b/websocket?color=red&vsn=2.0.0");
    /// # Ok::<(), phx_proto::EndpointError>(())
    /// ```
    pub fn from_href(href: &str) -> Result<Self, EndpointError> {
        address::of_href(href).map(Endpoint::new)
    }

    fn new((mut url, params): (Url, Params)) -> Self {
        append_transport(&mut url);
        Endpoint { url, params, headers: Headers::default(), auth_token: None, zone: None }
    }

    /// The endpoint at `path` on `host`. `Endpoint::default()` is localhost, `/socket`, port 4000, without TLS.
    ///
    /// `host` is a name, an IPv4 address, or an IPv6 address with or without brackets, which may have a zone:
    /// `fe80::1%eth0`. The zone is for [`Request::dial_host`] alone; neither the URL nor the server sees it. `path` may
    /// leave out its leading slash, and gets `/websocket` appended as in [`parse`](Self::parse).
    /// Without a port it is the scheme's: 443 with TLS, 80 without.
    ///
    /// # Errors
    ///
    /// [`EndpointError::Host`], [`EndpointError::Port`] (for port 0), or [`EndpointError::Path`] if
    /// the path holds a `?` or `#`: params have their own setters.
    ///
    /// # Examples
    ///
    /// ```
    /// use phx_proto::Endpoint;
    ///
    /// let endpoint = Endpoint::from_parts("::1", "socket", Some(4000), false)?;
    /// assert_eq!(endpoint.to_string(), "ws://[::1]:4000/socket/websocket");
    /// assert_eq!(Endpoint::default().to_string(), "ws://localhost:4000/socket/websocket");
    /// # Ok::<(), phx_proto::EndpointError>(())
    /// ```
    pub fn from_parts(
        host: &str,
        path: &str,
        port: Option<u16>,
        tls: bool,
    ) -> Result<Self, EndpointError> {
        if path.contains(['?', '#']) {
            return Err(EndpointError::Path);
        }
        let (url, zone) = address::of_parts(host, path, port, tls)?;
        Ok(Endpoint { zone, ..Endpoint::new((url, Params::default())) })
    }

    /// The same endpoint with this whole path and nothing appended to it: for a server whose
    /// transport isn't mounted at `/websocket`.
    ///
    /// # Errors
    ///
    /// [`EndpointError::Path`] if the path holds a `?` or `#`.
    ///
    /// # Examples
    ///
    /// ```
    /// use phx_proto::Endpoint;
    ///
    /// let endpoint = Endpoint::parse("ws://localhost:4000")?.with_exact_path("/socket/ws")?;
    /// assert_eq!(endpoint.to_string(), "ws://localhost:4000/socket/ws");
    /// # Ok::<(), phx_proto::EndpointError>(())
    /// ```
    pub fn with_exact_path(mut self, path: &str) -> Result<Self, EndpointError> {
        if path.contains(['?', '#']) {
            return Err(EndpointError::Path);
        }
        address::set_path(&mut self.url, path)?;
        Ok(self)
    }

    /// The same endpoint with one more param, as the server's `connect` gets it.
    ///
    /// `key` is written as it is, so `a[b]` and `a[]` are nested as in
    /// [`with_params`](Self::with_params). It replaces a param of the same key; one that ends with
    /// `[]` adds to its list instead. A param `vsn` is left out of the request: the serializer says
    /// it.
    #[must_use]
    pub fn with_param(mut self, key: &str, value: &str) -> Self {
        self.params.set(key, value);
        self
    }

    /// The same endpoint with all fields of a struct, or entries of a map, as params.
    ///
    /// They are written as Phoenix reads them: nested maps as `a[b]=c`, lists as `a[]=1`. The server
    /// sees strings: numbers and booleans are written as in JSON, and what JSON has as `null` (also
    /// a float that isn't finite), an empty list or an empty map is left out, as in phoenix.js. A
    /// list is one on the server too, where phoenix.js makes it a map with the keys "0", "1", ...
    /// The order of fields isn't kept. Each field replaces all params of the same name, nested ones
    /// too.
    ///
    /// # Errors
    ///
    /// - [`EndpointError::Params`] if the value isn't a map or struct, or doesn't serialise.
    /// - [`EndpointError::Param`] with the name of the param that the form encoding can't express: a
    ///   list that holds lists or maps, or a name that is empty or holds a bracket.
    ///
    /// # Examples
    ///
    /// ```
    /// use phx_proto::Endpoint;
    ///
    /// #[derive(serde::Serialize)]
    /// struct Params<'a> { user: User<'a>, tags: [&'a str; 2] }
    /// #[derive(serde::Serialize)]
    /// struct User<'a> { id: u32, name: &'a str }
    ///
    /// let params = Params { user: User { id: 7, name: "Ann" }, tags: ["a", "b"] };
    /// let request = Endpoint::default().with_params(&params)?.request("2.0.0");
    /// let mut pairs: Vec<_> = request.url().query_pairs().collect();
    /// pairs.sort();
    /// assert_eq!(pairs, [
    ///     ("tags[]".into(), "a".into()),
    ///     ("tags[]".into(), "b".into()),
    ///     ("user[id]".into(), "7".into()),
    ///     ("user[name]".into(), "Ann".into()),
    ///     ("vsn".into(), "2.0.0".into()),
    /// ]);
    /// # Ok::<(), phx_proto::EndpointError>(())
    /// ```
    pub fn with_params<T: Serialize + ?Sized>(mut self, params: &T) -> Result<Self, EndpointError> {
        self.params.set_all(params)?;
        Ok(self)
    }

    /// The same endpoint with one more header for the upgrade request. It replaces a header of the
    /// same name, whatever its case.
    ///
    /// # Errors
    ///
    /// - [`EndpointError::HeaderName`] if the name isn't an HTTP token.
    /// - [`EndpointError::ReservedHeader`] if it belongs to the handshake or the framing of the
    ///   request: Host, Connection, Upgrade, Content-Length, Transfer-Encoding, and all that
    ///   start with Sec-WebSocket.
    /// - [`EndpointError::HeaderValue`] if the value holds anything but visible ASCII characters,
    ///   spaces and tabs.
    ///
    /// # Examples
    ///
    /// ```
    /// use phx_proto::{Endpoint, EndpointError};
    ///
    /// let endpoint = Endpoint::default().with_header("X-Api-Key", "k-1")?;
    /// assert!(matches!(
    ///     endpoint.with_header("X-Api-Key", "k-1\r\nX-Admin: 1"),
    ///     Err(EndpointError::HeaderValue { .. }),
    /// ));
    /// # Ok::<(), EndpointError>(())
    /// ```
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, EndpointError> {
        self.headers.set(name, value)?;
        Ok(self)
    }

    /// The same endpoint with this token, offered in a subprotocol: the `auth_token` of Phoenix 1.8
    /// sockets. It replaces an earlier one. An empty one counts as none, as in phoenix.js.
    #[must_use]
    pub fn with_auth_token(mut self, token: &str) -> Self {
        self.auth_token = (!token.is_empty()).then(|| token.to_string());
        self
    }

    /// The request to make now. `vsn` is [`Serializer::vsn`](crate::Serializer::vsn); it comes last
    /// in the query.
    #[must_use]
    pub fn request(&self, vsn: &str) -> Request {
        let mut url = self.url.clone();
        url.set_query(Some(&self.params.to_query(vsn)));
        Request::new(
            url,
            self.zone.as_deref(),
            self.headers.as_slice().to_vec(),
            self.auth_token.clone(),
        )
    }
}

fn append_transport(url: &mut Url) {
    let path = url.path().trim_end_matches('/');
    let path = match path.rsplit_once('/') {
        Some((_, TRANSPORT)) => path.to_string(),
        _ => format!("{path}/{TRANSPORT}"),
    };
    url.set_path(&path);
}

impl Default for Endpoint {
    /// A Phoenix server in development: `ws://localhost:4000/socket`.
    #[expect(clippy::expect_used, reason = "a constant, and the default is tested")]
    fn default() -> Self {
        Endpoint::parse("ws://localhost:4000/socket").expect("a valid URL")
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(url: &str) -> Result<Self, EndpointError> {
        Endpoint::parse(url)
    }
}

impl TryFrom<&str> for Endpoint {
    type Error = EndpointError;

    fn try_from(url: &str) -> Result<Self, EndpointError> {
        Endpoint::parse(url)
    }
}

impl TryFrom<String> for Endpoint {
    type Error = EndpointError;

    fn try_from(url: String) -> Result<Self, EndpointError> {
        Endpoint::parse(&url)
    }
}

#[cfg(feature = "url")]
impl TryFrom<Url> for Endpoint {
    type Error = EndpointError;

    fn try_from(url: Url) -> Result<Self, EndpointError> {
        Endpoint::from_url(url)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the params' names: a query without `=` is one, and may be a bare token.
        f.debug_struct("Endpoint")
            .field("url", &self.url.as_str())
            .field("params", &self.params.len())
            .field("headers", &self.headers.names())
            .field("auth_token", &self.auth_token.is_some())
            .finish()
    }
}
