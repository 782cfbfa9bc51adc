//! A peer whose bytes are always ready doesn't block the executor: a poll reads and writes a limited number of bytes,
//! then wakes its task and is pending.

mod driver;
mod frames;
mod heads;
mod writing;
