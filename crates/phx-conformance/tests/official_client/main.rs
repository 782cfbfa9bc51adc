//! The official JavaScript client, npm's `phoenix`, against the server kit's listener, over real sockets.
//!
//! | story | contents |
//! |---|---|
//! | `quickstart` | joins, replies, error replies, rejected and unmatched joins, broadcasts, binary both ways, presence, a crash and the rejoin, a cut connection, leave, stop, disconnect |
//! | `channels` | every end of a channel as it is on the wire, a topic joined twice, a stale join ref, a leave of a topic that isn't joined, custom statuses, replies in another order, empty and large binary |
//! | `connections` | params and token, a refused upgrade, heartbeats, a dead link, a drain, a disconnect by id |
//! | `longpoll` | the long-poll transport: all of a client's story, batches, binary up, a cut, a refused session, a forgotten one |
//! | `fallback` | upgrades that are reset, or connections that open and carry nothing, and the fallback to long-poll |
//! | `devices` | a user with several devices, updates, a device that leaves, a crash |
//!
//! A story is the program of the same name in `js/`; the tests here list its expected output, line by line.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod channels;
mod connections;
mod devices;
mod longpoll;
mod quickstart;
mod story;
