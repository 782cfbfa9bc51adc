//! Additional polls and timeouts between two inputs don't change the frames, their times, or the events.

use phx_chaos::{Chaos, Options};
use proptest::prelude::*;

fn log(seed: u64, extra_polls: bool) -> String {
    let options =
        Options { drains: true, punctual: true, logs: true, extra_polls, ..Options::new(seed) };
    let mut chaos = Chaos::new(options);
    chaos.run(300);
    chaos.end();
    chaos.log
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_session_that_is_asked_more_often_goes_the_same_way(seed: u64) {
        let (calm, extra) = (log(seed, false), log(seed, true));
        for (expected, found) in calm.lines().zip(extra.lines()) {
            prop_assert_eq!(expected, found);
        }
        prop_assert_eq!(calm.len(), extra.len());
    }
}
