//! URLs as the URL standard has them.

use alloc::format;
use alloc::string::{String, ToString};
use core::net::Ipv6Addr;

use url::Url;

use super::EndpointError;
use super::params::Params;

/// Characters of a zone; names of interfaces have up to 15 on Linux, and 255 on Windows.
const MAX_ZONE: usize = 255;

/// Reads a URL.
pub(super) fn parse(url: &str) -> Result<(Url, Params), EndpointError> {
    match Url::parse(url) {
        Ok(url) => check(url),
        Err(_) if has_zone(url) => Err(EndpointError::Zone),
        Err(error) => Err(error.into()),
    }
}

/// Reads a URL that was normalised before, which changes nothing.
pub(super) fn of_href(href: &str) -> Result<(Url, Params), EndpointError> {
    parse(href)
}

/// Checks a URL, and takes the params out of it.
pub(super) fn check(mut url: Url) -> Result<(Url, Params), EndpointError> {
    let scheme = match url.scheme() {
        "ws" | "http" => "ws",
        "wss" | "https" => "wss",
        _ => return Err(EndpointError::Scheme),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(EndpointError::UserInfo);
    }
    if url.fragment().is_some() {
        return Err(EndpointError::Fragment);
    }
    // No server can listen on port 0.
    if url.port() == Some(0) {
        return Err(EndpointError::Port);
    }
    // Never fails: all four schemes are special ones of the URL standard.
    url.set_scheme(scheme).map_err(|()| EndpointError::Scheme)?;
    let params = Params::from_query(&url);
    if params.has("vsn") {
        return Err(EndpointError::Vsn);
    }
    // Params stay beside the URL, so that later ones replace them and `Debug` hides them.
    url.set_query(None);
    Ok((url, params))
}

/// Makes a URL of its parts, and returns it with the zone of its host. The path has neither a query nor a fragment.
pub(super) fn of_parts(
    host: &str,
    path: &str,
    port: Option<u16>,
    tls: bool,
) -> Result<(Url, Option<String>), EndpointError> {
    // Only the port and the path may follow a host in a URL, so it is parsed separately first:
    // otherwise "example.com/other" would be a host.
    let (host, zone) = split_zone(host)?;
    let host = match host.parse::<Ipv6Addr>() {
        Ok(_) => format!("[{host}]"),
        Err(_) => host.to_string(),
    };
    let host = url::Host::parse(&host).map_err(|_| EndpointError::Host)?;
    let scheme = if tls { "wss" } else { "ws" };
    let mut url = Url::parse(&format!("{scheme}://{host}"))?;
    url.set_port(port).map_err(|()| EndpointError::Port)?;
    url.set_path(path);
    check(url).map(|(url, _)| (url, zone.map(str::to_string)))
}

/// Replaces the path by one that has neither a query nor a fragment.
#[allow(clippy::unnecessary_wraps, reason = "that of plain URLs can fail")]
pub(super) fn set_path(url: &mut Url, path: &str) -> Result<(), EndpointError> {
    url.set_path(path);
    Ok(())
}

/// The host, and the zone of an IPv6 address. A zone is the name or the number of an interface.
fn split_zone(host: &str) -> Result<(&str, Option<&str>), EndpointError> {
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let Some((address, zone)) = inside.split_once('%') else { return Ok((host, None)) };
    if address.parse::<Ipv6Addr>().is_err() {
        return Ok((host, None));
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@:".contains(&byte);
    match !zone.is_empty() && zone.len() <= MAX_ZONE && zone.bytes().all(is_name) {
        true => Ok((address, Some(zone))),
        false => Err(EndpointError::Host),
    }
}

/// Returns `true` if the host of a URL is an IPv6 address with a zone (RFC 6874).
fn has_zone(url: &str) -> bool {
    let host = url.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next());
    let host = host.flatten().and_then(|host| host.rsplit('@').next());
    let inside = host.and_then(|host| host.strip_prefix('[')?.split_once(']'));
    inside
        .and_then(|(inside, _)| inside.split_once('%'))
        .is_some_and(|(address, zone)| address.parse::<Ipv6Addr>().is_ok() && !zone.is_empty())
}
