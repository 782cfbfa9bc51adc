//! Requests that a page can't make, found before the attempt.

use phx_client::{CloseCause, Request};

/// Returns the reason why a page can't make this request. `is_over_tls` is whether the page was loaded over TLS,
/// `has_proxy` whether the attempt names a proxy.
pub(crate) fn check(
    request: &Request,
    is_over_tls: bool,
    has_proxy: bool,
) -> Result<(), CloseCause> {
    let obstacle = if has_proxy {
        "a page can't choose a proxy: the browser's settings do"
    } else if !request.headers().is_empty() {
        "a page can't send headers with a WebSocket: use `auth_token`, params or cookies"
    } else if request.dial_host() != request.host() {
        "a page can't connect to an IPv6 address with a zone"
    } else if is_over_tls && !request.is_tls() && !is_loopback(request.host()) {
        "a page that was loaded over `https` can't connect to `ws://`: use `wss://`"
    } else {
        return Ok(());
    };
    Err(CloseCause::invalid_request(obstacle))
}

/// Returns the URL of a request, with its port. It holds secrets.
pub(crate) fn url(request: &Request) -> String {
    let scheme = if request.is_tls() { "wss" } else { "ws" };
    let (host, port, target) = (request.host(), request.port(), request.target());
    match host.contains(':') {
        true => format!("{scheme}://[{host}]:{port}{target}"),
        false => format!("{scheme}://{host}:{port}{target}"),
    }
}

/// Returns true for the addresses of this machine, which browsers trust without TLS.
fn is_loopback(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    // Addresses are written in one way only in a URL, so none is parsed: parsers are code that each page loads. What begins like
    // this one and has no letters is an IPv4 address, since no name ends with a number.
    let is_ipv4 = || host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_address = host == "::1" || host.starts_with("127.") && is_ipv4();
    name == "localhost" || name.ends_with(".localhost") || is_address
}

#[cfg(test)]
mod tests {
    use phx_client::Endpoint;

    use super::*;

    fn obstacle(endpoint: &Endpoint, is_over_tls: bool, has_proxy: bool) -> Option<String> {
        match check(&endpoint.request("2.0.0"), is_over_tls, has_proxy) {
            Ok(()) => None,
            Err(CloseCause::InvalidRequest { error, .. }) => Some(error),
            Err(cause) => panic!("{cause}"),
        }
    }

    fn at(url: &str) -> Endpoint {
        Endpoint::parse(url).unwrap()
    }

    #[test]
    fn plain_text_from_a_secure_page_is_refused_but_for_this_machine() {
        for url in [
            "ws://example.com/socket",
            "ws://10.0.0.1/s",
            "ws://[2001:db8::1]/s",
            "ws://localhost.evil/s",
            "ws://127.evil/s",
            "ws://127.0.0.1.evil/s",
            "ws://[::127.0.0.1]/s",
            "ws://[::11]/s",
        ] {
            assert!(obstacle(&at(url), true, false).unwrap().contains("use `wss://`"), "{url}");
            assert_eq!(obstacle(&at(url), false, false), None, "{url}");
        }
        for url in [
            "wss://example.com/s",
            "ws://localhost:4000/s",
            "ws://a.localhost/s",
            "ws://127.0.0.2/s",
            "ws://127.1/s",
            "ws://0x7f000001/s",
            "ws://[0::0:1]/s",
            "ws://[::1]/s",
        ] {
            assert_eq!(obstacle(&at(url), true, false), None, "{url}");
        }
    }

    #[test]
    fn what_a_browser_has_no_way_for_is_refused_by_name_without_values() {
        let with_header = at("wss://example.com/s").with_header("x-key", "hush").unwrap();
        let error = obstacle(&with_header, true, false).unwrap();
        assert!(error.contains("headers") && !error.contains("hush"), "{error}");
        let zoned = Endpoint::from_parts("fe80::1%eth0", "s", None, true).unwrap();
        assert!(obstacle(&zoned, true, false).unwrap().contains("zone"));
        assert!(obstacle(&at("wss://example.com/s"), true, true).unwrap().contains("proxy"));
    }

    #[test]
    fn the_url_is_that_of_the_request() {
        for (endpoint, expected) in [
            (at("wss://[::1]/a%20b?c=d"), "wss://[::1]:443/a%20b/websocket?c=d&vsn=2.0.0"),
            (at("ws://a:4000/s"), "ws://a:4000/s/websocket?vsn=2.0.0"),
        ] {
            assert_eq!(url(&endpoint.request("2.0.0")), expected);
        }
    }

    #[test]
    fn params_and_a_token_are_fine() {
        let endpoint = at("wss://example.com/s").with_param("a", "b").with_auth_token("hush");
        assert_eq!(obstacle(&endpoint, true, false), None);
    }
}
