//! The story on a Cortex-M4, an STM32F405 as QEMU has it: `cargo xtask bare-metal` builds it and runs it.
//!
//! The modem is at USART1; lines for people go out by semihosting. The line must have hardware flow control (RTS and CTS): bytes
//! are polled, and without it those would be lost that come while the program is busy.

#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod stm32f405;

#[cfg(not(target_os = "none"))]
#[expect(clippy::print_stderr, reason = "a program of people speaks to them")]
fn main() {
    eprintln!("this is a program for a board: `cargo xtask bare-metal` builds it and runs it");
}
