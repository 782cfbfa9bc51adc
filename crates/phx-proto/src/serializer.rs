//! Messages to frames and back: V2 (text and binary), V1, and a trait for custom formats.

use alloc::string::String;
use core::fmt;

use bytestring::ByteString;

use crate::{Escaped, Frame, Message};

mod binary;
mod read;
pub(crate) mod scan;
mod v1;
mod v2;
mod write;

pub use v1::{V1, V1Server};
pub use v2::{V2, V2Server};

/// Turns messages into frames and frames into messages, for one side of a connection.
///
/// [`V2`] and [`V1`] are the client's sides of Phoenix's own two, [`V2Server`] and [`V1Server`] the
/// server's. Implement this for a custom format; the server needs a serializer of the same
/// format. `tests/message_pack.rs` of this crate is one for MessagePack, as an example.
///
/// A format may carry more than a [`Message`] has fields for, such as metadata beside the payload. Then the message's
/// payload is the part of the frame that holds it all, as a [binary payload](crate::Payload::binary), which costs no copy,
/// under an event name that only this format uses; a function of the format reads the parts where they are wanted.
///
/// # Rules
///
/// - `encode` and `decode` are pure: same input, same output.
/// - `decode` never panics, and a frame it can't read is an error that holds the frame.
/// - `decode` of a client's side turns a `phx_reply` into a [`Message`] with a `status`.
/// - Errors never quote payloads: they are logged.
///
/// # Examples
///
/// ```
/// use phx_proto::{DecodeError, EncodeError, Frame, Message, Serializer, V2};
///
/// /// V2 for a server that has it under another `vsn`.
/// #[derive(Debug)]
/// struct Renamed;
///
/// impl Serializer for Renamed {
///     fn vsn(&self) -> &str {
///         "2.0.0-app"
///     }
///
///     fn encode(&self, message: &Message) -> Result<Frame, EncodeError> {
///         V2.encode(message)
///     }
///
///     fn decode(&self, frame: Frame) -> Result<Message, DecodeError> {
///         V2.decode(frame)
///     }
/// }
///
/// let message = Renamed.decode(Frame::text(r#"[null,null,"room:a","shout",{}]"#))?;
/// assert_eq!(message.topic, "room:a");
/// # Ok::<(), DecodeError>(())
/// ```
pub trait Serializer: fmt::Debug + Send + Sync {
    /// The `vsn` parameter of the URL, by which the server chooses the serializer.
    fn vsn(&self) -> &str;

    /// Encodes one message.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if the format can't express this message.
    fn encode(&self, message: &Message) -> Result<Frame, EncodeError>;

    /// Checks that [`encode`](Self::encode) would succeed, whatever the refs. Called when a push is
    /// made, so that a message which can't be sent is that call's error.
    ///
    /// The default encodes the message and drops the frame; a cheaper answer is welcome.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if the format can't express this message.
    fn check(&self, message: &Message) -> Result<(), EncodeError> {
        self.encode(message).map(drop)
    }

    /// Decodes one frame.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], with the frame, if it isn't a message of this format.
    fn decode(&self, frame: Frame) -> Result<Message, DecodeError>;

    /// The topic of a frame that [`decode`](Self::decode) refused, if it can be read all the same: then
    /// the streams of that topic get a gap. Must not panic, nor take longer than `decode`.
    ///
    /// The default reads none.
    fn topic(&self, frame: &Frame) -> Option<ByteString> {
        let _ = frame;
        None
    }
}

/// The error of a message that couldn't be encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A name in a V2 binary frame is longer than the 255 bytes its length byte can say.
    #[error("the {field} has {len} bytes; a binary frame has room for 255")]
    #[non_exhaustive]
    TooLong {
        /// The name that is too long.
        field: Field,
        /// Its length in bytes.
        len: usize,
    },
    /// V1 has no binary payloads.
    #[error("{vsn} can't carry binary payloads")]
    #[non_exhaustive]
    BinaryUnsupported {
        /// The serializer's version.
        vsn: &'static str,
    },
    /// A join can't be binary: the server closes the connection on one.
    #[error("a join's params can't be binary")]
    BinaryJoin,
    /// Only servers reply: a client's binary frame has no room for a status.
    #[error("a client can't send a binary reply")]
    BinaryReply,
    /// A custom serializer's own error.
    #[error("{}", Escaped::new(.0))]
    Custom(String),
}

/// For custom serializers.
impl EncodeError {
    /// The name in `field` has `len` bytes, and a length byte can say 255.
    #[must_use]
    pub const fn too_long(field: Field, len: usize) -> Self {
        EncodeError::TooLong { field, len }
    }

    /// The format with this `vsn` has no binary payloads.
    #[must_use]
    pub const fn binary_unsupported(vsn: &'static str) -> Self {
        EncodeError::BinaryUnsupported { vsn }
    }
}

/// A frame that isn't a message, and why. The frame is handed back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a message: {reason}")]
#[non_exhaustive]
pub struct DecodeError {
    /// The reason.
    #[source]
    pub reason: DecodeCause,
    /// The frame, as it came.
    pub frame: Frame,
}

impl DecodeError {
    /// For custom serializers.
    #[must_use]
    pub fn new(reason: DecodeCause, frame: Frame) -> Self {
        DecodeError { reason, frame }
    }
}

/// The reason why a frame can't be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeCause {
    /// The frame is larger than [`Config::max_frame_size`](crate::Config::max_frame_size).
    #[error("{len} bytes are more than the {max} allowed")]
    #[non_exhaustive]
    TooLarge {
        /// The frame's length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The text isn't JSON, or isn't an array (V2) or an object (V1).
    #[error("malformed JSON at line {line}, column {column}")]
    #[non_exhaustive]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1.
        column: usize,
    },
    /// A field is missing, null or of the wrong type.
    #[error("the {0} is missing or of the wrong type")]
    Field(Field),
    /// This part of the frame isn't UTF-8.
    #[error("the {0} isn't UTF-8")]
    Utf8(Field),
    /// The binary frame ends before what its lengths announce.
    #[error("the frame ends inside the {0}")]
    Truncated(Field),
    /// The first byte of a binary frame names no known kind.
    #[error("unknown kind {0} of binary frame")]
    UnknownKind(u8),
    /// A binary frame has no bytes.
    #[error("empty binary frame")]
    Empty,
    /// This format has no binary frames.
    #[error("a binary frame in a format without them")]
    UnexpectedBinary,
    /// This format has no text frames.
    #[error("a text frame in a format without them")]
    UnexpectedText,
    /// A custom serializer's own error.
    #[error("{}", Escaped::new(.0))]
    Custom(String),
}

/// A part of a message, in errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Field {
    /// The header of a binary frame: its kind and lengths.
    Header,
    /// `join_ref`
    JoinRef,
    /// `ref`
    Ref,
    /// `topic`
    Topic,
    /// `event`
    Event,
    /// `payload`
    Payload,
    /// `status` of a reply
    Status,
    /// `response` of a reply
    Response,
    /// A part that only a custom serializer's format has, by its name: `Field::Custom(&"metadata")`.
    // Two references, so that errors stay as small as they are without it.
    Custom(&'static &'static str),
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Field::Header => "header",
            Field::JoinRef => "join_ref",
            Field::Ref => "ref",
            Field::Topic => "topic",
            Field::Event => "event",
            Field::Payload => "payload",
            Field::Status => "status",
            Field::Response => "response",
            Field::Custom(name) => name,
        })
    }
}
