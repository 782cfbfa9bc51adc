//! Endpoints from any text, with any settings.
//!
//! The input is lines. The first letter of each says what it sets:
//!
//! | line | sets |
//! |---|---|
//! | `uwss://host/path?a=b` | a new endpoint from a URL |
//! | `fhost 4000 path` | a new endpoint from its parts, with TLS if the port is odd |
//! | `x/exact/path` | the exact path |
//! | `pkey=value` | a param |
//! | `j{"a":{"b":[1]}}` | params from JSON |
//! | `hname:value` | a header |
//! | `ttoken` | the auth token |
//!
//! Checks: the request is a WebSocket URL without userinfo and fragment, and is the same when parsed again; its params
//! are those that were set, and the only `vsn` is the last one; its headers can't end a line; the path is the given one
//! and the transport's segment; no secret shows in any output.

use std::collections::BTreeSet;

use phx_proto::{Endpoint, EndpointError, Request};
use url::Url;

/// Suffix of all secret values.
const SECRET: &str = "Hunter2";

/// Panics if the input shows a fault.
pub fn check(input: &[u8]) {
    let Ok(input) = str::from_utf8(input) else {
        return;
    };
    let has_secret = input.to_ascii_lowercase().contains(&SECRET.to_ascii_lowercase());
    let mut made = Made { endpoint: Endpoint::default(), params: Vec::new(), exact: false };
    for line in input.lines() {
        let Some(kind) = line.chars().next() else { continue };
        let rest = line.get(kind.len_utf8()..).unwrap_or_default();
        let refused = made.clone().set(kind, rest);
        match refused {
            Ok(Some(next)) => made = next,
            Ok(None) => {}
            Err(error) => {
                let shown = format!("{error} {error:?}");
                assert!(has_secret || !shown.contains(SECRET), "{shown}");
            }
        }
        made.check();
        if !has_secret {
            made.check_that_nothing_shows();
        }
    }
}

#[derive(Clone)]
struct Made {
    endpoint: Endpoint,
    /// Params in the order in which they must be in the request.
    params: Vec<(String, String)>,
    exact: bool,
}

impl Made {
    /// Returns the endpoint after this line; `None` if the line sets nothing.
    fn set(self, kind: char, rest: &str) -> Result<Option<Self>, EndpointError> {
        let Made { endpoint, mut params, exact } = self;
        let made = match kind {
            'u' => {
                let endpoint = Endpoint::parse(rest)?;
                let query: Vec<(String, String)> =
                    Url::parse(rest)?.query_pairs().into_owned().collect();
                Made { endpoint, params: query, exact: false }
            }
            'f' => {
                let mut parts = rest.splitn(3, ' ');
                let (host, port) = (parts.next().unwrap_or_default(), parts.next());
                let path = parts.next().unwrap_or_default();
                let port = port.and_then(|port| port.parse().ok());
                let tls = port.is_some_and(|port| port % 2 == 1);
                let endpoint = Endpoint::from_parts(host, path, port, tls)?;
                let request = endpoint.request("2.0.0");
                let default = if tls { 443 } else { 80 };
                assert_eq!((request.is_tls(), request.port()), (tls, port.unwrap_or(default)));
                Made { endpoint, params: Vec::new(), exact: false }
            }
            'x' => Made { endpoint: endpoint.with_exact_path(rest)?, params, exact: true },
            'p' => {
                let (key, value) = rest.split_once('=').unwrap_or((rest, ""));
                let value = format!("{value}{SECRET}");
                if !key.ends_with("[]") {
                    params.retain(|(known, _)| known != key);
                }
                params.push((key.to_owned(), value.clone()));
                Made { endpoint: endpoint.with_param(key, &value), params, exact }
            }
            'j' => {
                let Ok(json) = serde_json::from_str::<serde_json::Value>(rest) else {
                    return Ok(None);
                };
                let endpoint = endpoint.with_params(&json)?;
                let replaced: BTreeSet<&String> =
                    json.as_object().into_iter().flat_map(|map| map.keys()).collect();
                // Unit tests check how JSON is flattened. Here: the other params are unchanged.
                let others = |pairs: &[(String, String)]| -> Vec<(String, String)> {
                    let stays = |key: &str| !replaced.iter().any(|name| root(key) == **name);
                    pairs
                        .iter()
                        .filter(|(key, _)| stays(key) && root(key) != "vsn")
                        .cloned()
                        .collect()
                };
                let written = params_of(&endpoint.request("2.0.0"));
                assert_eq!(others(&written), others(&params));
                Made { endpoint, params: written, exact }
            }
            'h' => {
                let (name, value) = rest.split_once(':').unwrap_or((rest, ""));
                let value = format!("{value}{SECRET}");
                let endpoint = endpoint.with_header(name, &value)?;
                let request = endpoint.request("2.0.0");
                let same =
                    request.headers().iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
                assert_eq!(same.collect::<Vec<_>>(), [&(name.to_owned(), value)]);
                Made { endpoint, params, exact }
            }
            't' => {
                let token = format!("{rest}{SECRET}");
                let endpoint = endpoint.with_auth_token(&token);
                let request = endpoint.request("2.0.0");
                let [_, bearer] = request.protocols() else { panic!("a token is the second") };
                let encoded = bearer.strip_prefix("base64url.bearer.phx.").unwrap();
                use base64::Engine as _;
                let decoded = base64::engine::general_purpose::STANDARD_NO_PAD.decode(encoded);
                assert_eq!(decoded.unwrap(), token.as_bytes());
                Made { endpoint, params, exact }
            }
            _ => return Ok(None),
        };
        Ok(Some(made))
    }

