//! Clients that lose their server at the same moment don't come back at the same moment.

use std::time::Duration;

use phx_reliability::herd::{peak_bound, restart};

#[test]
fn a_server_that_restarts_at_once_is_not_run_over() {
    let herd = restart(1_000, Duration::ZERO);
    assert_eq!((herd.rejoined, herd.attempts.total()), (1_000, 1_000));
    // All in half a second, no more in any tenth of it than their share, and nobody before the
    // earliest moment.
    assert!(herd.attempts.peak() <= peak_bound(1_000), "{}", herd.attempts.lines());
    assert!(herd.attempts.lines().starts_with("   0.7 s"), "{}", herd.attempts.lines());
    assert!(herd.all_rejoined <= Duration::from_millis(1_300), "{:?}", herd.all_rejoined);
}

#[test]
fn the_longer_it_is_away_the_wider_they_are_spread() {
    let herd = restart(1_000, Duration::from_secs(20));
    assert_eq!(herd.rejoined, 1_000);
    assert!(herd.all_rejoined <= Duration::from_millis(32_500), "{:?}", herd.all_rejoined);
    // By then each waits for ten seconds, which are spread over five: a tenth of the first peak.
    let late = herd.attempts.peak_from(Duration::from_secs(11));
    assert!((1..=peak_bound(1_000) / 4).contains(&late), "{}", herd.attempts.lines());
}
