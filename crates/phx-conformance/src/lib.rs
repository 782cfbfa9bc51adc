//! Comparisons with the official JavaScript client. Not published.
//!
//! `js/` holds programs for Node that use the npm package `phoenix`, in the version of its lock file.
//! [`official::Official`] runs one of them; [`differential`] compares the core with it. `tests/` starts others against
//! the server kit's listener, and checks their reports. `cargo xtask tools` installs Node's packages. [`recordings`]
//! reads the recordings of a real Phoenix server, for the tests of the core and of the server kit.
//! docs/CONFORMANCE.md lists the comparisons.

pub mod differential;
pub mod official;
pub mod recordings;
