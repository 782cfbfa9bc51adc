//! The server to connect to, and the upgrade request: URL, params, headers, subprotocols.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;
use core::net::Ipv6Addr;
use core::str::FromStr;

use serde::Serialize;
use url::Url;

mod error;
mod headers;
mod params;
mod request;

pub use error::{EndpointError, ParamCause};
pub use request::Request;

use headers::Headers;
use params::Params;

/// The last segment of the path of Phoenix's WebSocket transport.
const TRANSPORT: &str = "websocket";

/// Characters of a zone; names of interfaces have up to 15 on Linux, and 255 on Windows.
const MAX_ZONE: usize = 255;

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
        match Url::parse(url) {
            Ok(url) => Endpoint::from_url(url),
            Err(_) if has_zone(url) => Err(EndpointError::Zone),
            Err(error) => Err(error.into()),
        }
    }

    /// The endpoint at `url`: see [`parse`](Self::parse).
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse).
    pub fn from_url(mut url: Url) -> Result<Self, EndpointError> {
        let scheme = match url.scheme() {
            "ws" | "http" => "ws",
            "wss" | "https" => "wss",
            _ => return Err(EndpointError::Scheme),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::UserInfo);
        }
        if url.fragment().is_some() {
            return Err(EndpointError::Fragment);
        }
        // No server can listen on port 0.
        if url.port() == Some(0) {
            return Err(EndpointError::Port);
        }
        // Never fails: all four schemes are special ones of the URL standard.
        url.set_scheme(scheme).map_err(|()| EndpointError::Scheme)?;
        let params = Params::from_query(&url);
        if params.has("vsn") {
            return Err(EndpointError::Vsn);
        }
        // Params stay beside the URL, so that later ones replace them and `Debug` hides them.
        url.set_query(None);
        append_transport(&mut url);
        Ok(Endpoint { url, params, headers: Headers::default(), auth_token: None, zone: None })
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
        // Only the port and the path may follow a host in a URL, so it is parsed separately first:
        // otherwise "example.com/other" would be a host.
        let (host, zone) = split_zone(host)?;
        let host = match host.parse::<Ipv6Addr>() {
            Ok(_) => format!("[{host}]"),
            Err(_) => host.to_string(),
        };
        let host = url::Host::parse(&host).map_err(|_| EndpointError::Host)?;
        let scheme = if tls { "wss" } else { "ws" };
        let mut url = Url::parse(&format!("{scheme}://{host}"))?;
        url.set_port(port).map_err(|()| EndpointError::Port)?;
        url.set_path(path);
        Ok(Endpoint { zone: zone.map(str::to_string), ..Endpoint::from_url(url)? })
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
        self.url.set_path(path);
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

/// The host, and the zone of an IPv6 address. A zone is the name or the number of an interface.
fn split_zone(host: &str) -> Result<(&str, Option<&str>), EndpointError> {
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let Some((address, zone)) = inside.split_once('%') else { return Ok((host, None)) };
    if address.parse::<Ipv6Addr>().is_err() {
        return Ok((host, None));
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@:".contains(&byte);
    match !zone.is_empty() && zone.len() <= MAX_ZONE && zone.bytes().all(is_name) {
        true => Ok((address, Some(zone))),
        false => Err(EndpointError::Host),
    }
}

/// Returns `true` if the host of a URL is an IPv6 address with a zone (RFC 6874).
fn has_zone(url: &str) -> bool {
    let host = url.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next());
    let host = host.flatten().and_then(|host| host.rsplit('@').next());
    let inside = host.and_then(|host| host.strip_prefix('[')?.split_once(']'));
    inside
        .and_then(|(inside, _)| inside.split_once('%'))
        .is_some_and(|(address, zone)| address.parse::<Ipv6Addr>().is_ok() && !zone.is_empty())
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
