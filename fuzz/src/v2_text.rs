//! Text frames of any bytes into both sides of V2.
//!
//! The first byte is the receiver: `0` the client, `1` the server. The rest is the frame.
//!
//! Checks, besides those for every decoder: it decodes the same messages as the model, and refuses only what the model
//! refuses.

use phx_proto::{Frame, V2, V2Server};

use crate::model;
use crate::round_trip::Sides;

/// Panics if the input shows a fault.
pub fn check(input: &[u8]) {
    let Some((&choice, text)) = input.split_first() else {
        return;
    };
    let is_client = choice & 1 == 0;
    let sides = Sides::of(is_client, &V2, &V2Server);
    let decoded = sides.decode(&Frame::text(text.to_vec()));
    model::agrees(model::v2(text, is_client), decoded);
}
