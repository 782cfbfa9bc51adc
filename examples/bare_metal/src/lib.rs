//! Phoenix Channels on a microcontroller: no operating system, no async runtime, an allocator of a few KiB.
//!
//! Start at [`story`], the program. [`Client`] is the driver around the core: it carries out the core's actions over a
//! [`Modem`], and hands back what came. Neither knows the machine: that is a [`Board`], which `src/main.rs` implements for a
//! Cortex-M4. The tests run the same story on this machine, under virtual time.
//!
//! To start a program for a device from this example, keep `client.rs`, `upgrade.rs` and `clock.rs`, replace `modem.rs` by what
//! gives you a stream of bytes, `main.rs` by your board, and `story.rs` by what your device does.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod board;
mod client;
mod clock;
#[doc(hidden)]
pub mod heap;
mod modem;
pub mod story;
mod upgrade;

#[cfg(test)]
mod tests;

pub use board::{Board, Entropy};
pub use client::Client;
pub use clock::Clock;
pub use modem::{Modem, Signal};
