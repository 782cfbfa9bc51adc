//! URLs for programs without the feature `url`: what is in them needs no encoding, or has it, and names aren't changed.

use alloc::format;
use alloc::string::String;

use super::EndpointError;
use super::params::Params;

/// A URL as the URL standard would write it: scheme, host, port, path and query.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Url {
    text: String,
    scheme: &'static str,
    /// Positions in the text: the ends of the host, of the port and of the path.
    host_end: usize,
    port: Option<u16>,
    port_end: usize,
    path_end: usize,
}

/// Reads a URL.
pub(super) fn parse(url: &str) -> Result<(Url, Params), EndpointError> {
    let parts = Parts::of(url)?;
    // Params of a program are set by name.
    if parts.query.is_some() {
        return Err(EndpointError::Path);
    }
    let (host, port) = match parts.authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (parts.authority, None),
    };
    let url = Url::new(host, parts.path, port.map(port_of).transpose()?, parts.tls)?;
    Ok((url, Params::default()))
}

/// Reads a URL that the parser of the URL standard has written.
pub(super) fn of_href(href: &str) -> Result<(Url, Params), EndpointError> {
    let parts = Parts::of(href)?;
    // The colons of an IPv6 address are within brackets.
    let host_end = parts.authority.rfind(']').map_or(0, |bracket| bracket.saturating_add(1));
    let colon = parts.authority.get(host_end..).and_then(|rest| rest.find(':'));
    let host_end = colon.map_or(parts.authority.len(), |colon| host_end.saturating_add(colon));
    let (host, port) = parts.authority.split_at_checked(host_end).unwrap_or_default();
    let port = port.strip_prefix(':').map(port_of).transpose()?;
    if !is_written_host(host) {
        return Err(EndpointError::Host);
    }
    let mut url = Url::of_host(host, port, parts.tls)?;
    let is_written = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_written(parts.path) || !parts.query.is_none_or(is_written) {
        return Err(EndpointError::Path);
    }
    url.set_path(parts.path);
    let params = Params::from_form(parts.query.unwrap_or_default());
    if params.has("vsn") {
        return Err(EndpointError::Vsn);
    }
    Ok((url, params))
}

/// The parts of a URL, as they are in it.
struct Parts<'a> {
    tls: bool,
    authority: &'a str,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(url: &'a str) -> Result<Self, EndpointError> {
        let (scheme, rest) = url.split_once(':').ok_or(EndpointError::Scheme)?;
        let tls = match scheme {
            "ws" | "http" => false,
            "wss" | "https" => true,
            _ => return Err(EndpointError::Scheme),
        };
        let rest = rest.strip_prefix("//").ok_or(EndpointError::Host)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(EndpointError::UserInfo);
        }
        if rest.contains('#') {
            return Err(EndpointError::Fragment);
        }
        let path = rest.get(authority.len()..).unwrap_or_default();
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        Ok(Parts { tls, authority, path, query })
    }
}

fn port_of(text: &str) -> Result<u16, EndpointError> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number).ok_or(EndpointError::Port)
}

/// Makes a URL of its parts. No host has a zone.
pub(super) fn of_parts(
    host: &str,
    path: &str,
    port: Option<u16>,
    tls: bool,
) -> Result<(Url, Option<String>), EndpointError> {
    Url::new(host, path, port, tls).map(|url| (url, None))
}

/// Replaces the path.
pub(super) fn set_path(url: &mut Url, path: &str) -> Result<(), EndpointError> {
    if !is_path(path) {
        return Err(EndpointError::Path);
    }
    url.set_path(path);
    Ok(())
}

impl Url {
    fn new(host: &str, path: &str, port: Option<u16>, tls: bool) -> Result<Self, EndpointError> {
        if !is_host(host) {
            return Err(EndpointError::Host);
        }
        let mut url = Url::of_host(host, port, tls)?;
        set_path(&mut url, path)?;
        Ok(url)
    }

    /// The URL of a host that was checked, without a path.
    fn of_host(host: &str, port: Option<u16>, tls: bool) -> Result<Self, EndpointError> {
        let (scheme, default) = if tls { ("wss", 443) } else { ("ws", 80) };
        // No server can listen on port 0.
        if port == Some(0) {
            return Err(EndpointError::Port);
        }
        let port = port.filter(|port| *port != default);
        let mut text = format!("{scheme}://{host}");
        let host_end = text.len();
        if let Some(port) = port {
            text.push_str(&format!(":{port}"));
        }
        let port_end = text.len();
        Ok(Url { text, scheme, host_end, port, port_end, path_end: port_end })
    }

