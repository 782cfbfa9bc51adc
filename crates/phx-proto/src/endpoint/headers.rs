//! The extra headers of the upgrade request.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::EndpointError;

/// Headers that the handshake, or the HTTP message around it, writes itself.
const RESERVED: [&str; 5] =
    ["host", "connection", "upgrade", "content-length", "transfer-encoding"];
const RESERVED_PREFIX: &str = "sec-websocket-";

/// Valid headers in the order of their setting; no name twice.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Headers(Vec<(String, String)>);

impl Headers {
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), EndpointError> {
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(EndpointError::HeaderName);
        }
        let lower = name.to_ascii_lowercase();
        if RESERVED.contains(&lower.as_str()) || lower.starts_with(RESERVED_PREFIX) {
            return Err(EndpointError::ReservedHeader { name: name.to_string() });
        }
        if !value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
            return Err(EndpointError::HeaderValue { name: name.to_string() });
        }
        // Names are equal in any case (RFC 9110, section 5.1).
        self.0.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.0.push((name.to_string(), value.to_string()));
        Ok(())
    }

    pub(super) fn as_slice(&self) -> &[(String, String)] {
        &self.0
    }

    pub(super) fn names(&self) -> Vec<&str> {
        names(&self.0)
    }
}

pub(super) fn names(headers: &[(String, String)]) -> Vec<&str> {
    headers.iter().map(|(name, _)| name.as_str()).collect()
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
