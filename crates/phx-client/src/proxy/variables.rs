//! The proxy that the environment names for a server: pure functions of the variables.
//!
//! The names and their meaning are curl's. `no_proxy` takes more than curl 7.88: `*` among other entries, ports, `*.`
//! before a name, names in letters beyond ASCII, brackets around IPv6 addresses, and networks of IPv6 and of no bits.

use std::ffi::OsString;
use std::net::IpAddr;

use phx_proto::ConfigError;

use super::Proxy;
use super::parse::REQUIREMENT;

/// Variables for `ws://`, in the order in which they are read. Not `HTTP_PROXY`: where a program runs as CGI, the
/// header `Proxy` of a request is in it ("httpoxy").
const FOR_WS: &[&str] = &["http_proxy", "all_proxy", "ALL_PROXY"];

/// Variables for `wss://`.
const FOR_WSS: &[&str] = &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// Variables that list the hosts without a proxy.
const EXCEPTIONS: &[&str] = &["no_proxy", "NO_PROXY"];

/// The proxy for a server, if there is one. `read` gives the value of a variable; an empty one counts as none.
///
/// `host` is a name, or an IP address without brackets.
///
/// # Errors
///
/// [`ConfigError`] with the name of a variable that applies and can't be read, without its value. Variables that
/// don't apply to this server aren't checked.
pub(crate) fn choose(
    read: impl Fn(&str) -> Option<OsString>,
    tls: bool,
    host: &str,
    port: u16,
) -> Result<Option<Proxy>, ConfigError> {
    let first = |names: &[&'static str]| {
        names.iter().find_map(|name| {
            let value = read(name).filter(|value| !value.is_empty())?;
            Some((*name, value))
        })
    };
    let Some((name, value)) = first(if tls { FOR_WSS } else { FOR_WS }) else {
        return Ok(None);
    };
    if let Some((name, exceptions)) = first(EXCEPTIONS) {
        let unreadable = ConfigError::new(name, "text in UTF-8: hosts, separated by commas");
        let exceptions = exceptions.into_string().map_err(|_| unreadable)?;
        if is_exception(&exceptions, host, port) {
            return Ok(None);
        }
    }
    let proxy = value.to_str().and_then(Proxy::from_url);
    proxy.map(Some).ok_or(ConfigError::new(name, REQUIREMENT))
}

/// Returns true if the list names this server. An entry that is none of these matches nothing:
///
/// - `*`: all hosts;
/// - `example.com`, also with a dot or `*.` before it: the name, and all names that end with a dot and it;
/// - an IP address, an IPv6 one with or without brackets; or a network, as `10.0.0.0/8`;
/// - a name or an address with a port: only that port.
fn is_exception(list: &str, host: &str, port: u16) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let address = host.parse::<IpAddr>().ok();
    list.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty()).any(
        |entry| {
            let (entry, only_port) = without_port(entry);
            let matches = match address {
                _ if entry == "*" => true,
                Some(address) => names_address(entry, address),
                None => names_host(entry, &host),
            };
            matches && only_port.is_none_or(|only| only == port)
        },
    )
}

/// An entry and its port. What has more than one colon and no brackets is an IPv6 address.
fn without_port(entry: &str) -> (&str, Option<u16>) {
    if let Some((host, port)) = entry.rsplit_once(':')
        && (!host.contains(':') || host.ends_with(']'))
        && let Ok(port) = port.parse()
    {
        return (host, Some(port));
    }
    (entry, None)
}

