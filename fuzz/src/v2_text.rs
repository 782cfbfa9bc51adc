//! Text frames of any bytes into both sides of V2.
//!
//! The first byte says who receives the frame: `0` the client, `1` the server. The rest is the frame.
//!
//! What must hold, besides what holds of every decoder: it decodes what the model decodes, as the
//! same message, and calls malformed only what the model does.

use phx_proto::{Frame, V2, V2Server};

use crate::model;
use crate::round_trip::Sides;

/// Panics if something doesn't hold.
pub fn check(input: &[u8]) {
    let Some((&choice, text)) = input.split_first() else {
        return;
    };
    let is_client = choice & 1 == 0;
    let sides = Sides::of(is_client, &V2, &V2Server);
    let decoded = sides.decode(&Frame::text(text.to_vec()));
    model::agrees(model::v2(text, is_client), decoded);
}
