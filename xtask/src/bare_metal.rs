//! `examples/bare_metal` in an emulator: its story from outside, and what the program takes.

pub(crate) mod image;
pub(crate) mod modem;
