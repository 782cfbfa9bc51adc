//! Proxies, from URLs and from environment variables.

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "url")]
mod parse;
#[cfg(feature = "url")]
mod variables;

#[cfg(feature = "url")]
pub(crate) use variables::choose;

/// Proxy: its protocol, address, user and password.
///
/// Connections go through a tunnel that the proxy opens (CONNECT, or SOCKS5), those of `ws://` as well. The proxy
/// looks the server's name up. `Debug` and `Display` leave out user and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy(Arc<Parts>);

#[derive(PartialEq, Eq)]
struct Parts {
    scheme: Scheme,
    host: String,
    port: u16,
    user: Option<(String, String)>,
}

/// Protocol of a proxy.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "url"), allow(dead_code, reason = "only a URL names a proxy"))]
enum Scheme {
    Http,
    Https,
    Socks5,
}

impl Proxy {
    /// Returns `http`, `https` or `socks5`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        match self.0.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Socks5 => "socks5",
        }
    }

    /// Returns the proxy's name or IP address, the latter without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.0.host
    }

    /// Returns the proxy's port, or the scheme's default.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// Returns the user and password. They are only for the proxy: never show them.
    #[must_use]
    pub fn credentials(&self) -> Option<(&str, &str)> {
        self.0.user.as_ref().map(|(user, password)| (&**user, &**password))
    }
}

/// The URL without user and password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = (self.scheme(), self.host(), self.port());
        match host.contains(':') {
            true => write!(f, "{scheme}://[{host}]:{port}"),
            false => write!(f, "{scheme}://{host}:{port}"),
        }
    }
}

/// Leaves out user and password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}
