//! A peer whose bytes are always ready doesn't keep the executor: a poll reads and writes so much,
//! and then it wakes itself and is pending.

mod driver;
mod frames;
mod heads;
mod writing;
