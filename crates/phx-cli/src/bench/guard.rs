//! The guard of other people's servers: a load on another machine is announced, and a large one wants a `--yes`.

use phx_tokio::Endpoint;

use super::machine::Machine;
use crate::connect::shown_url;
use crate::failure::Failure;
use crate::terminal::{self, DIM, styled};

/// Users on another machine from which on `--yes` is wanted.
const MANY: u64 = 100;

/// Announces a load of so many connections on these servers, and checks that it may begin.
pub(super) fn check(
    urls: &[&str],
    load: &str,
    connections: u64,
    machine: Machine,
    is_agreed: bool,
) -> Result<(), Failure> {
    if connections > machine.allows() {
        let text = format!("{connections} connections are too many: {}", machine.in_words());
        return Err(Failure::usage(text));
    }
    let Some(other) = urls.iter().find(|url| !is_loopback(url)) else { return Ok(()) };
    terminal::say(&styled(DIM, format!("target {}: {load}", terminal::shown(shown_url(other)))));
    if connections > MANY && !is_agreed {
        return Err(Failure::usage(format!(
            "{connections} connections to another machine want `--yes`: is it yours, and ready for them?"
        )));
    }
    Ok(())
}

/// Returns whether a URL is one of this machine. A URL that can't be parsed, such as one with variables, is taken for another's.
fn is_loopback(url: &str) -> bool {
    let Ok(endpoint) = Endpoint::parse(url) else { return false };
    let request = endpoint.request("");
    let host = request.host();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_address = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    is_address || host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_this_machine() {
        for url in [
            "ws://127.0.0.1:4000/socket",
            "ws://127.9.9.9/socket",
            "wss://localhost/socket",
            "ws://app.localhost/socket",
            "ws://[::1]:4000/socket",
        ] {
            assert!(is_loopback(url), "{url}");
        }
        for url in [
            "ws://example.com/socket",
            "ws://127.0.0.1.example.com/socket",
            "ws://localhost.example.com/socket",
            "ws://10.0.0.1/socket",
            "ws://${host}/socket",
            "ws://0.0.0.0/socket",
        ] {
            assert!(!is_loopback(url), "{url}");
        }
    }
}
