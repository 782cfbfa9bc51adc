//! Where to connect, and what to say there: URL, params, headers, subprotocols. (stub)
#![allow(missing_docs, unused_variables, clippy::missing_errors_doc)]
use alloc::string::String;
use serde::Serialize;
use url::Url;

/// Where a socket connects to, and what it says there. Debug and Display hide param values, header values and tokens.
#[derive(Clone, Debug)]
pub struct Endpoint {}

/// Which part of an endpoint is wrong, and how.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("stub")]
pub struct EndpointError;

impl Endpoint {
    pub fn parse(url: &str) -> Result<Self, EndpointError> {
        todo!()
    }
    pub fn from_url(url: Url) -> Result<Self, EndpointError> {
        todo!()
    }
    /// The seed's second constructor; `Endpoint::default()` is localhost, /socket, 4000, no TLS.
    pub fn from_parts(
        host: &str,
        path: &str,
        port: Option<u16>,
        tls: bool,
    ) -> Result<Self, EndpointError> {
        todo!()
    }
    pub fn with_param(self, key: &str, value: &str) -> Self {
        todo!()
    }
    /// All fields of a struct or map; nested ones as `a[b]=c`, lists as `a[]=1`.
    pub fn with_params<T: Serialize + ?Sized>(self, params: &T) -> Result<Self, EndpointError> {
        todo!()
    }
    pub fn with_header(self, name: &str, value: &str) -> Result<Self, EndpointError> {
        todo!()
    }
    pub fn with_auth_token(self, token: &str) -> Result<Self, EndpointError> {
        todo!()
    }
    /// The request to make now.
    pub fn request(&self, vsn: &str) -> Request {
        todo!()
    }
}

/// One WebSocket upgrade request. Debug hides secrets.
#[derive(Clone, Debug)]
pub struct Request {
    url: Url,
}

impl Request {
    /// ws or wss URL with path, all params and vsn. Holds secrets.
    pub fn url(&self) -> &Url {
        &self.url
    }
    /// Extra headers in order, valid HTTP names and values. Not the subprotocols.
    pub fn headers(&self) -> &[(String, String)] {
        todo!()
    }
    /// Values for Sec-WebSocket-Protocol: empty, or ["phoenix", "base64url.bearer.phx.<T>"].
    pub fn protocols(&self) -> &[String] {
        todo!()
    }
    pub fn is_tls(&self) -> bool {
        todo!()
    }
    /// Host without brackets.
    pub fn host(&self) -> &str {
        todo!()
    }
    /// Port, the scheme's default filled in.
    pub fn port(&self) -> u16 {
        todo!()
    }
}
