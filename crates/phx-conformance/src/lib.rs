//! What the official JavaScript client and this workspace think of each other. Not published.
//!
//! `js/` holds programs for Node that use the npm package `phoenix`, in the version that its lock
//! file names. [`judge::Judge`] runs one of them; [`differential`] compares the core with it. `tests/`
//! starts others against the server kit's listener, and checks what they tell. `cargo xtask tools`
//! installs what they need. docs/CONFORMANCE.md says what is compared.

pub mod differential;
pub mod judge;
