//! Random sessions of the core: calls of users, inputs of transports and servers, stale inputs, jumping time and polls,
//! in any order.
//!
//! The first byte selects how the session is driven and with which other session it is compared. The rest are its
//! settings and steps; `fuzz/README.md` lists the letters.
//!
//! The crate `phx-chaos` has the checks of a session, which the tests of `phx-proto` share. Checks here: the same steps
//! give the same outputs, also with inputs about old connections, and with more polls and timeouts.

use phx_chaos::{Chaos, Options};

/// Panics if the input shows a fault.
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
