//! What the recordings don't hold of the server's behaviour: one file for each.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod wire;

mod callbacks;
mod garbage;
mod idle;
mod json;
mod limits;
mod order;
mod presence;
mod releases;
mod replies;
mod serializers;
mod sleep;
