//! The fuzz targets: one module each, with a function that takes an input and panics if it shows a fault.
//!
//! The programs in `fuzz_targets` pass libFuzzer's inputs to them, and `tests/replay.rs` the seeds, on any toolchain.
//! All checks are here.

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
pub mod longpoll;
pub mod presence;
pub mod proxies;
pub mod recording;
pub mod session;
pub mod supabase;
pub mod transport;
pub mod v1;
pub mod v2_binary;
pub mod v2_text;
pub mod websocket;

mod model;
mod peer;
mod round_trip;

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Target {
    /// Name of its module, its program and its directory of seeds.
    pub name: &'static str,
    /// Panics if an input shows a fault.
    pub check: fn(&[u8]),
    /// The first bytes that have a meaning. The target takes any, since a fuzzer finds more that way; a seed that a
    /// person wrote must have one of these.
    pub first: &'static [u8],
}

impl Target {
    const fn new(name: &'static str, check: fn(&[u8]), first: &'static [u8]) -> Self {
        Target { name, check, first }
    }
}

/// All targets.
pub const TARGETS: [Target; 14] = [
    Target::new("v2_text", v2_text::check, b"01"),
    Target::new("v2_binary", v2_binary::check, b"01"),
    Target::new("v1", v1::check, b"0123"),
    Target::new("endpoint", endpoint::check, b"ufxpjht"),
    Target::new("closing", closing::check, b"0123456789"),
    Target::new("heads", heads::check, b"01234567"),
    Target::new("transport", transport::check, b"0123456789"),
    Target::new("session", session::check, b"0123456789:;<=>?"),
    Target::new("presence", presence::check, b"sdjel"),
    Target::new("proxies", proxies::check, b"uvn"),
    Target::new("longpoll", longpoll::check, b"uhq"),
    Target::new("supabase", supabase::check, b"012"),
    Target::new("websocket", websocket::check, b"012"),
    Target::new("recording", recording::check, b"re"),
];
