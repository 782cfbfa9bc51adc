//! Credentials for connecting, made for each attempt.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use phx_proto::{Endpoint, EndpointError};

use crate::runtime::BoxFuture;

pub(crate) type CredentialsFunction =
    Arc<dyn Fn() -> BoxFuture<Result<Credentials, Box<dyn Error + Send + Sync>>> + Send + Sync>;

/// Params, headers and a token for one attempt to connect; see
/// [`SocketBuilder::credentials`](crate::SocketBuilder::credentials).
///
/// `Debug` shows the names only.
///
/// # Examples
///
/// ```
/// use phx_client::Credentials;
///
/// let credentials = Credentials::new().param("user", "ann").auth_token("secret");
/// assert!(!format!("{credentials:?}").contains("secret"));
/// ```
#[derive(Clone, Default)]
#[must_use = "credentials are used by being returned"]
pub struct Credentials {
    params: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    auth_token: Option<String>,
}

impl Credentials {
    /// Returns credentials without params, headers or a token.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a param to the URL.
    pub fn param(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.params.push((key.into(), value.into()));
        self
    }

    /// Adds a header to the upgrade request. One that can't be sent fails the attempt.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends a token outside of the URL: the server's socket must have `auth_token: true`.
    pub fn auth_token(mut self, token: impl Into<String>) -> Self {
        self.auth_token = Some(token.into());
        self
    }

    pub(crate) fn apply(self, mut endpoint: Endpoint) -> Result<Endpoint, EndpointError> {
        for (key, value) in &self.params {
            endpoint = endpoint.with_param(key, value);
        }
        for (name, value) in &self.headers {
            endpoint = endpoint.with_header(name, value)?;
        }
        Ok(match &self.auth_token {
            Some(token) => endpoint.with_auth_token(token),
            None => endpoint,
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |pairs: &[(String, String)]| -> Vec<String> {
            pairs.iter().map(|(name, _)| name.clone()).collect()
        };
        f.debug_struct("Credentials")
            .field("params", &names(&self.params))
            .field("headers", &names(&self.headers))
            .field("auth_token", &self.auth_token.is_some())
            .finish()
    }
}
