//! stub
use crate::{Frame, Message, DecodeError, EncodeError, Serializer};
/// The client's side of Phoenix's V2 serializer (`vsn` 2.0.0): text and binary frames.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "a serializer without settings")]
pub struct V2;
/// The server's side of [`V2`].
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "a serializer without settings")]
pub struct V2Server;
impl Serializer for V2 {
    fn vsn(&self) -> &str { "2.0.0" }
    fn encode(&self, _m: &Message) -> Result<Frame, EncodeError> { todo!() }
    fn decode(&self, _f: Frame) -> Result<Message, DecodeError> { todo!() }
}
impl Serializer for V2Server {
    fn vsn(&self) -> &str { "2.0.0" }
    fn encode(&self, _m: &Message) -> Result<Frame, EncodeError> { todo!() }
    fn decode(&self, _f: Frame) -> Result<Message, DecodeError> { todo!() }
}
