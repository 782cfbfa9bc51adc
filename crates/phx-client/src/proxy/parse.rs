//! URLs of proxies, as the URL standard has them.

use std::sync::Arc;

use phx_proto::ConfigError;
use url::Url;

use super::{Parts, Proxy, Scheme};

/// The requirement that an unusable URL of a proxy doesn't meet. The URL isn't quoted, since it may hold a password.
pub(super) const REQUIREMENT: &str =
    "the URL of a proxy: `http://[USER:PASSWORD@]HOST[:PORT]`, `https://..` or `socks5://..`";

impl Proxy {
    /// Parses the URL of a proxy: `http://[USER:PASSWORD@]HOST[:PORT]`, `https://..` for a proxy that is reached
    /// over TLS, or `socks5://..` (`socks5h` means the same). Without a scheme it is `http`. The default ports are
    /// 80, 443 and 1080. User and password are percent-decoded.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with the setting `proxy` if `url` isn't such a URL.
    ///
    /// # Examples
    ///
    /// ```
    /// use phx_client::Proxy;
    ///
    /// let proxy = Proxy::parse("http://ann:secret@proxy.internal:3128")?;
    /// assert_eq!(proxy.to_string(), "http://proxy.internal:3128");
    /// # Ok::<(), phx_client::ConfigError>(())
    /// ```
    pub fn parse(url: &str) -> Result<Self, ConfigError> {
        Proxy::from_url(url).ok_or(ConfigError::new("proxy", REQUIREMENT))
    }

    pub(super) fn from_url(text: &str) -> Option<Self> {
        let url = match text.contains("://") {
            true => Url::parse(text),
            false => Url::parse(&format!("http://{text}")),
        };
        let url = url.ok()?;
        let (scheme, default_port) = match url.scheme() {
            "http" => (Scheme::Http, 80),
            "https" => (Scheme::Https, 443),
            "socks5" | "socks5h" => (Scheme::Socks5, 1080),
            _ => return None,
        };
        // A password with an unescaped `/`, `?` or `#` moves the host into one of these: nothing may be sent to what
        // is taken for the host then.
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return None;
        }
        let host = url.host_str().filter(|host| !host.is_empty())?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = url.port().unwrap_or(default_port);
        let user = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => Some((decoded(user)?, decoded(password.unwrap_or_default())?)),
        };
        let host = host.to_owned();
        (port > 0).then(|| Proxy(Arc::new(Parts { scheme, host, port, user })))
    }
}

/// The text without its percent-encoding; `None` if that isn't UTF-8.
fn decoded(text: &str) -> Option<String> {
    // The decoding of forms, but for the plus sign, which means itself here.
    let form = format!("x={}", text.replace('+', "%2B").replace('&', "%26"));
    let (_, value) = url::form_urlencoded::parse(form.as_bytes()).next()?;
    (!value.contains('\u{fffd}')).then(|| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_name_a_proxy() {
        for (url, shown, credentials) in [
            ("http://ann:p%40+s%26s@[::1]:3128", "http://[::1]:3128", Some(("ann", "p@+s&s"))),
            ("proxy.internal:3128", "http://proxy.internal:3128", None),
            ("ann:a@b@proxy.internal", "http://proxy.internal:80", Some(("ann", "a@b"))),
            ("HTTPS://Proxy.Internal/", "https://proxy.internal:443", None),
            ("socks5://localhost", "socks5://localhost:1080", None),
            ("socks5h://ann@127.0.0.1:9050", "socks5://127.0.0.1:9050", Some(("ann", ""))),
            ("http://:pw@proxy:1", "http://proxy:1", Some(("", "pw"))),
        ] {
            let proxy = Proxy::parse(url).unwrap();
            assert_eq!((&*proxy.to_string(), proxy.credentials()), (shown, credentials), "{url}");
        }
    }

    #[test]
    fn others_are_refused_and_not_quoted() {
        for url in [
            "",
            "http://",
            "socks5://",
            "hush://ann:hush@proxy:1",
            "socks4://proxy:1",
            "http://proxy:0",
            "http://proxy:hush",
            "http://proxy:99999",
            "http://ann:hu/sh@proxy:3128",
            "http://ann:12#hush@proxy:3128",
            "http://ann:12?hush@proxy:3128",
            "http://ann:%ffhush@proxy:3128",
            "http://[fe80::1%25hush]:3128",
            "http://hu sh:3128",
        ] {
            let error = Proxy::parse(url).unwrap_err();
            assert_eq!(error.setting, "proxy", "{url}");
            assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
        }
    }
}
