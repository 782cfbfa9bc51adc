//! The race between the addresses of a host.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{self, Either};
use futures::stream::FuturesUnordered;
use phx_proto::CloseCause;

use crate::runtime::Runtime;

/// The "connection attempt delay" that RFC 8305 recommends.
const HEAD_START: Duration = Duration::from_millis(250);

/// Addresses that are tried at the most, whatever a name server says.
const MAX_ADDRESSES: usize = 64;

/// Failures that are quoted when none of the addresses could be reached.
const QUOTED: usize = 4;

/// Connects to the first of `addresses` that can be reached.
///
/// They are tried in their order, but with IPv6 and IPv4 taking turns. Each gets a start of 250 ms
/// before the next joins in, or less if it fails sooner (as RFC 8305 describes it). At the most 64 are
/// tried. Dropping the future drops all attempts.
///
/// # Errors
///
/// [`CloseCause::Lost`] that tells the failures of the addresses, or that there was none.
pub async fn race<S, F>(
    addresses: impl IntoIterator<Item = SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
    runtime: &impl Runtime,
) -> Result<S, CloseCause>
where
    F: Future<Output = io::Result<S>>,
{
    let mut waiting = alternate(addresses.into_iter().take(MAX_ADDRESSES));
    let mut failures = Vec::new();
    let mut attempts = FuturesUnordered::new();
    let start = |address: SocketAddr| {
        let attempt = connect(address);
        async move { (address, attempt.await) }
    };
    loop {
        if attempts.is_empty() {
            match waiting.pop_front() {
                Some(address) => attempts.push(start(address)),
                None => return Err(unreachable(&failures)),
            }
        }
        let finished = if waiting.is_empty() {
            attempts.next().await
        } else {
            let head_start = runtime.timer(runtime.now() + HEAD_START);
            match future::select(attempts.next(), head_start).await {
                Either::Left((finished, _)) => finished,
                Either::Right(_) => None,
            }
        };
        match finished {
            Some((_, Ok(stream))) => return Ok(stream),
            Some((address, Err(error))) => failures.push((address, error)),
            None => {}
        }
        // Either an attempt failed or the youngest had its head start: it is the next one's turn.
        if let Some(address) = waiting.pop_front() {
            attempts.push(start(address));
        }
    }
}

/// The addresses in their order, but with the two families taking turns, beginning with the first
/// one's, so that a broken IPv6 costs one head start and not one per address.
fn alternate(addresses: impl IntoIterator<Item = SocketAddr>) -> VecDeque<SocketAddr> {
    let addresses: Vec<_> = addresses.into_iter().collect();
    let first = addresses.first().map(SocketAddr::is_ipv6);
    let (mut ours, mut others): (VecDeque<_>, VecDeque<_>) =
        addresses.into_iter().partition(|address| Some(address.is_ipv6()) == first);
    let mut alternating = VecDeque::new();
    while !ours.is_empty() || !others.is_empty() {
        alternating.extend(ours.pop_front());
        alternating.extend(others.pop_front());
    }
    alternating
}

fn unreachable(failures: &[(SocketAddr, io::Error)]) -> CloseCause {
    if failures.is_empty() {
        return CloseCause::lost("the host has no address");
    }
    let mut text = String::new();
    for (address, error) in failures.iter().take(QUOTED) {
        let separator = if text.is_empty() { "" } else { "; " };
        let _ = write!(text, "{separator}{address}: {error}");
    }
    if failures.len() > QUOTED {
        let _ = write!(text, "; and {} more addresses", failures.len() - QUOTED);
    }
    CloseCause::lost(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 80))
    }

    fn v6(last: u16) -> SocketAddr {
        SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 80))
    }

    #[test]
    fn the_families_take_turns() {
        let order = alternate([v6(1), v6(2), v6(3), v4(1)]);
        assert_eq!(order, [v6(1), v4(1), v6(2), v6(3)]);
        let order = alternate([v4(1), v4(2), v6(1)]);
        assert_eq!(order, [v4(1), v6(1), v4(2)]);
    }
}
