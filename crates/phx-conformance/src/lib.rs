//! Comparisons with the official JavaScript client. Not published.
//!
//! `js/` holds programs for Node that use the npm package `phoenix`, in the version that its lock
//! file names. [`official::Official`] runs one of them; [`differential`] compares the core with it. `tests/`
//! starts others against the server kit's listener, and checks what they report. `cargo xtask tools`
//! installs what they need. [`recordings`] reads what was recorded with a real Phoenix server, for the tests
//! of the core and of the server kit. docs/CONFORMANCE.md says what is compared.

pub mod differential;
pub mod official;
pub mod recordings;
