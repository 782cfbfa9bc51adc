//! The upgrade from HTTP to WebSocket: a request comes in, and 101 or what Phoenix says instead goes
//! out.

use std::io;

use async_tungstenite::tungstenite::handshake::derive_accept_key;
use async_tungstenite::tungstenite::http::StatusCode;
use bytes::{Buf, Bytes, BytesMut};
use phx_proto::ByteString;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::{ConnectRequest, HttpRequest, UpgradeRejection};

/// The head of a request for an upgrade, or for anything else.
pub(super) struct Head {
    method: String,
    path: String,
    /// Minor version of HTTP/1: 0 or 1.
    version: u8,
    headers: Vec<(String, String)>,
}

/// Answer that upgrades a connection.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) key: String,
    pub(super) protocol: Option<&'static str>,
    pub(super) extensions: Option<String>,
}

/// Length of a body, as its head has it.
pub(super) enum Length {
    Bytes(u64),
    Chunks,
}

const MAX_HEAD: usize = 64 * 1024;
const MAX_HEADERS: usize = 100;

/// Reads a request's head; what came after it stays in the buffer. An error is also a request that
/// isn't HTTP, or too long.
pub(super) async fn read_head(
    stream: &mut DuplexStream,
    buffer: &mut BytesMut,
) -> io::Result<Head> {
    // What came behind an earlier request.
    if let Some((head, length)) = parse(buffer)? {
        buffer.advance(length);
        return Ok(head);
    }
    loop {
        let known = buffer.len();
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // A head ends with a line, and no more lines than headers are taken: so a client that sends
        // single bytes can't make this quadratic.
        if buffer.get(known..).is_some_and(|new| new.contains(&b'\n'))
            && let Some((head, length)) = parse(buffer)?
        {
            buffer.advance(length);
            return Ok(head);
        }
        if buffer.len() > MAX_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

fn parse(bytes: &[u8]) -> io::Result<Option<(Head, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(io::ErrorKind::InvalidData.into()),
    };
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let (method, path) = (text(request.method), text(request.path));
    let version = request.version.unwrap_or_default();
    let headers = request.headers.iter().map(|header| {
        (header.name.to_ascii_lowercase(), String::from_utf8_lossy(header.value).into_owned())
    });
    Ok(Some((Head { method, path, version, headers: headers.collect() }, length)))
}

impl Head {
    pub(super) fn connect_request(&self) -> ConnectRequest {
        self.headers.iter().fold(ConnectRequest::new(&self.path), |request, (name, value)| {
            request.with_header(name, value)
        })
    }

    pub(super) fn method(&self) -> &str {
        &self.method
    }

    /// Returns the path, without the query.
    pub(super) fn path(&self) -> &str {
        self.path.split_once('?').map_or(&self.path, |(path, _)| path)
    }

    pub(super) fn http_request(&self, body: Bytes) -> HttpRequest {
        let request = HttpRequest::new(&self.method, &self.path).with_body(body);
        self.headers.iter().fold(request, |request, (name, value)| request.with_header(name, value))
    }

    /// Returns the length of the body; `None` if it isn't clear.
    pub(super) fn body_length(&self) -> Option<Length> {
        if self.values("transfer-encoding").next().is_some() {
            let chunked = self.contains("transfer-encoding", "chunked");
            return chunked.ok().map(|()| Length::Chunks);
        }
        let mut lengths = self.values("content-length");
        match (lengths.next(), lengths.next()) {
            (None, _) => Some(Length::Bytes(0)),
            (Some(length), None) => length.parse().ok().map(Length::Bytes),
            (Some(_), Some(_)) => None,
        }
    }

    pub(super) fn accepts_gzip(&self) -> bool {
        self.contains("accept-encoding", "gzip").is_ok()
    }

    /// Returns the values of the headers with the client's offers of extensions.
    #[cfg(feature = "deflate")]
    pub(super) fn extensions(&self) -> impl Iterator<Item = &str> {
        self.values("sec-websocket-extensions")
    }

    pub(super) fn expects_continue(&self) -> bool {
        self.contains("expect", "100-continue").is_ok()
    }

    /// Returns true if the client sends no further request.
    pub(super) fn closes(&self) -> bool {
        match self.version {
            0 => self.contains("connection", "keep-alive").is_err(),
            _ => self.contains("connection", "close").is_ok(),
        }
    }

    /// The first fault that doesn't depend on its path.
    pub(super) fn check_method(&self) -> Result<(), UpgradeRejection> {
        match (self.version, &*self.method) {
            (0, _) => Err(bad_request("HTTP version HTTP/1.0 unsupported")),
            (_, "GET") => Ok(()),
            _ => Err(bad_request("")),
        }
    }

    /// Returns the key that accepts the upgrade, or the rejection of a request for none. Phoenix checks this last.
    pub(super) fn accept_key(&self) -> Result<String, UpgradeRejection> {
        self.contains("connection", "upgrade")?;
        self.contains("upgrade", "websocket")?;
        let Some(key) = self.values("sec-websocket-key").next() else {
            return Err(bad_request("'sec-websocket-key' header is absent"));
        };
        let versions: Vec<&str> = self.values("sec-websocket-version").collect();
        if versions != ["13"] {
            let name = "sec-websocket-version";
            return Err(bad_request(format!("'{name}' header must equal '13', got {versions:?}")));
        }
        // Its length isn't looked at.
        Ok(derive_accept_key(key.as_bytes()))
    }

    fn contains(&self, name: &str, token: &str) -> Result<(), UpgradeRejection> {
        let tokens = self.values(name).flat_map(|value| value.split(','));
        if tokens.map(str::trim).any(|found| found.eq_ignore_ascii_case(token)) {
            return Ok(());
        }
        let values: Vec<&str> = self.values(name).collect();
        Err(bad_request(format!("'{name}' header must contain '{token}', got {values:?}")))
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let headers = self.headers.iter().filter(move |(found, _)| found == name);
        headers.map(|(_, value)| value.as_str())
    }
}

/// Writes the answer to an upgrade.
pub(super) async fn accept(stream: &mut DuplexStream, answer: &Answer) -> io::Result<()> {
    let Answer { key, protocol, extensions } = answer;
    let mut head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-accept: {key}\r\n"
    );
    if let Some(protocol) = protocol {
        head.push_str(&format!("sec-websocket-protocol: {protocol}\r\n"));
    }
    if let Some(extensions) = extensions {
        push_headers(&mut head, &[("sec-websocket-extensions".to_owned(), extensions.clone())]);
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await
}

/// Writes a refusal, and closes. What of it isn't valid HTTP is left out.
pub(super) async fn refuse(
    stream: &mut DuplexStream,
    refusal: &UpgradeRejection,
) -> io::Result<()> {
    let status = StatusCode::from_u16(refusal.status());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut head = format!(
        "HTTP/1.1 {} {}\r\ncontent-length: {}\r\nconnection: close\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default(),
        refusal.body().len(),
    );
    push_headers(&mut head, refusal.headers());
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(refusal.body()).await?;
    stream.shutdown().await
}

/// Appends headers, without those that aren't valid HTTP.
pub(super) fn push_headers(head: &mut String, headers: &[(String, String)]) {
    for (name, value) in headers.iter().filter(|(name, value)| is_valid(name, value)) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
}

/// Neither ends its line, and the name isn't one that is said already.
fn is_valid(name: &str, value: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty()
        && name.bytes().all(is_token)
        && !value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t')
        && !matches!(name, "content-length" | "connection")
}

fn bad_request(text: impl Into<ByteString>) -> UpgradeRejection {
    UpgradeRejection::new(400).with_body(text.into().into_bytes())
}
