//! The upgrade from HTTP to WebSocket (RFC 6455, section 4.1).

use async_tungstenite::tungstenite::handshake::client::generate_key;
use async_tungstenite::tungstenite::handshake::derive_accept_key;
use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};
use phx_proto::{CloseCause, ResponseHeaders};

#[cfg(feature = "deflate")]
use super::compression::Compression;
use super::{WebSocketConfig, refusal};
use crate::connector::Attempt;
use crate::http::{self, Head, HeadError, receive_head, request_head};
use crate::turn::Metered;

/// Header of extensions, in the request and in the answer.
const EXTENSIONS: &str = "Sec-WebSocket-Extensions";

/// A stream after its upgrade.
pub(super) struct Upgraded<S> {
    pub(super) stream: S,
    /// The bytes that came after the answer: the first frames.
    pub(super) leftover: Vec<u8>,
    /// True if the client offered subprotocols and the server named none.
    pub(super) ignored_subprotocols: bool,
    /// Those of the answer 101.
    pub(super) response_headers: ResponseHeaders,
    /// Compression that was offered and agreed to.
    #[cfg(feature = "deflate")]
    pub(super) compression: Option<super::compression::Agreement>,
    #[cfg(feature = "deflate")]
    pub(super) wire: crate::wire::WireCounters,
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
    let head = upgrade_head(attempt, &key)?;
    stream.write_all(&head).await.map_err(|error| http::stream_failed(&error))?;
    stream.flush().await.map_err(|error| http::stream_failed(&error))?;

    let (head, leftover) = receive_head(&mut stream).await.map_err(HeadError::into_cause)?;
    if head.status == 101 {
        let offered = request.protocols();
        check_upgrade(&head, &key, offered)?;
        #[cfg(feature = "deflate")]
        let compression = match &attempt.compression {
            Some(compression) => compression.check(head.values(EXTENSIONS))?,
            None => None,
        };
        if !offers_compression(attempt) && head.values(EXTENSIONS).any(|list| !list.is_empty()) {
            return Err(wrong("it names an extension that wasn't offered"));
        }
        let is_named = head.values("Sec-WebSocket-Protocol").next().is_some();
        let ignored_subprotocols = !offered.is_empty() && !is_named;
        let response_headers = head.response_headers();
        let stream = stream.into_inner();
        return Ok(Upgraded {
            stream,
            leftover,
            ignored_subprotocols,
            response_headers,
            #[cfg(feature = "deflate")]
            compression,
            #[cfg(feature = "deflate")]
            wire: attempt.wire.clone(),
        });
    }
    Err(CloseCause::UpgradeRejected(
        refusal::receive(stream, &head, leftover, config, &*attempt.runtime).await,
    ))
}

#[cfg(feature = "deflate")]
fn offers_compression(attempt: &Attempt) -> bool {
    attempt.compression.is_some()
}

#[cfg(not(feature = "deflate"))]
fn offers_compression(_: &Attempt) -> bool {
    false
}

/// The upgrade request.
fn upgrade_head(attempt: &Attempt, key: &str) -> Result<Vec<u8>, CloseCause> {
    let request = &attempt.request;
    let protocols = request.protocols().join(", ");
    let mut own = vec![
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", key),
    ];
    if !protocols.is_empty() {
        own.push(("Sec-WebSocket-Protocol", &protocols));
    }
    #[cfg(feature = "deflate")]
    let offer = attempt.compression.as_ref().map(Compression::header);
    #[cfg(feature = "deflate")]
    own.extend(offer.as_deref().map(|offer| (EXTENSIONS, offer)));
    let extra: Vec<_> =
        request.headers().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    request_head("GET", &request.target(), &http::host_and_port(request), &own, &extra)
}

/// Checks the requirements of RFC 6455, section 4.1, for a 101, except that no subprotocol need be named.
fn check_upgrade(head: &Head, key: &str, offered: &[String]) -> Result<(), CloseCause> {
    let accept = derive_accept_key(key.as_bytes());
    let mut upgrades = head.values("Upgrade");
    let what = if head.is_http_1_0 {
        "it is HTTP/1.0, which has no upgrade"
    } else if !upgrades.next().is_some_and(|name| name.eq_ignore_ascii_case("websocket"))
        || upgrades.next().is_some()
    {
        "it doesn't upgrade to WebSocket"
    } else if !head.has_token("Connection", "Upgrade") {
        "it doesn't upgrade the connection"
    } else if !head.values("Sec-WebSocket-Accept").eq([accept.as_str()]) {
        "its Sec-WebSocket-Accept doesn't match"
    } else if !head.values("Sec-WebSocket-Protocol").all(|name| offered.iter().any(|p| p == name)) {
        "it names a subprotocol that wasn't offered"
    } else if head.values("Sec-WebSocket-Protocol").count() > 1 {
        "it names more than one subprotocol"
    } else {
        return Ok(());
    };
    Err(wrong(what))
}

fn wrong(what: &str) -> CloseCause {
    CloseCause::io(format!("the server's answer 101 is wrong: {what}"))
}
