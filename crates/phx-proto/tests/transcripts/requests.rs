//! The recorded upgrade requests, compared with those of an endpoint.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use phx_conformance::recordings::Request;
use phx_proto::Endpoint;
use url::Url;

use crate::Check;

const BEARER: &str = "phoenix,base64url.bearer.phx.";

/// Compares path, query and subprotocols byte for byte; `false` for a script's request that no endpoint makes.
///
/// The official client writes the vsn last, as an endpoint does; some scripts write it first.
pub(crate) fn check(recorded: &Request) -> Check<bool> {
    let (path, query) = recorded.url.split_once('?').unwrap_or((&recorded.url, ""));
    let (vsns, params): (Vec<&str>, Vec<&str>) =
        query.split('&').partition(|param| param.starts_with("vsn="));
    let [vsn] = vsns.as_slice() else { return Ok(false) };
    let url = Url::parse(&format!("ws://localhost:4000{path}?{}", params.join("&")))
        .map_err(|error| error.to_string())?;
    let mut endpoint = Endpoint::parse(&format!("ws://localhost:4000{path}"))
        .map_err(|error| error.to_string())?;
    for (key, value) in url.query_pairs() {
        endpoint = endpoint.with_param(&key, &value);
    }
    if let Some(protocols) = recorded.protocols() {
        let token = protocols.strip_prefix(BEARER).and_then(|it| STANDARD_NO_PAD.decode(it).ok());
        let token = token.and_then(|token| String::from_utf8(token).ok());
        let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(false) };
        endpoint = endpoint.with_auth_token(&token);
    }
    let made = endpoint.request(vsn.trim_start_matches("vsn="));
    let wanted = format!("{path}?{}", [params.as_slice(), &[vsn]].concat().join("&"));
    let protocols = Some(made.protocols().join(",")).filter(|protocols| !protocols.is_empty());
    if made.url().as_str().ends_with(&format!(":4000{wanted}"))
        && protocols.as_deref() == recorded.protocols()
    {
        return Ok(true);
    }
    Err(format!("requested {recorded:?}, the endpoint made {} {protocols:?}", made.url()))
}
