//! Cookies of one session (RFC 6265), which load balancers use to find the server that has it.
//!
//! Written here since only a session's few requests to one host and path need them: crates for cookies bring a
//! calendar, and a store for many hosts.

use std::fmt;
use std::time::SystemTime;

use crate::http::Head;

/// Cookies of a session, at most.
const MAX_COOKIES: usize = 16;

/// Bytes of the names and values of a session's cookies, at most.
const MAX_BYTES: usize = 8 << 10;

/// The cookies that a session sends back.
pub(super) struct Cookies {
    host: String,
    path: String,
    is_tls: bool,
    /// Names and values.
    kept: Vec<(String, String)>,
}

impl Cookies {
    /// Cookies of a session whose requests all go to this host and path.
    pub(super) fn new(host: &str, path: &str, is_tls: bool) -> Self {
        let (host, path) = (host.to_ascii_lowercase(), path.to_owned());
        Cookies { host, path, is_tls, kept: Vec::new() }
    }

    /// Keeps the cookies that an answer sets, within the limits.
    pub(super) fn receive(&mut self, head: &Head) {
        // Values that aren't ASCII have no defined meaning.
        for header in head.values("Set-Cookie").filter(|header| header.is_ascii()) {
            self.set(header, SystemTime::now());
        }
    }

    /// The value of a request's `Cookie`: those that it has from the caller, and the session's. `None` if the session has
    /// none.
    pub(super) fn header(&self, headers: &[(&str, &str)]) -> Option<String> {
        let own = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("Cookie"));
        let own = own.map(|(_, value)| (*value).to_owned());
        let kept = self.kept.iter().map(|(name, value)| format!("{name}={value}"));
        (!self.kept.is_empty()).then(|| own.chain(kept).collect::<Vec<_>>().join("; "))
    }

    /// Section 5.2 and 5.3 of RFC 6265, for one host and path.
    fn set(&mut self, header: &str, now: SystemTime) {
        let mut parts = header.split(';');
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let (name, value) = (name.trim(), value.trim());
        let (mut expires, mut max_age) = (None, None);
        let (mut is_for_path, mut is_for_host) = (true, true);
        for attribute in parts {
            let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            let (key, value) = (key.trim(), value.trim());
            if key.eq_ignore_ascii_case("secure") && !self.is_tls {
                return;
            } else if key.eq_ignore_ascii_case("domain") {
                is_for_host = self.is_within(value);
            } else if key.eq_ignore_ascii_case("path") {
                is_for_path = !value.starts_with('/') || path_matches(&self.path, value);
            } else if key.eq_ignore_ascii_case("max-age") {
                max_age = value.parse::<i64>().ok().or(max_age);
            } else if key.eq_ignore_ascii_case("expires") {
                // Netscape's form has dashes.
                expires = httpdate::parse_http_date(&value.replace('-', " ")).ok().or(expires);
            }
        }
        if name.is_empty() || !is_for_path || !is_for_host {
            return;
        }
        self.kept.retain(|(kept, _)| kept != name);
        let has_expired = match max_age {
            Some(seconds) => seconds <= 0,
            None => expires.is_some_and(|at| at <= now),
        };
        let bytes: usize = self.kept.iter().map(|(name, value)| name.len() + value.len()).sum();
        let fits = self.kept.len() < MAX_COOKIES && bytes + name.len() + value.len() <= MAX_BYTES;
        if !has_expired && fits {
            self.kept.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Returns true if `domain` is the host, or one that it belongs to. An empty one counts as absent.
    fn is_within(&self, domain: &str) -> bool {
        let domain = domain.strip_prefix('.').unwrap_or(domain).to_ascii_lowercase();
        domain.is_empty()
            || self.host.strip_suffix(&domain).is_some_and(|rest| {
                let is_address = self.host.parse::<std::net::IpAddr>().is_ok();
                rest.is_empty() || (rest.ends_with('.') && !is_address)
            })
    }
}

/// Section 5.1.4 of RFC 6265.
fn path_matches(path: &str, of_cookie: &str) -> bool {
    path.strip_prefix(of_cookie)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || of_cookie.ends_with('/'))
}

