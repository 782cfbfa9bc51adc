//! Faults of attempts to connect. The first connection is cut, so that the client makes some.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::ensure;
use phx_client::CloseCause;
use phx_testing::Connectivity;
use phx_testing::fault_proxy::Direction;

use super::fixture::{Expect, Fixture, Times};

/// Attempts that fail before the fault is over.
const ATTEMPTS: usize = 3;

/// Place at which a handshake is cut: a direction, and the bytes that pass in it.
pub(super) type Cut = (Direction, u64);

/// Makes attempts fail before they reach the server, and then ends the fault.
pub(super) async fn unreachable(
    mut fixture: Fixture,
    connectivity: Connectivity,
    is_right: fn(&CloseCause) -> bool,
) -> anyhow::Result<Times> {
    fixture.proxy.set_connectivity(connectivity)?;
    let noticed = fails(&mut fixture, is_right).await?;
    fixture.proxy.set_connectivity(Connectivity::Online)?;
    fixture.recover(noticed).await
}

/// Makes the name's lookup fail, and then ends the fault.
pub(super) async fn dns_fails(mut fixture: Fixture) -> anyhow::Result<Times> {
    fixture.name_fails.store(true, Ordering::Relaxed);
    // A resolver without a network may take longer than an attempt.
    let expected = |cause: &CloseCause| match cause {
        CloseCause::ConnectFailed { error, .. } => error.contains("look up"),
        cause => *cause == CloseCause::ConnectTimedOut,
    };
    let noticed = fails(&mut fixture, expected).await?;
    fixture.name_fails.store(false, Ordering::Relaxed);
    fixture.recover(noticed).await
}

/// Loses the connection, and makes attempts fail. Returns the time of the longest one.
async fn fails(
    fixture: &mut Fixture,
    is_right: fn(&CloseCause) -> bool,
) -> anyhow::Result<Duration> {
    fixture.proxy.all().cut();
    fixture.lost(Instant::now(), |_| true).await?;
    fixture.push(20, Expect::Reply);
    let mut longest = Duration::ZERO;
    for _ in 0..ATTEMPTS {
        longest = longest.max(fixture.attempt_failed(is_right).await?);
    }
    Ok(longest)
}

/// Cuts the connection, and then each attempt at its place. Returns the time of the longest one.
pub(super) async fn cut_at_each(
    mut fixture: Fixture,
    places: &[Cut],
    is_right: fn(&CloseCause) -> bool,
) -> anyhow::Result<Times> {
    ensure!(!places.is_empty(), "there is nothing to cut");
    let mut longest = Duration::ZERO;
    for (number, (direction, bytes)) in places.iter().enumerate() {
        fixture.proxy.next().cut_after(*direction, *bytes);
        if number == 0 {
            fixture.proxy.all().cut();
            fixture.lost(Instant::now(), |_| true).await?;
            fixture.push(20, Expect::Reply);
        }
        longest = longest.max(fixture.attempt_failed(is_right).await?);
    }
    fixture.recover(longest).await
}
