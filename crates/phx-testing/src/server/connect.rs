//! Upgrade requests, and their acceptance or refusal.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use phx_proto::{Endpoint, Request, Serializer, TransportKind, V1Server, V2Server};
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::params;

/// Upgrade request of a client: path, query and headers.
///
/// `Debug` shows the path and the names of the headers only.
///
/// # Examples
///
/// ```
/// use phx_testing::ConnectRequest;
///
/// let request = ConnectRequest::new("/socket/websocket?vsn=2.0.0&token=secret");
/// assert_eq!(request.path(), "/socket/websocket");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectRequest {
    path: String,
    query: String,
    headers: Vec<(String, String)>,
}

impl ConnectRequest {
    /// Creates a request for `path_and_query`, without headers.
    #[must_use]
    pub fn new(path_and_query: &str) -> Self {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        ConnectRequest { path: path.to_owned(), query: query.to_owned(), headers: Vec::new() }
    }

    /// Adds a header. The application sees `Sec-WebSocket-Protocol` and names that start with `x-`.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// The path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the upgrade request that a client would make; `None` if there is none for this path or these headers.
    /// Subprotocols are left out.
    pub(crate) fn to_request(&self) -> Option<Request> {
        let url = format!("ws://server.test{}", self.path);
        let mut endpoint = Endpoint::parse(&url).ok()?;
        let mut vsn = None;
        for (name, value) in form_urlencoded::parse(self.query.as_bytes()) {
            if name == "vsn" {
                vsn = Some(value.into_owned());
            } else {
                endpoint = endpoint.with_param(&name, &value);
            }
        }
        for (name, value) in self.headers.iter().filter(|(name, _)| name.starts_with("x-")) {
            endpoint = endpoint.with_header(name, value).ok()?;
        }
        Some(endpoint.request(&vsn.unwrap_or_default()))
    }

    /// The first header of this name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn params(&self) -> Map<String, Value> {
        params::decode(&self.query)
    }

    /// A param of the query that is a string.
    pub(super) fn param(&self, name: &str) -> Option<String> {
        let mut params = self.params();
        match params.remove(name) {
            Some(Value::String(value)) => Some(value),
            _ => None,
        }
    }

    /// The elements of all `Sec-WebSocket-Protocol` headers; `None` if there is no such header.
    fn protocols(&self) -> Option<Vec<&str>> {
        let mut headers =
            self.headers.iter().filter(|(name, _)| name == "sec-websocket-protocol").peekable();
        headers.peek()?;
        Some(headers.flat_map(|(_, value)| value.split(',')).map(str::trim).collect())
    }
}

/// Converts a client's upgrade request.
impl From<&Request> for ConnectRequest {
    fn from(request: &Request) -> Self {
        let headers = request.headers().iter();
        let connect = headers
            .fold(ConnectRequest::new(&request.target()), |connect, (name, value)| {
                connect.with_header(name, value)
            });
        match request.protocols() {
            [] => connect,
            protocols => connect.with_header("sec-websocket-protocol", &protocols.join(", ")),
        }
    }
}

impl fmt::Debug for ConnectRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("ConnectRequest")
            .field("path", &self.path)
            .field("headers", &headers)
            .finish_non_exhaustive()
    }
}

/// Connection as an application sees it: Phoenix's connect params and `connect_info`.
///
/// `Debug` shows the serializer's version only.
#[derive(Clone)]
pub struct ConnectInfo {
    params: Map<String, Value>,
    headers: Vec<(String, String)>,
    /// The values of all `Cookie` headers.
    cookies: Vec<String>,
    auth_token: Option<String>,
    serializer: Arc<dyn Serializer>,
    transport: TransportKind,
}

impl ConnectInfo {
    /// Returns the URL's params, decoded as Plug does: nested maps and lists with strings as leaves. `vsn` is one
    /// of them.
    #[must_use]
    pub fn params(&self) -> &Map<String, Value> {
        &self.params
    }

