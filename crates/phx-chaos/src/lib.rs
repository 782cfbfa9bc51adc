//! Sessions in which anything happens in any order, and what must hold of them all the same.
//!
//! A [`Chaos`] is a driver of a [`Socket`](phx_proto::Socket) that does what users, transports and
//! servers do, what they shouldn't do, and lets time jump about. It checks after every step what must
//! always hold, and in the end that nothing is left. What it does is chosen by a seed in the tests of
//! `phx-proto`, and by the fuzzer's bytes in the fuzz target `session`: the checks are the same.

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
