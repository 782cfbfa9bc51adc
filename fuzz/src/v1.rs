//! Frames of any bytes into both sides of V1.
//!
//! The first byte is the receiver: `0` the client, `1` the server, `2` and `3` the same with a binary frame. The rest is
//! the frame.
//!
//! Checks, besides those for every decoder: it decodes the same messages as the model, and no binary frame.

use phx_proto::{DecodeCause, Frame, V1, V1Server};

use crate::model;
use crate::round_trip::Sides;

/// Panics if the input shows a fault.
pub fn check(input: &[u8]) {
    let Some((&choice, bytes)) = input.split_first() else {
        return;
    };
    let is_client = choice & 1 == 0;
    let sides = Sides::of(is_client, &V1, &V1Server);
    if choice & 2 != 0 {
        let refused = sides.decode(&Frame::binary(bytes.to_vec())).unwrap_err();
        assert_eq!(refused.reason, DecodeCause::UnexpectedBinary);
        return;
    }
    let decoded = sides.decode(&Frame::text(bytes.to_vec()));
    model::agrees(model::v1(bytes, is_client), decoded);
}