fn names_host(entry: &str, host: &str) -> bool {
    let entry = entry.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(entry);
    let entry = entry.strip_prefix('.').unwrap_or(entry).trim_end_matches('.');
    // A name in letters beyond ASCII is in its other form in a URL.
    let ascii = match entry.is_ascii() {
        true => entry.to_ascii_lowercase(),
        false => match url::Host::parse(entry) {
            Ok(host) => host.to_string(),
            Err(_) => return false,
        },
    };
    !ascii.is_empty()
        && host.strip_suffix(&*ascii).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn names_address(entry: &str, address: IpAddr) -> bool {
    let inside = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']'));
    let entry = inside.unwrap_or(entry);
    let (network, bits) = match entry.split_once('/') {
        Some((network, bits)) => (network, Some(bits)),
        None => (entry, None),
    };
    // Without bits it is a single address.
    let is_within = |equal: u32, width: u32| {
        let bits = bits.map_or(Ok(width), str::parse);
        bits.is_ok_and(|bits| bits <= width && equal >= bits)
    };
    match (network.parse(), address) {
        (Ok(IpAddr::V4(network)), IpAddr::V4(address)) => {
            is_within((network.to_bits() ^ address.to_bits()).leading_zeros(), 32)
        }
        (Ok(IpAddr::V6(network)), IpAddr::V6(address)) => {
            is_within((network.to_bits() ^ address.to_bits()).leading_zeros(), 128)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The proxy for `ws` or `wss` to a host, as text; the name of the variable if one can't be read.
    fn chosen(variables: &[(&str, &str)], url: &str) -> Result<Option<String>, &'static str> {
        let read = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let request = phx_proto::Endpoint::parse(url).unwrap().request("2.0.0");
        let chosen = choose(read, request.is_tls(), request.host(), request.port());
        chosen.map(|proxy| proxy.map(|proxy| proxy.to_string())).map_err(|error| {
            assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
            error.setting
        })
    }

    #[test]
    fn each_scheme_has_its_variables_in_their_order() {
        let all = [
            ("http_proxy", "a:1"),
            ("HTTP_PROXY", "b:1"),
            ("https_proxy", "c:1"),
            ("HTTPS_PROXY", "d:1"),
            ("all_proxy", "e:1"),
            ("ALL_PROXY", "f:1"),
        ];
        for (url, order) in
            [("ws://h/socket", &["a", "e", "f"][..]), ("wss://h/socket", &["c", "d", "e", "f"])]
        {
            let mut variables = all.to_vec();
            for proxy in order {
                let expected = format!("http://{proxy}:1");
                assert_eq!(chosen(&variables, url), Ok(Some(expected)), "{url}");
                // An empty one counts as none.
                for (_, value) in &mut variables {
                    if value.starts_with(proxy) {
                        *value = "";
                    }
                }
            }
            assert_eq!(
                chosen(&variables, url),
                Ok(None),
                "{url}: only HTTP_PROXY and others' are left"
            );
        }
    }

    #[test]
    fn exceptions() {
        #[rustfmt::skip]
        let table: &[(&str, &str, bool)] = &[
            ("*", "anything.test", true),
            ("a.test,*", "anything.test:1", true),
            ("example.com", "example.com", true),
            ("example.com", "EXAMPLE.com.", true),
            ("Example.COM.", "example.com", true),
            ("example.com", "www.example.com", true),
            ("example.com", "notexample.com", false),
            ("example.com", "example.com.evil.test", false),
            ("example.com", "com", false),
            (".example.com", "www.example.com", true),
            (".example.com", "example.com", true),
            ("*.example.com", "www.example.com", true),
            ("*example.com", "www.example.com", false),
            ("ample.com", "example.com", false),
            ("com", "example.com", true),
            (".", "example.com", false),
            ("*.", "example.com", false),
            (",, ,", "example.com", false),
            ("a.test, b.test\tc.test", "b.test", true),
            ("a.test b.test", "b.test", true),
            ("b\u{fc}cher.test", "b\u{fc}cher.test", true),
            ("example.com:4000", "example.com:4000", true),
            ("example.com:4000", "example.com:4001", false),
            ("example.com:80", "example.com", true),
            (".example.com:80", "www.example.com", true),
            ("example.com:", "example.com", false),
            ("example.com:port", "example.com", false),
            ("http://example.com", "example.com", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1:4000", "127.0.0.1:4000", true),
            ("127.0.0.1:4000", "127.0.0.1", false),
            ("0.0.1", "127.0.0.1", false),
            (".1", "127.0.0.1", false),
            ("localhost", "127.0.0.1", false),
            ("127.0.0.1", "localhost", false),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.9.9.9/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("10.0.0.0/8:80", "10.1.2.3", true),
            ("192.168.1.128/25", "192.168.1.127", false),
            ("192.168.1.128/25", "192.168.1.255", true),
            ("10.1.2.3/32", "10.1.2.3", true),
            ("10.1.2.3/33", "10.1.2.3", false),
            ("10.1.2.3/-1", "10.1.2.3", false),
            ("10.1.2.3/", "10.1.2.3", false),
            ("0.0.0.0/0", "10.1.2.3", true),
            ("0.0.0.0/0", "[::1]", false),
            ("10.0.0.0/8", "10.example.com", false),
            ("::1", "[::1]", true),
            ("[::1]", "[::1]", true),
            ("[::1]:4000", "[::1]:4000", true),
            ("[::1]:4000", "[::1]:4001", false),
            ("::1", "[::2]", false),
            ("2001:db8::/32", "[2001:db8:1::1]", true),
            ("[2001:db8::]/32", "[2001:db8:1::1]", false),
            ("2001:db8::/32", "[2001:db9::1]", false),
            ("::/0", "[2001:db9::1]", true),
            ("::/129", "[::]", false),
            ("<local>", "localhost", false),
        ];
        for (list, host, expected) in table {
            for name in EXCEPTIONS {
                let variables = [("http_proxy", "p:1"), (*name, *list)];
                let chosen = chosen(&variables, &format!("ws://{host}/socket")).unwrap();
                assert_eq!(chosen.is_none(), *expected, "{name}={list}: {host}");
            }
        }
    }

    #[test]
    fn the_lower_case_list_counts_first() {
        let mut variables = [("http_proxy", "p:1"), ("no_proxy", "a.test"), ("NO_PROXY", "b.test")];
        assert_eq!(chosen(&variables, "ws://a.test/socket"), Ok(None));
        assert!(chosen(&variables, "ws://b.test/socket").unwrap().is_some());
        variables[1].1 = "";
        assert_eq!(chosen(&variables, "ws://b.test/socket"), Ok(None));
    }

    #[test]
    fn a_variable_that_cannot_be_read_is_named_if_it_counts() {
        let broken = |name| chosen(&[(name, "http://ann:hu/sh@hush:1")], "wss://h/socket");
        for name in ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            assert_eq!(broken(name), Err(name));
        }
        assert_eq!(broken("http_proxy"), Ok(None));
        let variables = [("http_proxy", "hush://hush"), ("no_proxy", "h")];
        assert_eq!(chosen(&variables, "ws://h/socket"), Ok(None));
        assert_eq!(chosen(&variables, "ws://other/socket"), Err("http_proxy"));
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_not_utf8_is_named() {
        use std::os::unix::ffi::OsStringExt as _;
        let bad = || Some(OsString::from_vec(b"hush\xff".to_vec()));
        let fails = |variable: &str| {
            let read = |name: &str| match name {
                name if name == variable => bad(),
                "http_proxy" => Some("p:1".into()),
                _ => None,
            };
            choose(read, false, "h", 80).unwrap_err()
        };
        for variable in ["http_proxy", "no_proxy", "NO_PROXY"] {
            let error = fails(variable);
            assert_eq!(error.setting, variable);
            assert!(!error.to_string().contains("hush"), "{error}");
        }
    }

    /// Values of any kind: no panic, and nothing of them in an error.
    #[test]
    fn hostile_values() {
        let pieces = [
            "hush",
            "*",
            ".",
            ",",
            ":",
            "/",
            "@",
            "[",
            "]",
            "%",
            "::",
            "0",
            "999999999999",
            "\u{202e}",
            "\u{0}",
            " ",
            "http://",
            "10.0.0.0/8",
            "-1",
        ];
        let mut state = 1_u64;
        let mut next = |bound: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % bound
        };
        for _ in 0..20_000 {
            let mut text =
                || -> String { (0..next(8)).map(|_| pieces[next(pieces.len())]).collect() };
            let (proxy, list) = (text(), text());
            let variables = [("http_proxy", &*proxy), ("no_proxy", &*list)];
            for url in ["ws://10.0.0.1/socket", "ws://[::1]/socket", "ws://a.test/socket"] {
                let _ = chosen(&variables, url);
            }
        }
        let long = "a.test,".repeat(100_000);
        let variables = [("http_proxy", "p:1"), ("no_proxy", &*long)];
        assert!(chosen(&variables, "ws://b.test/socket").unwrap().is_some());
    }
}
