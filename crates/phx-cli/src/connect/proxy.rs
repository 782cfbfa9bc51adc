//! Proxies, as URLs on the command line.

use std::fmt;
use std::str::FromStr;

use phx_tokio::TcpDialer;
use phx_tokio::dial::{HttpProxy, Socks5Proxy};
use url::Url;

use crate::value;

/// A proxy and its protocol.
#[derive(Clone, Debug)]
pub(super) enum Proxy {
    Http(Address),
    Socks5(Address),
}

/// The address of a proxy, with user and password.
#[derive(Clone)]
pub(super) struct Address {
    host: String,
    port: u16,
    user: Option<(String, String)>,
}

impl Address {
    pub(super) fn http(&self, dialer: TcpDialer) -> HttpProxy<TcpDialer> {
        let proxy = HttpProxy::new(dialer, &self.host, self.port);
        match &self.user {
            Some((user, password)) => proxy.with_basic_auth(user, password),
            None => proxy,
        }
    }

    pub(super) fn socks5(&self, dialer: TcpDialer) -> Socks5Proxy<TcpDialer> {
        let proxy = Socks5Proxy::new(dialer, &self.host, self.port);
        match &self.user {
            Some((user, password)) => proxy.with_password(user, password),
            None => proxy,
        }
    }
}

/// The value of the option.
pub(super) fn parse(value: &str) -> Result<Proxy, String> {
    value::text(value)?.parse()
}

impl FromStr for Proxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| error.to_string())?;
        let host = url.host_str().ok_or("it has no host")?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = url.port_or_known_default();
        let user = (!url.username().is_empty())
            .then(|| (decoded(url.username()), decoded(url.password().unwrap_or_default())));
        let address = |port: Option<u16>| -> Result<Address, String> {
            let port = port.ok_or("it has no port")?;
            Ok(Address { host: host.to_owned(), port, user })
        };
        match url.scheme() {
            "http" => Ok(Proxy::Http(address(port)?)),
            // The proxy looks names up in either case.
            "socks5" | "socks5h" => Ok(Proxy::Socks5(address(port.or(Some(1080)))?)),
            // A password may stand where a scheme does.
            _ => Err("its scheme isn't one of http and socks5".to_owned()),
        }
    }
}

fn decoded(text: &str) -> String {
    // The same decoding that a form has, but for the plus sign, which means itself here.
    let form = format!("x={}", text.replace('+', "%2B"));
    let mut pairs = url::form_urlencoded::parse(form.as_bytes());
    pairs.next().map_or_else(|| text.to_owned(), |(_, value)| value.into_owned())
}

/// Shows host and port only: user and password are secrets.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({}:{})", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_proxy_url_says() {
        let Ok(Proxy::Http(proxy)) = "http://ann:p%40+ss@[::1]:3128".parse() else {
            panic!("it is an HTTP proxy")
        };
        assert_eq!((&*proxy.host, proxy.port), ("::1", 3128));
        assert_eq!(proxy.user, Some(("ann".into(), "p@+ss".into())));
        let Ok(Proxy::Socks5(proxy)) = "socks5://localhost".parse() else {
            panic!("it is a SOCKS5 proxy")
        };
        assert_eq!((&*proxy.host, proxy.port, proxy.user), ("localhost", 1080, None));
    }

    #[test]
    fn other_urls_are_refused() {
        for text in ["localhost:3128", "https://proxy:443", "http://", ""] {
            assert!(text.parse::<Proxy>().is_err(), "{text}");
        }
    }
}
