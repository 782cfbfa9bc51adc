//! The real listener: one file for each side of it.

mod client;

mod connections;
mod faults;
mod limits;
mod upgrade;
