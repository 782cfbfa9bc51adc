//! The real listener: one file for each side of it.

mod client;
#[cfg(feature = "deflate")]
mod compression;

mod connections;
mod faults;
mod limits;
mod longpoll;
mod upgrade;