    fn check(&self) {
        let request = self.endpoint.request("2.0.0");
        let url = request.url();
        assert_eq!(url.scheme(), if request.is_tls() { "wss" } else { "ws" });
        assert_eq!((url.username(), url.password(), url.fragment()), ("", None, None), "{url}");
        assert_ne!(url.port(), Some(0));
        assert!(!request.host().is_empty(), "{url}");
        if !self.exact {
            assert_eq!(url.path().rsplit('/').next(), Some("websocket"), "{url}");
        }
        assert!(url.as_str().bytes().all(|byte| matches!(byte, b'!'..=b'~')), "{url}");
        for (name, value) in request.headers() {
            assert!(!name.is_empty() && !name.bytes().any(|byte| byte <= b' ' || byte == b':'));
            assert!(!value.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{name}");
        }

        // Parsed again, it has the same parts.
        assert_eq!(Url::parse(url.as_str()).as_ref(), Ok(url));
        let expected: Vec<_> =
            self.params.iter().filter(|(key, _)| root(key) != "vsn").cloned().collect();
        assert_eq!(params_of(&request), expected, "{url}");
        if !self.exact {
            // Without its `vsn`, which is last.
            let mut own = url.clone();
            own.set_query(url.query().and_then(|query| query.strip_suffix("vsn=2.0.0")));
            let again = Endpoint::from_url(own).map(|endpoint| endpoint.request("2.0.0"));
            assert_eq!(again.as_ref().map(Request::url), Ok(url), "an endpoint's own URL");
        }
    }

    fn check_that_nothing_shows(&self) {
        let (endpoint, request) = (&self.endpoint, self.endpoint.request("2.0.0"));
        let shown = format!("{endpoint} {endpoint:?} {request} {request:?}");
        assert!(!shown.contains(SECRET), "{shown}");
        for (_, value) in &self.params {
            assert!(
                value.len() < 12 || !value.ends_with(SECRET) || !shown.contains(value.as_str()),
                "{shown}"
            );
        }
    }
}

/// Returns the params of a request; `vsn` must be the last, and the only one of its name.
fn params_of(request: &Request) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = request.url().query_pairs().into_owned().collect();
    assert_eq!(pairs.pop(), Some(("vsn".to_owned(), "2.0.0".to_owned())));
    assert!(!pairs.iter().any(|(key, _)| root(key) == "vsn"), "{pairs:?}");
    pairs
}

fn root(key: &str) -> &str {
    key.split('[').next().unwrap_or_default()
}