    fn part(&self, from: usize, to: usize) -> &str {
        self.text.get(from..to).unwrap_or_default()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn scheme(&self) -> &str {
        self.scheme
    }

    pub(super) fn host_str(&self) -> Option<&str> {
        Some(self.part(self.scheme.len().saturating_add("://".len()), self.host_end))
    }

    pub(super) fn port(&self) -> Option<u16> {
        self.port
    }

    pub(super) fn path(&self) -> &str {
        self.part(self.port_end, self.path_end)
    }

    pub(super) fn query(&self) -> Option<&str> {
        self.text.get(self.path_end.saturating_add(1)..)
    }

    /// Replaces path and query by a path that needs no encoding.
    pub(super) fn set_path(&mut self, path: &str) {
        self.text.truncate(self.port_end);
        if !path.starts_with('/') {
            self.text.push('/');
        }
        self.text.push_str(path);
        self.path_end = self.text.len();
    }

    /// Replaces the query by one that needs no encoding.
    pub(super) fn set_query(&mut self, query: Option<&str>) {
        self.text.truncate(self.path_end);
        if let Some(query) = query {
            self.text.push('?');
            self.text.push_str(query);
        }
    }
}

/// Checks for a name of lower-case letters, digits, hyphens and dots, or an IPv4 address as it is always written. A label `xn--..` is one,
/// whatever it decodes to: a resolver is asked for the letters.
fn is_host(host: &str) -> bool {
    let is_name_byte = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    let is_name = host.bytes().all(is_name_byte) && host.split('.').all(|label| !label.is_empty());
    // What ends with a number is an address.
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit());
    let is_octet = |label: &str| {
        label.parse::<u8>().is_ok() && label.len() <= 3 && (label == "0" || !label.starts_with('0'))
    };
    let is_address = || host.split('.').count() == 4 && host.split('.').all(is_octet);
    is_name && (!is_number || is_address())
}

/// Checks for a host that the URL standard's parser may have written: a name without what no name may hold, or an IPv6 address.
fn is_written_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        let is_written = |byte: u8| matches!(byte, b'a'..=b'f' | b'0'..=b'9' | b':');
        // Not parsed: its parser would be code in each page, for an address that another one wrote.
        return address.contains(':') && address.bytes().all(is_written);
    }
    let is_name_byte = |byte: u8| {
        byte.is_ascii_graphic() && !byte.is_ascii_uppercase() && !b"#%/:<>?@[\\]^|".contains(&byte)
    };
    !host.is_empty() && host.bytes().all(is_name_byte)
}