    /// Returns a param that is a string.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name).and_then(Value::as_str)
    }

    /// Returns the headers whose names start with `x-`, in lower case.
    #[must_use]
    pub fn x_headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// Returns the value of a cookie, as `connect_info: [session: ..]` reads it: the first of this name.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let pairs = self.cookies.iter().flat_map(|header| header.split(';'));
        let mut pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
        pairs.find_map(|(found, value)| (found == name).then_some(value))
    }

    /// Returns the auth token, if the server asks for one: from the subprotocol, or the header of long-poll.
    #[must_use]
    pub fn auth_token(&self) -> Option<&str> {
        self.auth_token.as_deref()
    }

    /// Returns the kind of transport that the client uses.
    #[must_use]
    pub fn transport(&self) -> TransportKind {
        self.transport
    }

    /// Returns the serializer of this connection.
    #[must_use]
    pub fn serializer(&self) -> &Arc<dyn Serializer> {
        &self.serializer
    }
}

impl fmt::Debug for ConnectInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectInfo").field("vsn", &self.serializer.vsn()).finish_non_exhaustive()
    }
}

/// HTTP answer other than the upgrade.
///
/// # Examples
///
/// ```
/// use phx_testing::UpgradeRejection;
///
/// let refusal = UpgradeRejection::new(429).with_header("retry-after", "5").with_body("slow down");
/// assert_eq!(refusal.status(), 429);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct UpgradeRejection {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl UpgradeRejection {
    /// Creates an answer with this HTTP status and an empty body. Phoenix's `:error` is 403.
    #[must_use]
    pub fn new(status: u16) -> Self {
        UpgradeRejection { status, headers: Vec::new(), body: Bytes::new() }
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// Sets the answer's body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Returns the HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the headers, with their names in lower case.
    #[must_use]
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// Returns the body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

/// Converts as a driver would report it, with `Retry-After` in seconds.
impl From<UpgradeRejection> for phx_proto::UpgradeRejection {
    fn from(refusal: UpgradeRejection) -> Self {
        let retry_after = refusal.headers.iter().find(|(name, _)| name == "retry-after");
        let seconds = retry_after.and_then(|(_, value)| value.parse().ok());
        phx_proto::UpgradeRejection::new(refusal.status)
            .with_retry_after(seconds.map(Duration::from_secs))
            .with_body(refusal.body)
    }
}

impl fmt::Debug for UpgradeRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("UpgradeRejection")
            .field("status", &self.status)
            .field("headers", &headers)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}

/// The application's data of a connection.
pub(crate) struct Connection {
    pub(crate) id: Option<String>,
    pub(crate) info: ConnectInfo,
}

/// The builder's settings that decide about a connection.
pub(super) struct Handshake {
    pub(super) path: String,
    pub(super) auth_token: bool,
    pub(super) serializers: Vec<Arc<dyn Serializer>>,
    pub(super) connect: Box<ConnectFn>,
}

pub(super) type ConnectFn =
    dyn Fn(&ConnectInfo) -> Result<Option<String>, UpgradeRejection> + Send + Sync;

/// A request that may become a connection.
pub(super) struct Passed {
    pub(super) info: ConnectInfo,
    pub(super) id: Option<String>,
    pub(super) protocol: Option<&'static str>,
}

