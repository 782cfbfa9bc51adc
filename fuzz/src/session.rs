//! Sessions in which anything happens in any order: what users, transports and servers do, stale
//! facts, time that jumps about, polls here and there.
//!
//! The first byte says how the session is driven and with which other one it is compared; the rest
//! are its settings and steps. `fuzz/README.md` lists the letters.
//!
//! What must hold while it goes and in the end is in the crate `phx-chaos`, for the tests of
//! `phx-proto` too. Here: the same steps give the same outputs; facts about old connections change
//! nothing; nor does it matter how often the socket is polled and given the time.

use phx_chaos::{Chaos, Options};

/// Panics if something doesn't hold.
pub fn check(input: &[u8]) {
    let Some((&how, steps)) = input.split_first() else {
        return;
    };
    let drains = how & 1 == 0;
    let options =
        Options { seed: 1, drains, punctual: how & 2 != 0, logs: true, ..Options::default() };
    let log = log(options, steps);
    let other = match how >> 2 & 3 {
        0 => return,
        1 if drains => Options { stale_inputs: true, ..options },
        2 if drains && options.punctual => Options { extra_polls: true, ..options },
        _ => options,
    };
    let other = self::log(other, steps);
    for (expected, found) in log.lines().zip(other.lines()) {
        assert_eq!(expected, found);
    }
    assert_eq!(log.len(), other.len());
}

fn log(options: Options, steps: &[u8]) -> String {
    let mut chaos = Chaos::given(options, steps);
    chaos.run(steps.len());
    chaos.end();
    chaos.log
}
