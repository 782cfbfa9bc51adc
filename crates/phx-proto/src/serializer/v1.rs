//! stub
use crate::{Frame, Message, DecodeError, EncodeError, Serializer};
/// The client's side of Phoenix's V1 serializer (`vsn` 1.0.0): text frames only.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "a serializer without settings")]
pub struct V1;
/// The server's side of [`V1`].
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "a serializer without settings")]
pub struct V1Server;
impl Serializer for V1 {
    fn vsn(&self) -> &str { "1.0.0" }
    fn encode(&self, _m: &Message) -> Result<Frame, EncodeError> { todo!() }
    fn decode(&self, _f: Frame) -> Result<Message, DecodeError> { todo!() }
}
impl Serializer for V1Server {
    fn vsn(&self) -> &str { "1.0.0" }
    fn encode(&self, _m: &Message) -> Result<Frame, EncodeError> { todo!() }
    fn decode(&self, _f: Frame) -> Result<Message, DecodeError> { todo!() }
}
