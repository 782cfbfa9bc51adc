//! Opening handshake: the request, and the answers that reject it.

use std::time::{Duration, SystemTime};

use phx_proto::{CloseCause, Config, Request, ResponseHeaders, UpgradeRejection};
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::client::Response;
use tungstenite::http::{self, HeaderName, HeaderValue};
use tungstenite::protocol::WebSocketConfig;

/// Bytes kept of the body of an answer that rejects the upgrade.
const MAX_BODY: usize = 16 << 10;

/// Bytes kept of the names and values of an answer's headers, as in `phx-client`.
const MAX_HEAD: usize = 32 << 10;

/// Converts the upgrade request for tungstenite: URL, headers, subprotocols, and a fresh key.
///
/// # Errors
///
/// [`CloseCause::InvalidRequest`] if HTTP can't carry the request: a URL of 64 KiB or more.
///
/// # Examples
///
/// ```
/// use phx_proto::Endpoint;
///
/// let endpoint = Endpoint::parse("ws://localhost:4000/socket")?.with_header("x-app", "1")?;
/// let request = phx_tungstenite::request(&endpoint.request("2.0.0")).unwrap();
/// assert_eq!(request.uri(), "ws://localhost:4000/socket/websocket?vsn=2.0.0");
/// assert_eq!(request.headers()["x-app"], "1");
/// # Ok::<(), phx_proto::EndpointError>(())
/// ```
pub fn request(request: &Request) -> Result<http::Request<()>, CloseCause> {
    // The texts of the errors may quote the URL or a header.
    let invalid = || CloseCause::invalid_request("HTTP can't carry the URL or a header");
    let mut upgrade = request.url().as_str().into_client_request().map_err(|_| invalid())?;
    let headers = upgrade.headers_mut();
    let mut append = |name: &str, value: &str| {
        let name = HeaderName::try_from(name).map_err(|_| invalid())?;
        headers.append(name, HeaderValue::try_from(value).map_err(|_| invalid())?);
        Ok::<_, CloseCause>(())
    };
    if !request.protocols().is_empty() {
        append("sec-websocket-protocol", &request.protocols().join(", "))?;
    }
    for (name, value) in request.headers() {
        append(name, value)?;
    }
    Ok(upgrade)
}

/// Returns settings for tungstenite with the core's [`max_frame_size`](phx_proto::Config::max_frame_size), for
/// messages in one frame or in fragments.
#[must_use]
pub fn websocket_config(config: &Config) -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(config.max_frame_size))
        .max_frame_size(Some(config.max_frame_size))
}

/// Converts an HTTP answer other than the upgrade for the core: status, `Retry-After`, headers up to 32 KiB (those beyond
/// are left out), and up to 16 KiB of the body. tungstenite reads only the part of the body that arrived together with the
/// head.
#[must_use]
pub fn rejection(response: &Response) -> UpgradeRejection {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let wait = header("retry-after")
        .and_then(|value| retry_after(value, header("date"), SystemTime::now()));
    let body = response.body().as_deref().unwrap_or_default();
    let body = body.get(..MAX_BODY).unwrap_or(body);
    UpgradeRejection::new(response.status().as_u16())
        .with_retry_after(wait)
        .with_headers(response_headers(response))
        .with_body(body.to_vec())
}

/// Converts the headers of an answer, in order, up to the first one beyond the limit.
pub(crate) fn response_headers(response: &Response) -> ResponseHeaders {
    let mut room = MAX_HEAD;
    let headers = response.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    ResponseHeaders::new(headers.take_while(|(name, value)| {
        // A header has a colon and a line end besides.
        let left = room.checked_sub(name.len() + value.len() + 2);
        room = left.unwrap_or_default();
        left.is_some()
    }))
}

/// Parses the delay in a `Retry-After` header (RFC 9110, section 10.2.3); `None` if it is neither seconds nor a
/// date.
///
/// A date counts from `date`, the answer's `Date` header, so that a difference between the clocks doesn't matter;
/// without one, from `now`. A date in the past is zero.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use phx_tungstenite::retry_after;
///
/// let now = SystemTime::now();
/// assert_eq!(retry_after("120", None, now), Some(Duration::from_secs(120)));
/// let (until, date) = ("Fri, 01 Jan 2027 00:01:00 GMT", "Fri, 01 Jan 2027 00:00:00 GMT");
/// assert_eq!(retry_after(until, Some(date), now), Some(Duration::from_secs(60)));
/// assert_eq!(retry_after("soon", None, now), None);
/// ```
#[must_use]
pub fn retry_after(value: &str, date: Option<&str>, now: SystemTime) -> Option<Duration> {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let from = date.and_then(|date| httpdate::parse_http_date(date).ok());
    Some(until.duration_since(from.unwrap_or(now)).unwrap_or_default())
}
