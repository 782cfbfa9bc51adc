//! The upgrade from HTTP to WebSocket (RFC 6455, section 4.1).

use std::fmt::Write as _;

use async_tungstenite::tungstenite::handshake::client::generate_key;
use async_tungstenite::tungstenite::handshake::derive_accept_key;
use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};
use phx_proto::{CloseCause, Request, ResponseHeaders};

use super::{WebSocketConfig, failure, refusal};
use crate::connector::Attempt;
use crate::http::{Head, HeadError, receive_head};
use crate::turn::Metered;

/// Some web firewalls refuse requests without this header.
const USER_AGENT: &str = concat!("User-Agent: phx/", env!("CARGO_PKG_VERSION"), "\r\n");

/// A stream after its upgrade.
pub(super) struct Upgraded<S> {
    pub(super) stream: S,
    /// The bytes that came after the answer: the first frames.
    pub(super) leftover: Vec<u8>,
    /// True if the client offered subprotocols and the server named none.
    pub(super) ignored_subprotocols: bool,
    /// Those of the answer 101.
    pub(super) response_headers: ResponseHeaders,
}

/// Sends the request and reads the answer.
pub(super) async fn upgrade<S>(
    mut stream: Metered<S>,
    attempt: &Attempt,
    config: &WebSocketConfig,
) -> Result<Upgraded<S>, CloseCause>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = &attempt.request;
    let key = generate_key();
    let head = request_head(request, &key);
    stream.write_all(head.as_bytes()).await.map_err(|error| failure::stream_failed(&error))?;
    stream.flush().await.map_err(|error| failure::stream_failed(&error))?;

    let (head, leftover) = receive_head(&mut stream).await.map_err(head_failed)?;
    if head.status == 101 {
        let offered = request.protocols();
        check_upgrade(&head, &key, offered)?;
        let is_named = head.values("Sec-WebSocket-Protocol").next().is_some();
        let ignored_subprotocols = !offered.is_empty() && !is_named;
        let response_headers = head.response_headers();
        let stream = stream.into_inner();
        return Ok(Upgraded { stream, leftover, ignored_subprotocols, response_headers });
    }
    Err(CloseCause::UpgradeRejected(
        refusal::receive(stream, &head, leftover, config, &*attempt.runtime).await,
    ))
}

/// The request line and the headers, which the endpoint has checked.
fn request_head(request: &Request, key: &str) -> String {
    let url = request.url();
    let mut head = format!("GET {}", url.path());
    if let Some(query) = url.query() {
        let _ = write!(head, "?{query}");
    }
    let _ = write!(head, " HTTP/1.1\r\nHost: {}", url.host_str().unwrap_or_default());
    // The port is absent if it is the scheme's default, as in browsers.
    if let Some(port) = url.port() {
        let _ = write!(head, ":{port}");
    }
    let _ = write!(
        head,
        "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {key}\r\n"
    );
    if !request.protocols().is_empty() {
        let _ = write!(head, "Sec-WebSocket-Protocol: {}\r\n", request.protocols().join(", "));
    }
    if !request.headers().iter().any(|(name, _)| name.eq_ignore_ascii_case("User-Agent")) {
        head.push_str(USER_AGENT);
    }
    for (name, value) in request.headers() {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    head
}

fn head_failed(error: HeadError) -> CloseCause {
    match error {
        HeadError::Io(error) => failure::stream_failed(&error),
        HeadError::Ended => CloseCause::io("the server ended the connection during the upgrade"),
        HeadError::Malformed(what) => CloseCause::io(format!("the server's answer {what}")),
        HeadError::Tls => CloseCause::io("the server speaks TLS at this port: is it `wss://`?"),
    }
}

/// Checks the requirements of RFC 6455, section 4.1, for a 101, except that no subprotocol need be named.
fn check_upgrade(head: &Head, key: &str, offered: &[String]) -> Result<(), CloseCause> {
    let accept = derive_accept_key(key.as_bytes());
    let mut upgrades = head.values("Upgrade");
    let wrong = if head.is_http_1_0 {
        "it is HTTP/1.0, which has no upgrade"
    } else if !upgrades.next().is_some_and(|name| name.eq_ignore_ascii_case("websocket"))
        || upgrades.next().is_some()
    {
        "it doesn't upgrade to WebSocket"
    } else if !head.has_token("Connection", "Upgrade") {
        "it doesn't upgrade the connection"
    } else if !head.values("Sec-WebSocket-Accept").eq([accept.as_str()]) {
        "its Sec-WebSocket-Accept doesn't match"
    } else if head.values("Sec-WebSocket-Extensions").any(|list| !list.is_empty()) {
        "it names an extension that wasn't offered"
    } else if !head.values("Sec-WebSocket-Protocol").all(|name| offered.iter().any(|p| p == name)) {
        "it names a subprotocol that wasn't offered"
    } else if head.values("Sec-WebSocket-Protocol").count() > 1 {
        "it names more than one subprotocol"
    } else {
        return Ok(());
    };
    Err(CloseCause::io(format!("the server's answer 101 is wrong: {wrong}")))
}
