//! Conversions into endpoints.

use phx_proto::{Endpoint, EndpointError};

/// Conversion into an [`Endpoint`]: from a URL as text or parsed, from an endpoint, or from the result of making
/// one, whose error is kept.
pub trait IntoEndpoint {
    /// Converts the value into an endpoint.
    ///
    /// # Errors
    ///
    /// The error of parsing or checking the URL.
    fn into_endpoint(self) -> Result<Endpoint, EndpointError>;
}

impl IntoEndpoint for &str {
    fn into_endpoint(self) -> Result<Endpoint, EndpointError> {
        Endpoint::parse(self)
    }
}

impl IntoEndpoint for &String {
    fn into_endpoint(self) -> Result<Endpoint, EndpointError> {
        Endpoint::parse(self)
    }
}

impl IntoEndpoint for String {
    fn into_endpoint(self) -> Result<Endpoint, EndpointError> {
        Endpoint::parse(&self)
    }
}

#[cfg(feature = "url")]
impl IntoEndpoint for url::Url {
    fn into_endpoint(self) -> Result<Endpoint, EndpointError> {
        Endpoint::from_url(self)
    }
}

impl IntoEndpoint for Endpoint {
    fn into_endpoint(self) -> Result<Endpoint, EndpointError> {
        Ok(self)
    }
}

impl IntoEndpoint for Result<Endpoint, EndpointError> {
    fn into_endpoint(self) -> Result<Endpoint, EndpointError> {
        self
    }
}
