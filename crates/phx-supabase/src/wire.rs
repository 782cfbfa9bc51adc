//! The layout of frames of kinds 3 and 4, broadcasts of users. Every length is one byte; the rest is the payload.
//!
//! | kind | from | layout |
//! |---|---|---|
//! | 3 | client | `03`, lengths of `join_ref`, `ref`, topic, event, metadata, encoding; those; payload |
//! | 4 | server | `04`, lengths of topic, event, metadata, encoding; those; payload |

use phx_client::{ByteString, Bytes, DecodeCause, EncodeError, Field};

/// Event of broadcasts that came, or will go, in a frame of kind 4 or 3. Those in text frames have the event `broadcast`.
pub const USER_BROADCAST: ByteString = ByteString::from_static("broadcast:user");

/// Event of broadcasts in text frames.
pub(crate) const BROADCAST: ByteString = ByteString::from_static("broadcast");

pub(crate) const PUSH_KIND: u8 = 3;
pub(crate) const BROADCAST_KIND: u8 = 4;
/// Number of bytes of a frame of kind 4 in front of its names.
const HEADER: usize = 5;
pub(crate) const JSON: u8 = 1;
pub(crate) const BYTES: u8 = 0;
pub(crate) const METADATA: Field = Field::Custom(&"metadata");
const ENCODING: Field = Field::Custom(&"encoding");

/// Parts of a frame of kind 4.
pub(crate) struct Parts<'a> {
    pub(crate) topic: &'a [u8],
    pub(crate) event: &'a [u8],
    pub(crate) metadata: &'a [u8],
    pub(crate) encoding: u8,
    pub(crate) payload: &'a [u8],
}

impl<'a> Parts<'a> {
    pub(crate) fn read(frame: &'a [u8]) -> Result<Self, DecodeCause> {
        let (header, rest) =
            frame.split_first_chunk::<HEADER>().ok_or(DecodeCause::Truncated(Field::Header))?;
        let [_, topic, event, metadata, encoding] = *header;
        let split = |rest: &'a [u8], len: u8, field| {
            rest.split_at_checked(usize::from(len)).ok_or(DecodeCause::Truncated(field))
        };
        let (topic, rest) = split(rest, topic, Field::Topic)?;
        let (event, rest) = split(rest, event, Field::Event)?;
        let (metadata, payload) = split(rest, metadata, METADATA)?;
        Ok(Parts { topic, event, metadata, encoding, payload })
    }
}

/// The topic of a frame of kind 4 in which every part is as it must be, except that its JSON isn't looked at.
pub(crate) fn topic(frame: &Bytes) -> Result<ByteString, DecodeCause> {
    let parts = Parts::read(frame)?;
    if parts.encoding > JSON {
        return Err(DecodeCause::Field(ENCODING));
    }
    std::str::from_utf8(parts.event).map_err(|_| DecodeCause::Utf8(Field::Event))?;
    ByteString::try_from(frame.slice_ref(parts.topic)).map_err(|_| DecodeCause::Utf8(Field::Topic))
}

/// The topic of any frame of kind 4 that is whole as far as that.
pub(crate) fn topic_at_least(frame: &Bytes) -> Option<ByteString> {
    let end = HEADER.saturating_add(usize::from(*frame.get(1)?));
    ByteString::try_from(frame.slice_ref(frame.get(HEADER..end)?)).ok()
}

pub(crate) fn frame(
    kind: u8,
    names: &[(Field, &[u8])],
    encoding: u8,
    payload: &[u8],
) -> Result<Bytes, EncodeError> {
    let size = names.iter().fold(payload.len().saturating_add(2), |size, (_, name)| {
        size.saturating_add(name.len()).saturating_add(1)
    });
    // Exact, so that the buffer becomes a frame without another allocation.
    let mut frame = Vec::with_capacity(size);
    frame.push(kind);
    for (field, name) in names {
        frame.push(length(*field, name)?);
    }
    frame.push(encoding);
    for (_, name) in names {
        frame.extend_from_slice(name);
    }
    frame.extend_from_slice(payload);
    Ok(Bytes::from(frame))
}

pub(crate) fn length(field: Field, name: &[u8]) -> Result<u8, EncodeError> {
    let len = name.len();
    u8::try_from(len).map_err(|_| EncodeError::too_long(field, len))
}
