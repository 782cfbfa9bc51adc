//! The official JavaScript client, npm's `phoenix`, against the server kit's listener, over real sockets.
//!
//! | story | holds |
//! |---|---|
//! | `quickstart` | joins, replies, error replies, rejected and unmatched joins, broadcasts, binary both ways, presence, a crash and the rejoin, a cut connection, leave, stop, disconnect |
//! | `channels` | every end of a channel as it is on the wire, a topic joined twice, a stale join ref, a leave of what isn't joined, statuses of one's own, replies in another order, empty and large binary |
//! | `connections` | params and token, a refused upgrade, heartbeats, a dead link, a drain, a disconnect by id |
//! | `devices` | one person with several devices, updates, a device that goes, a crash |
//!
//! The stories are the programs of the same names in `js/`; here is what each must tell, line by line.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod channels;
mod connections;
mod devices;
mod quickstart;
mod story;
