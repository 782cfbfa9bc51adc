//! Random sessions of the core, and checks of its invariants.
//!
//! A [`Chaos`] drives a [`Socket`](phx_proto::Socket) with the calls and inputs of users, transports and servers in any
//! order, including wrong ones, and with time that jumps. It checks the invariants after every step, and at the end
//! that nothing is left. The choices come from a seed in the tests of `phx-proto`, and from the fuzzer's bytes in the
//! fuzz target `session`; the checks are the same.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "for tests, which fail by panicking"
)]

mod chaos;
mod choices;
mod inputs;
mod outputs;
mod steps;

pub use chaos::{Chaos, Options};