/// Shows how many there are.
impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cookies").field("count", &self.kept.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::http::receive_head;

    fn after(is_tls: bool, headers: &[&str]) -> Option<String> {
        let mut cookies = Cookies::new("app.Example.com", "/socket/longpoll", is_tls);
        let lines: String =
            headers.iter().map(|value| format!("set-cookie: {value}\r\n")).collect();
        let answer = format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
        let read = receive_head(&mut answer.as_bytes()).now_or_never();
        cookies.receive(&read.unwrap().unwrap().0);
        cookies.header(&[])
    }

    #[test]
    fn cookies_that_are_set_are_sent() {
        for (header, sent) in [
            ("AWSALB=abc; Expires=Tue, 01 Jan 2999 00:00:00 GMT; Path=/", Some("AWSALB=abc")),
            (" a = b=c ;Path=relative; HttpOnly;; x", Some("a=b=c")),
            ("a=", Some("a=")),
            ("a=b; Max-Age=100", Some("a=b")),
            ("a=b; Max-Age=100; Expires=Thu, 01 Jan 1970 00:00:00 GMT", Some("a=b")),
            ("a=b; Expires=nonsense; Max-Age=soon", Some("a=b")),
            ("a=b; Domain=.EXAMPLE.com; Path=/socket", Some("a=b")),
            ("a=b; Domain=app.example.com; Path=/socket/longpoll", Some("a=b")),
            ("a=b; Domain=; Path=/socket/", Some("a=b")),
            ("a=b; Path=/sock", None),
            ("a=b; Path=/other", None),
            ("a=b; Path=/socket/longpoll/deeper", None),
            ("a=b; Domain=other.com", None),
            ("a=b; Domain=pp.example.com", None),
            ("a=b; Domain=deeper.app.example.com", None),
            ("a=b; Max-Age=0", None),
            ("a=b; Expires=Thu, 01-Jan-1970 00:00:00 GMT", None),
            ("a=b; Secure", None),
            ("=b", None),
            ("nothing", None),
            ("", None),
        ] {
            assert_eq!(after(false, &[header]).as_deref(), sent, "{header}");
        }
        assert_eq!(after(true, &["a=b; secure"]).as_deref(), Some("a=b"));
    }

    #[test]
    fn the_last_of_a_name_counts_and_one_that_expires_is_gone() {
        assert_eq!(after(true, &["a=1", "b=2", "a=3"]).as_deref(), Some("b=2; a=3"));
        assert_eq!(after(true, &["a=1", "b=2", "a=; Max-Age=-1"]).as_deref(), Some("b=2"));
    }

    #[test]
    fn they_are_few_and_small() {
        let many: Vec<String> = (0..100).map(|i| format!("n{i}=v")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(after(true, &many).unwrap().split("; ").count(), MAX_COOKIES);
        let (half, more) = (format!("a={}", "x".repeat(5_000)), format!("b={}", "y".repeat(5_000)));
        assert_eq!(after(true, &[&half, &more, "c=1"]).unwrap(), format!("{half}; c=1"));
    }

    #[test]
    fn those_of_the_caller_come_first_and_none_is_shown() {
        let mut cookies = Cookies::new("example.com", "/socket/longpoll", true);
        cookies.set("a=secret-1", SystemTime::UNIX_EPOCH);
        let sent = cookies.header(&[("cookie", "own=1"), ("x", "y")]);
        assert_eq!(sent.as_deref(), Some("own=1; a=secret-1"));
        assert!(!format!("{cookies:?}").contains("secret-1"));
    }

    #[test]
    fn an_address_has_no_domain_above_it() {
        let mut cookies = Cookies::new("127.0.0.1", "/longpoll", false);
        cookies.set("a=b; Domain=0.0.1", SystemTime::UNIX_EPOCH);
        assert!(cookies.kept.is_empty());
        cookies.set("a=b; Domain=127.0.0.1", SystemTime::UNIX_EPOCH);
        assert_eq!(cookies.kept.len(), 1);
    }
}
