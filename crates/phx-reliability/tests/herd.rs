//! Clients that lose their server at the same moment don't reconnect at the same moment.

use std::time::Duration;

use phx_reliability::herd::{lines, peak_bound, restart};

#[test]
fn a_server_that_restarts_at_once_is_not_run_over() {
    let herd = restart(1_000, Duration::ZERO);
    assert_eq!((herd.rejoined, herd.attempts.iter().sum::<u64>()), (1_000, 1_000));
    // All in half a second, in any tenth of it no more than their share, and none before the earliest moment.
    assert!(
        herd.attempts.iter().all(|count| *count <= peak_bound(1_000)),
        "{}",
        lines(&herd.attempts)
    );
    assert!(lines(&herd.attempts).starts_with("   0.7 s"), "{}", lines(&herd.attempts));
    assert!(herd.all_rejoined <= Duration::from_millis(1_300), "{:?}", herd.all_rejoined);
}

#[test]
fn the_longer_it_is_away_the_wider_they_are_spread() {
    let herd = restart(1_000, Duration::from_secs(20));
    assert_eq!(herd.rejoined, 1_000);
    assert!(herd.all_rejoined <= Duration::from_millis(32_500), "{:?}", herd.all_rejoined);
    // By then each delay is ten seconds, spread over five: a tenth of the first peak.
    let late = herd.attempts.iter().skip(110).max();
    assert!(
        late.is_some_and(|late| (1..=peak_bound(1_000) / 4).contains(late)),
        "{}",
        lines(&herd.attempts)
    );
}

#[test]
fn shows_when_there_was_how_much() {
    let (half, full) = ("#".repeat(30), "#".repeat(60));
    assert_eq!(lines(&[0, 2, 4]), format!("   0.1 s  {half:<60} 2\n   0.2 s  {full} 4\n"));
    assert_eq!(lines(&[0]), "");
}
