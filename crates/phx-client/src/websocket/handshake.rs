//! The upgrade from HTTP to WebSocket (RFC 6455, section 4.1).

use std::fmt::Write as _;

use async_tungstenite::tungstenite::handshake::client::generate_key;
use async_tungstenite::tungstenite::handshake::derive_accept_key;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use httparse::Status;
use phx_proto::{CloseCause, Request};

use super::{WebSocketConfig, failure, refusal};
use crate::connector::Attempt;

/// Bytes that the head of an answer may have; servers keep to 8 or 16 KiB themselves.
const MAX_HEAD: usize = 32 << 10;

/// Headers that an answer may have.
const MAX_HEADERS: usize = 128;

/// Sends the request and reads the answer. Gives the stream back, and the bytes that came after the
/// answer: the first frames.
pub(super) async fn upgrade<S>(
    mut stream: S,
    attempt: &Attempt,
    config: &WebSocketConfig,
) -> Result<(S, Vec<u8>), CloseCause>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = &attempt.request;
    let key = generate_key();
    let head = request_head(request, &key);
    stream.write_all(head.as_bytes()).await.map_err(|error| failure::stream_failed(&error))?;
    stream.flush().await.map_err(|error| failure::stream_failed(&error))?;

    let (head, leftover) = receive_head(&mut stream).await?;
    if head.status == 101 {
        head.check_upgrade(&key, request.protocols())?;
        return Ok((stream, leftover));
    }
    Err(CloseCause::Refused(
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
    // The port is absent where it is the scheme's own, as browsers do it.
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
    for (name, value) in request.headers() {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    head
}

/// The head of an HTTP answer.
pub(super) struct Head {
    pub(super) status: u16,
    headers: Vec<(String, Vec<u8>)>,
}

impl Head {
    /// The values of all headers of this name that are text.
    pub(super) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(given, _)| given.eq_ignore_ascii_case(name))
            .filter_map(|(_, value)| std::str::from_utf8(value).ok().map(str::trim))
    }

    /// Whether a list of tokens names this one.
    pub(super) fn has_token(&self, name: &str, token: &str) -> bool {
        self.values(name)
            .flat_map(|list| list.split(','))
            .any(|given| given.trim().eq_ignore_ascii_case(token))
    }

    /// Checks what RFC 6455 section 4.1 wants of a 101, save that a subprotocol need not be named.
    fn check_upgrade(&self, key: &str, offered: &[String]) -> Result<(), CloseCause> {
        let accept = derive_accept_key(key.as_bytes());
        let wrong = if !self.has_token("Upgrade", "websocket") {
            "it doesn't upgrade to WebSocket"
        } else if !self.has_token("Connection", "Upgrade") {
            "it doesn't upgrade the connection"
        } else if !self.values("Sec-WebSocket-Accept").eq([accept.as_str()]) {
            "its Sec-WebSocket-Accept doesn't match"
        } else if self.values("Sec-WebSocket-Extensions").any(|list| !list.is_empty()) {
            "it names an extension that wasn't offered"
        } else if !self
            .values("Sec-WebSocket-Protocol")
            .all(|name| offered.iter().any(|p| p == name))
        {
            "it names a subprotocol that wasn't offered"
        } else {
            return Ok(());
        };
        Err(CloseCause::lost(format!("the server's answer 101 is wrong: {wrong}")))
    }
}

/// Reads up to the end of the head of the final answer, and whatever came together with it.
async fn receive_head<S: AsyncRead + Unpin>(stream: &mut S) -> Result<(Head, Vec<u8>), CloseCause> {
    let mut received = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count =
            stream.read(&mut chunk).await.map_err(|error| failure::stream_failed(&error))?;
        let Some(new) = chunk.get(..count).filter(|new| !new.is_empty()) else {
            return Err(CloseCause::lost("the server ended the connection during the upgrade"));
        };
        received.extend_from_slice(new);
        // A head ends with a line, and no more lines than headers are taken: so a server that sends
        // single bytes can't make this quadratic.
        if new.contains(&b'\n') {
            while let Some((head, len)) = parse_head(&received)? {
                let rest = received.split_off(len);
                // Informational answers (100 to 199 but for 101) precede the final one.
                if head.status == 101 || !(100..200).contains(&head.status) {
                    return Ok((head, rest));
                }
                received = rest;
            }
        }
        if received.len() > MAX_HEAD {
            return Err(CloseCause::lost("the head of the server's answer is too long"));
        }
    }
}

/// The head at the beginning of `bytes` and its length, if all of it is there.
fn parse_head(bytes: &[u8]) -> Result<Option<(Head, usize)>, CloseCause> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(bytes) {
        Ok(Status::Complete(len)) => {
            let headers = response
                .headers
                .iter()
                .map(|header| (header.name.to_owned(), header.value.to_owned()))
                .collect();
            Ok(response.code.map(|status| (Head { status, headers }, len)))
        }
        Ok(Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            Err(CloseCause::lost("the server's answer has too many headers"))
        }
        Err(_) => Err(CloseCause::lost("the server's answer is not HTTP")),
    }
}
