//! The clock goes on where the counter wraps around.

use std::time::Duration;

use crate::Clock;

#[test]
fn the_clock_goes_on_when_the_counter_wraps_around() {
    let mut clock = Clock::default();
    let mut last = Duration::ZERO;
    for (counter, millis) in [
        (0, 0),
        (1, 1),
        (u32::MAX, 0xFFFF_FFFF),
        (0, 0x1_0000_0000),
        (7, 0x1_0000_0007),
        (u32::MAX, 0x1_FFFF_FFFF),
        (6, 0x2_0000_0006),
    ] {
        let now = clock.at(counter);
        assert_eq!(now, Duration::from_millis(millis));
        assert!(now >= last);
        last = now;
    }
}
