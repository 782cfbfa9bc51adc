//! Scripted servers: one behaviour for each file.

use phx_testing::{Expectations, Script, SocketId};

use crate::wire::Wire;

/// A server that follows the script, with a connection.
fn served(script: &Script) -> (Wire, SocketId, Expectations) {
    let (server, expectations) = script.serve();
    let mut wire = Wire::new(server);
    let ann = wire.open();
    (wire, ann, expectations)
}

mod answers;
#[cfg(feature = "listener")]
mod both_ways;
mod deadlines;
mod forgotten;
mod mismatches;
mod nonsense;
mod payloads;
mod sequels;
mod settings;
