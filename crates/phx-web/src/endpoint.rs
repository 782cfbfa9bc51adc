//! Endpoints from URLs, which the browser parses: a page needs no parser of its own, nor its tables of names.

use phx_client::{Endpoint, EndpointError};
use web_sys::Url;

/// Conversion into an [`Endpoint`]: from a URL as text or the browser's, from an endpoint, or from the result of making
/// one, whose error is kept.
///
/// The browser parses text, so it may be all that the URL standard takes, whatever [`Endpoint::parse`] takes in this build.
pub trait IntoEndpoint {
    /// Converts the value into an endpoint.
    ///
    /// # Errors
    ///
    /// The error of parsing or checking the URL. It doesn't quote it.
    fn into_endpoint(self) -> Result<Endpoint, EndpointError>;
}

impl IntoEndpoint for &str {
    fn into_endpoint(self) -> Result<Endpoint, EndpointError> {
        match Url::new(self) {
            Ok(url) => url.into_endpoint(),
            // A browser doesn't say what is wrong, and the core does, by the part.
            Err(_) => Endpoint::from_href(self).and(Err(EndpointError::Host)),
        }
    }
}

impl IntoEndpoint for &String {
    fn into_endpoint(self) -> Result<Endpoint, EndpointError> {
        self.as_str().into_endpoint()
    }
}

impl IntoEndpoint for String {
    fn into_endpoint(self) -> Result<Endpoint, EndpointError> {
        self.as_str().into_endpoint()
    }
}

impl IntoEndpoint for &Url {
    fn into_endpoint(self) -> Result<Endpoint, EndpointError> {
        Endpoint::from_href(&self.href())
    }
}

impl IntoEndpoint for Url {
    fn into_endpoint(self) -> Result<Endpoint, EndpointError> {
        (&self).into_endpoint()
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