/// The subprotocol that goes with a token.
const PROTOCOL: &str = "phoenix";
const TOKEN_PREFIX: &str = "base64url.bearer.phx.";
/// In spite of the prefix's name the alphabet is the standard one.
const TOKEN_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Handshake {
    pub(super) fn pass(&self, request: &ConnectRequest) -> Result<Passed, UpgradeRejection> {
        if !self.is_path(&request.path, "/websocket") {
            return Err(UpgradeRejection::new(404).with_body("not found"));
        }
        let (protocol, auth_token) =
            if self.auth_token { subprotocol(request)? } else { (None, None) };
        self.authorize(request, auth_token, TransportKind::WebSocket)
            .map(|(info, id)| Passed { info, id, protocol })
            .map_err(|refusal| match protocol {
                Some(protocol) => refusal.with_header("sec-websocket-protocol", protocol),
                None => refusal,
            })
    }

    /// Returns true for the path of the long-poll transport.
    pub(super) fn is_longpoll(&self, path: &str) -> bool {
        self.is_path(path, "/longpoll")
    }

    fn is_path(&self, path: &str, transport: &str) -> bool {
        let path = path.strip_suffix('/').unwrap_or(path);
        path.strip_suffix(transport) == Some(&self.path)
    }

    /// Passes a request for a long-poll session.
    pub(super) fn pass_session(
        &self,
        request: &ConnectRequest,
    ) -> Result<(Option<String>, ConnectInfo), UpgradeRejection> {
        let token = request.header("x-phoenix-authtoken").filter(|_| self.auth_token);
        let (info, id) =
            self.authorize(request, token.map(str::to_owned), TransportKind::LongPoll)?;
        Ok((id, info))
    }

    fn authorize(
        &self,
        request: &ConnectRequest,
        auth_token: Option<String>,
        transport: TransportKind,
    ) -> Result<(ConnectInfo, Option<String>), UpgradeRejection> {
        let params = request.params();
        let vsn = params.get("vsn").map_or(Some("1.0.0"), Value::as_str);
        let serializer =
            vsn.and_then(|vsn| self.serializer(vsn)).ok_or(UpgradeRejection::new(403))?;
        let x_headers = request.headers.iter().filter(|(name, _)| name.starts_with("x-"));
        let headers = x_headers.cloned().collect();
        let cookies = request.headers.iter().filter(|(name, _)| name == "cookie");
        let cookies = cookies.map(|(_, value)| value.clone()).collect();
        let info = ConnectInfo { params, headers, cookies, auth_token, serializer, transport };
        let id = (self.connect)(&info)?;
        Ok((info, id))
    }

    /// Phoenix's requirements are `~> 2.0.0` and `~> 1.0.0`; custom serializers match exactly.
    fn serializer(&self, vsn: &str) -> Option<Arc<dyn Serializer>> {
        let own = self.serializers.iter().find(|serializer| serializer.vsn() == vsn);
        own.cloned().or_else(|| match vsn.rsplit_once('.') {
            Some((_, patch)) if patch.is_empty() || !patch.bytes().all(|b| b.is_ascii_digit()) => {
                None
            }
            Some(("2.0", _)) => Some(Arc::new(V2Server)),
            Some(("1.0", _)) => Some(Arc::new(V1Server)),
            _ => None,
        })
    }
}

/// The subprotocol to answer and the token, of a socket that asks for tokens.
///
/// A token that isn't base64 raises in Phoenix; of two tokens none is taken; a foreign subprotocol
/// alone is refused.
fn subprotocol(
    request: &ConnectRequest,
) -> Result<(Option<&'static str>, Option<String>), UpgradeRejection> {
    let Some(offered) = request.protocols() else {
        return Ok((None, None));
    };
    let (tokens, others): (Vec<&str>, Vec<&str>) =
        offered.into_iter().partition(|protocol| protocol.starts_with(TOKEN_PREFIX));
    let token = match tokens.as_slice() {
        [token] => {
            let encoded = token.strip_prefix(TOKEN_PREFIX).unwrap_or_default();
            let token = TOKEN_BASE64.decode(encoded).ok().map(String::from_utf8);
            Some(token.and_then(Result::ok).ok_or_else(internal_error)?)
        }
        _ => None,
    };
    match others.as_slice() {
        [] => Ok((None, token)),
        others if others.contains(&PROTOCOL) => Ok((Some(PROTOCOL), token)),
        _ => Err(UpgradeRejection::new(403)),
    }
}

/// Phoenix's answer when the application raises.
pub(super) fn internal_error() -> UpgradeRejection {
    UpgradeRejection::new(500)
        .with_header("content-type", "application/json; charset=utf-8")
        .with_body(r#"{"errors":{"detail":"500.json"}}"#)
}
