//! The URL of a project's Realtime server.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use phx_client::{Endpoint, EndpointError};

/// Error of a project's URL. It doesn't quote the URL. `Debug` shows the same text as `Display`.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectError {
    /// The URL can't be used at all.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The URL is neither `https` nor for a server on this machine: key and tokens would be readable on the way.
    #[error("a project's URL must be https, except for a server on this machine")]
    NotEncrypted,
    /// The project's key is empty.
    #[error("the project's key is empty")]
    NoKey,
}

impl fmt::Debug for ProjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The path of Realtime below a project's URL.
const PATH: &str = "/realtime/v1";

/// The endpoint of the project at `url`, such as `https://PROJECT.supabase.co`. A path stays in front of Realtime's.
pub(crate) fn endpoint(url: &str, key: &str) -> Result<Endpoint, ProjectError> {
    let endpoint = Endpoint::parse(url)?;
    let request = endpoint.request("");
    if !request.is_tls() && !is_loopback(request.host()) {
        return Err(ProjectError::NotEncrypted);
    }
    if key.is_empty() {
        return Err(ProjectError::NoKey);
    }
    let target = request.target();
    let path = target.split('?').next().unwrap_or_default();
    let path = path.trim_end_matches("/websocket").trim_end_matches('/').to_owned();
    let path = path.strip_suffix(PATH).unwrap_or(&path);
    let path = format!("{path}{PATH}/websocket");
    Ok(endpoint.with_exact_path(&path)?.with_param("apikey", key))
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || host.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}
