//! A serializer of two functions, for tests that change V2.

use std::fmt;

use phx_client::proto::{DecodeError, EncodeError, V2};
use phx_client::{Frame, Message, Serializer};

/// V2 with other functions to encode and decode.
pub(crate) struct Custom<E, D> {
    pub(crate) encode: E,
    pub(crate) decode: D,
}

impl<E, D> fmt::Debug for Custom<E, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Custom")
    }
}

impl<E, D> Serializer for Custom<E, D>
where
    E: Fn(&Message) -> Result<Frame, EncodeError> + Send + Sync + 'static,
    D: Fn(Frame) -> Result<Message, DecodeError> + Send + Sync + 'static,
{
    fn vsn(&self) -> &str {
        V2.vsn()
    }

    fn check(&self, message: &Message) -> Result<(), EncodeError> {
        V2.check(message)
    }

    fn encode(&self, message: &Message) -> Result<Frame, EncodeError> {
        (self.encode)(message)
    }

    fn decode(&self, frame: Frame) -> Result<Message, DecodeError> {
        (self.decode)(frame)
    }
}
