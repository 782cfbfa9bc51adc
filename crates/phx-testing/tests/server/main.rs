//! What the recordings don't hold of the server's behaviour: one file for each.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod wire;

mod callbacks;
mod garbage;
mod idle;
mod limits;
mod presence;
mod replies;
mod serializers;
mod sleep;
