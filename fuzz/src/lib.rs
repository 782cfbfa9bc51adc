//! What must hold whatever comes: one module a fuzz target, each with one function from bytes to
//! nothing, which panics where something doesn't hold.
//!
//! The programs in `fuzz_targets` call them with what libFuzzer makes up, and `tests/replay.rs` with
//! the seeds, on any toolchain. Neither checks anything of its own.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a target reports a fault by panicking"
)]

pub mod closing;
pub mod endpoint;
pub mod heads;
pub mod presence;
pub mod session;
pub mod transport;
pub mod v1;
pub mod v2_binary;
pub mod v2_text;

mod model;
mod peer;
mod round_trip;

/// One fuzz target.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Target {
    /// Its name: that of its module, its program and its directory of seeds.
    pub name: &'static str,
    /// Panics if an input shows that something doesn't hold.
    pub check: fn(&[u8]),
}

/// All there are.
pub const TARGETS: [Target; 9] = [
    Target { name: "v2_text", check: v2_text::check },
    Target { name: "v2_binary", check: v2_binary::check },
    Target { name: "v1", check: v1::check },
    Target { name: "endpoint", check: endpoint::check },
    Target { name: "closing", check: closing::check },
    Target { name: "heads", check: heads::check },
    Target { name: "transport", check: transport::check },
    Target { name: "session", check: session::check },
    Target { name: "presence", check: presence::check },
];
