//! Answers in pieces: a server's to an upgrade with the body of a refusal, a proxy's to a CONNECT, a SOCKS5 proxy's.
//!
//! The first byte is the peer: `0` a server, `1` an HTTP proxy, `2` a SOCKS5 proxy, `3` one with user and password; `4`
//! to `7` the same with a stream that stalls after the last byte instead of ending. Two digits are the sizes of the
//! pieces in turns (`0` all at once, `1` one byte, larger digits more). The rest are the peer's bytes; `{accept}` in
//! them becomes the right `Sec-WebSocket-Accept`.
//!
//! Checks: the limit on bodies; limited reads and bytes in each poll, and an end; the same outcome with any pieces.
//! Bytes behind a proxy's head are a fault only if they arrive together with it, since later ones may be the server's.

use std::pin::pin;
use std::time::Duration;

use futures::Future as _;
use phx_client::dial::{Dialer, HttpProxy, Socks5Proxy};
use phx_client::websocket::{self, WebSocketConfig};
use phx_client::{Attempt, CloseCause, ProxyCause};
use phx_proto::Endpoint;

use crate::peer::{Peer, Timers, place_of_key, sizes};

const MAX_BODY: usize = 40;

/// Outcome of an answer.
#[derive(Debug)]
enum Outcome {
    /// A connection, with this number of unread bytes.
    Opened(usize),
    Failed(CloseCause),
    /// Waits for more bytes.
    Waits,
}

/// Panics if the input shows a fault.
pub fn check(input: &[u8]) {
    let [who, first, second, said @ ..] = input else {
        return;
    };
    let (who, ends) = (who & 3, who & 4 == 0);
    let has_key = place_of_key(said).is_some();
    let at_once = outcome(who, said, &[usize::MAX], ends);
    for sizes in [vec![1], sizes(&[*first, *second])] {
        let in_pieces = outcome(who, said, &sizes, ends);
        let are_same = are_same(&at_once, &in_pieces, has_key);
        assert!(are_same, "{at_once:?} at once, {in_pieces:?} in pieces of {sizes:?}");
    }
}

fn outcome(who: u8, said: &[u8], sizes: &[usize], ends: bool) -> Outcome {
    let peer = Peer::new(said.to_vec(), sizes, ends);
    let limit = 100 + said.len();
    let outcome = match who {
        0 => upgrade(&peer, limit),
        1 => dial(&peer, limit, &HttpProxy::new(peer.clone(), "proxy.test", 3128)),
        2 => dial(&peer, limit, &Socks5Proxy::new(peer.clone(), "proxy.test", 1080)),
        _ => {
            let proxy = Socks5Proxy::new(peer.clone(), "proxy.test", 1080);
            dial(&peer, limit, &proxy.with_password("ann", "secret"))
        }
    };
    match outcome {
        Some(Ok(())) => Outcome::Opened(peer.unread()),
        Some(Err(cause)) => Outcome::Failed(cause),
        None => Outcome::Waits,
    }
}

fn upgrade(peer: &Peer, limit: usize) -> Option<Result<(), CloseCause>> {
    let mut config = WebSocketConfig::default();
    config.max_refusal_body = MAX_BODY;
    let attempt = Attempt::new(Endpoint::default().request("2.0.0"), Timers::Never);
    let mut upgrade = pin!(websocket::upgrade(peer.clone(), &attempt, &config));
    let upgraded = peer.run(limit, |cx| upgrade.as_mut().poll(cx))?;
    if let Err(CloseCause::UpgradeRejected(refusal)) = &upgraded {
        assert!(refusal.status != 101 && refusal.body.len() <= MAX_BODY, "{refusal:?}");
    }
    Some(upgraded.map(drop))
}

fn dial(peer: &Peer, limit: usize, proxy: &impl Dialer) -> Option<Result<(), CloseCause>> {
    let mut dialing = proxy.dial("server.test", 443);
    Some(peer.run(limit, |cx| dialing.as_mut().poll(cx))?.map(drop))
}

/// Compares two outcomes. With `has_key` the bytes have the answer to the request's key, which differs each time.
fn are_same(at_once: &Outcome, in_pieces: &Outcome, has_key: bool) -> bool {
    const MALFORMED: CloseCause = CloseCause::Proxy(ProxyCause::Malformed);
    match (at_once, in_pieces) {
        (Outcome::Opened(_), Outcome::Opened(_)) | (Outcome::Waits, Outcome::Waits) => true,
        (Outcome::Failed(cause), Outcome::Opened(unread)) => *cause == MALFORMED && *unread > 0,
        (
            Outcome::Failed(CloseCause::UpgradeRejected(a)),
            Outcome::Failed(CloseCause::UpgradeRejected(b)),
        ) => {
            let (after_a, after_b) = (a.retry_after, b.retry_after);
            // A `Retry-After` with a date counts from now, unless the answer has a `Date`.
            let passed = after_a.unwrap_or_default().abs_diff(after_b.unwrap_or_default());
            (a.status, a.body.len(), after_a.is_some())
                == (b.status, b.body.len(), after_b.is_some())
                && (has_key || a.body == b.body)
                && passed < Duration::from_secs(60)
        }
        (Outcome::Failed(a), Outcome::Failed(b)) => a == b,
        _ => false,
    }
}