/// Checks for a path that means itself: no percent signs, and no segments that the URL standard takes out.
fn is_path(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte);
    path.bytes().all(is_plain) && path.split('/').all(|segment| !matches!(segment, "." | ".."))
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// What a plain URL says is what the URL standard says. That one decodes labels `xn--..` to check them, which is left out here.
    fn check(text: &str) -> Result<(), EndpointError> {
        let (mut plain, _) = parse(text)?;
        if text.contains("xn--") && super::super::address::parse(text).is_err() {
            return Ok(());
        }
        let (mut full, _) = super::super::address::parse(text).unwrap();
        for query in [None, Some("vsn=2.0.0")] {
            plain.set_query(query);
            full.set_query(query);
            let parts = |path: &str, query: Option<&str>| (path.len(), query.map(str::len));
            assert_eq!(plain.as_str(), full.as_str());
            assert_eq!((plain.scheme(), plain.host_str()), (full.scheme(), full.host_str()));
            assert_eq!((plain.port(), plain.path()), (full.port(), full.path()));
            assert_eq!(parts(plain.path(), plain.query()), parts(full.path(), full.query()));
        }
        plain.set_path("/other");
        full.set_path("/other");
        assert_eq!(plain.path(), full.path());
        Ok(())
    }

    #[test]
    fn it_takes_what_needs_no_encoding() {
        for text in [
            "ws://phoenix:4000/socket",
            "wss://example.com",
            "https://example.com:443/socket/",
            "http://10.0.0.255:80//a",
            "ws://a.b-c.d9:00080/A-z0~9",
            "ws://xn--bcher-kva.example/socket",
            "ws://xn--a.example/socket",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn it_refuses_the_rest_by_its_part() {
        let refused = [
            ("", EndpointError::Scheme),
            ("phoenix:4000", EndpointError::Scheme),
            ("ftp://a/", EndpointError::Scheme),
            ("ws:a", EndpointError::Host),
            ("ws:///socket", EndpointError::Host),
            ("ws://A/", EndpointError::Host),
            ("ws://\u{e9}/", EndpointError::Host),
            ("ws://a..b/", EndpointError::Host),
            ("ws://1.2.3/", EndpointError::Host),
            ("ws://1.2.3.04/", EndpointError::Host),
            ("ws://1.2.3.256/", EndpointError::Host),
            ("ws://a.0x1/", EndpointError::Host),
            ("ws://[::1]/", EndpointError::Port),
            ("ws://a:/", EndpointError::Port),
            ("ws://a:0/", EndpointError::Port),
            ("ws://a:65536/", EndpointError::Port),
            ("ws://a:+1/", EndpointError::Port),
            ("ws://me@a/", EndpointError::UserInfo),
            ("ws://a/#b", EndpointError::Fragment),
            ("ws://a/?b=c", EndpointError::Path),
            ("ws://a/b c", EndpointError::Path),
            ("ws://a/b%20c", EndpointError::Path),
            ("ws://a/b/../c", EndpointError::Path),
        ];
        for (text, error) in refused {
            assert_eq!(check(text), Err(error), "{text}");
        }
    }

    /// What the standard's parser has written is read as that parser reads it.
    fn check_href(text: &str) {
        use super::super::address;

        let Ok(url) = url::Url::parse(text) else { return };
        let plain = of_href(url.as_str());
        let full = address::check(url.clone());
        match (plain, full) {
            (Ok((plain, plain_params)), Ok((full, full_params))) => {
                assert_eq!(plain.as_str(), full.as_str());
                assert_eq!((plain.scheme(), plain.host_str()), (full.scheme(), full.host_str()));
                assert_eq!((plain.port(), plain.path()), (full.port(), full.path()));
                assert!(plain_params == full_params, "{text}");
            }
            (plain, full) => assert_eq!(plain.map(|_| ()), full.map(|_| ()), "{url}"),
        }
    }

    #[test]
    fn an_href_is_read_as_its_parser_reads_it() {
        for text in [
            "https://b\u{fc}cher.example/a b/\u{e9}?x=%41+b&&=&y&z=%ff#",
            "https://b\u{fc}cher.example/a b/\u{e9}?x=%41+b&&=&y&z=%ff",
            "WS://EXAMPLE.com:080/a/../b/%2e%2e/c%2Fd?",
            "http://[2001:DB8:0:0::1]:443/{}|^`",
            "wss://[::ffff:1.2.3.4]",
            "wss://0x7f.1/socket",
            "wss://a_b..c!~$&'()*+,;=/",
            "ws://a:0/",
            "ws://@a/?a[b][]=c&vsn=1",
            "ws://me:hush@a/#x",
            "ws://a?vsn[x]=2",
            "http:a",
            "mailto:a@b",
            "data:,x",
            "ftp://a/",
        ] {
            check_href(text);
        }
    }

    #[test]
    fn what_no_parser_writes_is_refused_by_its_part() {
        for (text, error) in [
            ("", EndpointError::Scheme),
            ("WS://a/", EndpointError::Scheme),
            ("ws:a", EndpointError::Host),
            ("ws:///", EndpointError::Host),
            ("ws://A/", EndpointError::Host),
            ("ws://a b/?c", EndpointError::Host),
            ("ws://\u{e9}/", EndpointError::Host),
            ("ws://[::1/", EndpointError::Port),
            ("ws://::1]/", EndpointError::Host),
            ("ws://[fe80::1%25eth0]/", EndpointError::Host),
            ("ws://a:x/", EndpointError::Port),
            ("ws://a:+1/", EndpointError::Port),
            ("ws://a/\r\nb", EndpointError::Path),
            ("ws://a/?\u{e9}", EndpointError::Path),
        ] {
            assert_eq!(of_href(text).map(|_| ()), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_href_is_read_as_its_parser_reads_it(
            text in "(ws|http|WSS|https|ftp):/{0,3}(\\PC{0,3}@)?(\\PC{0,8}|[a-zA-Z0-9._~%!-]{0,9}|[0-9x.]{0,9}|\\[[0-9a-fA-F:.]{0,12}\\]|\\[::[0-9a-f:]{0,6}\\])(:[0-9]{0,5})?(/\\PC{0,8}|/[a-z./%2eE\\\\]{0,12})?([?]([a-z=&+%\\[\\]0-9]{0,12}|\\PC{0,8}))?(#\\PC{0,2})?",
        ) {
            check_href(&text);
        }

        #[test]
        fn no_text_is_too_strange(text in "(wss?://)?\\PC{0,20}") {
            if let Ok((url, _)) = of_href(&text) {
                // What is read has the form of a URL, and stays the same if it is read again.
                let again = of_href(url.as_str()).map(|(url, _)| url.as_str().len());
                prop_assert_eq!(again, Ok(url.as_str().len()));
            }
        }

        #[test]
        fn what_it_takes_the_standard_takes_in_the_same_way(
            text in "(ws|http)s?://([a-z0-9.-]{1,12}|(a[.])?xn--[a-z0-9-]{0,9}|[0-9x.]{1,9}|\\PC{0,6})(:[0-9]{0,5})?(/[\\PC]{0,8}|/[a-z./%~!+]{0,12})?",
        ) {
            // An error is its own answer.
            let _ = check(&text);
        }

        #[test]
        fn parts_are_those_of_a_url(
            host in "[a-z]{1,5}", path in "(/?[a-z.]{0,4}){0,3}", port in any::<Option<u16>>(), tls in any::<bool>(),
        ) {
            if let Ok((plain, _)) = of_parts(&host, &path, port, tls) {
                let (full, _) = super::super::address::of_parts(&host, &path, port, tls).unwrap();
                let texts: Vec<&str> = [plain.as_str(), full.as_str()].into();
                prop_assert_eq!(texts[0], texts[1]);
            }
        }
    }
}
