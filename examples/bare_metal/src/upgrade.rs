//! The upgrade of a connection to a WebSocket (RFC 6455, section 4).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use phx_proto::{CloseCause, Request, UpgradeRejection};

/// Bytes of an answer's head that are kept. A longer one ends the attempt.
const MAX_HEAD: usize = 1 << 10;

/// Headers of an answer. One with more ends the attempt.
const MAX_HEADERS: usize = 16;

/// An upgrade under way: the request, until it is written, and the beginning of the answer.
pub(crate) struct Upgrade {
    accept: String,
    request: Vec<u8>,
    written: usize,
    head: Vec<u8>,
}

impl Upgrade {
    /// Creates an upgrade with a key that must be random.
    pub(crate) fn new(request: &Request, key: [u8; 16]) -> Self {
        let key = phx_websocket::key(key);
        let mut text = format!("GET {} HTTP/1.1\r\nHost: {}", request.target(), request.host());
        // Servers compare it with their own name, without the scheme's port.
        if request.port() != if request.is_tls() { 443 } else { 80 } {
            text.push_str(&format!(":{}", request.port()));
        }
        text.push_str(
            "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        );
        text.extend(["Sec-WebSocket-Key: ", &key, "\r\n"]);
        let protocols = request.protocols().join(", ");
        if !protocols.is_empty() {
            text.extend(["Sec-WebSocket-Protocol: ", &protocols, "\r\n"]);
        }
        for (name, value) in request.headers() {
            text.extend([name, ": ", value, "\r\n"]);
        }
        text.push_str("\r\n");
        let accept = phx_websocket::accept(&key);
        Upgrade { accept, request: text.into_bytes(), written: 0, head: Vec::new() }
    }

    /// Returns the next byte of the request.
    pub(crate) fn output(&self) -> Option<u8> {
        self.request.get(self.written).copied()
    }

    /// Drops the byte that [`output`](Self::output) returned: it was written.
    pub(crate) fn advance(&mut self) {
        self.written = self.written.saturating_add(1);
        if self.written >= self.request.len() {
            self.request = Vec::new();
        }
    }

    /// Takes a byte of the answer; the result comes with the last one of its head.
    pub(crate) fn receive(&mut self, byte: u8) -> Option<Result<(), CloseCause>> {
        self.head.push(byte);
        if self.head.ends_with(b"\r\n\r\n") {
            return Some(self.check());
        }
        if self.head.len() >= MAX_HEAD {
            return Some(Err(CloseCause::io("the head of the answer is too long")));
        }
        None
    }

    fn check(&self) -> Result<(), CloseCause> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut answer = httparse::Response::new(&mut headers);
        if answer.parse(&self.head).is_err() {
            return Err(CloseCause::io("the answer isn't HTTP"));
        }
        let header = |name: &str| {
            let found = answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            found.and_then(|header| core::str::from_utf8(header.value).ok()).map(str::trim)
        };
        let status = answer.code.unwrap_or_default();
        if status != 101 {
            let wait = header("retry-after").and_then(|value| value.parse().ok());
            let rejection = UpgradeRejection::new(status);
            let rejection = rejection.with_retry_after(wait.map(Duration::from_secs));
            return Err(CloseCause::UpgradeRejected(rejection));
        }
        let upgraded = header("upgrade").is_some_and(|it| it.eq_ignore_ascii_case("websocket"));
        if !upgraded || header("sec-websocket-accept") != Some(&self.accept) {
            return Err(CloseCause::io("the answer isn't one to this upgrade"));
        }
        Ok(())
    }
}
