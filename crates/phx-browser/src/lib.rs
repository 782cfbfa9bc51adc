//! A headless Chromium and programs beside it, for tests. On WebAssembly, where the tested programs run, it is empty.
#![cfg(not(target_family = "wasm"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

mod process;
mod webdriver;

pub use process::{PATIENCE, Process};
pub use webdriver::Browser;
