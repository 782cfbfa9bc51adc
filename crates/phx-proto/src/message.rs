//! A decoded message of the Channels protocol, and the small types it is made of.

use core::fmt;

use bytestring::ByteString;

use crate::{Escaped, Payload, decimal};

/// One message of the Channels protocol, in either direction.
///
/// Topic, event and payload of a decoded message are slices of the frame it came in: cloning a
/// `Message` copies no text, and keeping one keeps the memory of its frame. `Debug` hides the
/// payload's contents.
///
/// | message | `join_ref` | `reference` | `event` | `status` |
/// |---|---|---|---|---|
/// | join | the join's ref | same | `phx_join` | |
/// | push, leave | of the current join | its own | the event, `phx_leave` | |
/// | heartbeat | none | its own | `heartbeat`, on topic `phoenix` | |
/// | reply | of the join it belongs to, or none | of what it answers | `phx_reply` | the status |
/// | server push | of the current join | none | the event | |
/// | broadcast | none | none | the event | |
/// | channel closed, crashed | the join's ref | same, or none | `phx_close`, `phx_error` | |
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Ref of the join that created the channel's current life; none in V1 and in broadcasts.
    pub join_ref: Option<Ref>,
    /// The client's ref of this push, or of the push that a reply answers.
    pub reference: Option<Ref>,
    /// The topic; `phoenix` for heartbeats.
    pub topic: ByteString,
    /// The event's name; `phx_reply` for replies.
    pub event: ByteString,
    /// The status of a reply; `None` for anything that isn't one.
    pub status: Option<Status>,
    /// The payload; for a reply its response.
    pub payload: Payload,
}

impl Message {
    /// A message with neither refs nor status: a broadcast, as the server writes it.
    pub fn new(
        topic: impl Into<ByteString>,
        event: impl Into<ByteString>,
        payload: Payload,
    ) -> Self {
        Message {
            join_ref: None,
            reference: None,
            topic: topic.into(),
            event: event.into(),
            status: None,
            payload,
        }
    }

    /// A reply to the push `reference`, on `topic`.
    pub fn reply(
        topic: impl Into<ByteString>,
        reference: Option<Ref>,
        status: Status,
        response: Payload,
    ) -> Self {
        let mut reply = Message::new(topic, event::REPLY, response);
        reply.reference = reference;
        reply.status = Some(status);
        reply
    }

    /// The same message with this `join_ref`.
    #[must_use]
    pub fn with_join_ref(mut self, join_ref: Option<Ref>) -> Self {
        self.join_ref = join_ref;
        self
    }

    /// The same message with this ref.
    #[must_use]
    pub fn with_reference(mut self, reference: Option<Ref>) -> Self {
        self.reference = reference;
        self
    }
}

/// Names of the events that belong to the protocol itself.
pub mod event {
    use bytestring::ByteString;

    /// Client to server: join the topic.
    pub const JOIN: ByteString = ByteString::from_static("phx_join");
    /// Client to server: leave the topic.
    pub const LEAVE: ByteString = ByteString::from_static("phx_leave");
    /// Server to client: a reply to a push.
    pub const REPLY: ByteString = ByteString::from_static("phx_reply");
    /// Server to client: the channel stopped normally.
    pub const CLOSE: ByteString = ByteString::from_static("phx_close");
    /// Server to client: the channel crashed.
    pub const ERROR: ByteString = ByteString::from_static("phx_error");
    /// Client to server, on the topic [`PHOENIX`](super::PHOENIX): I am alive.
    pub const HEARTBEAT: ByteString = ByteString::from_static("heartbeat");
    /// Server to client: all presences of the topic.
    pub const PRESENCE_STATE: ByteString = ByteString::from_static("presence_state");
    /// Server to client: presences that joined and left.
    pub const PRESENCE_DIFF: ByteString = ByteString::from_static("presence_diff");

    /// Returns `true` if only the protocol itself may send `event`: an application that pushed it
    /// would be misunderstood.
    #[must_use]
    pub fn is_reserved(event: &str) -> bool {
        // Not `heartbeat`: it is special on the topic `phoenix` alone, which has no channel.
        matches!(event, "phx_join" | "phx_leave" | "phx_reply" | "phx_close" | "phx_error")
    }
}

/// The topic of heartbeats.
pub const PHOENIX: ByteString = ByteString::from_static("phoenix");

/// A message's ref: a string on the wire, unique per socket.
///
/// Refs that are plain decimal numbers, which is all that clients send, are kept as numbers and
/// cost no allocation; any other string is kept as it is. Equality is that of the strings. `Display` shows such a
/// string [`Escaped`].
///
/// # Examples
///
/// ```
/// use phx_proto::Ref;
///
/// assert_eq!(Ref::from(7), Ref::from("7"));
/// assert_eq!(Ref::from("007").to_string(), "007");
/// assert_eq!(Ref::from("007").as_number(), None);
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ref(Repr);

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Repr {
    /// Written without leading zeros or sign, so that it prints as it was.
    Number(u64),
    Text(ByteString),
}

impl Ref {
    /// The ref that reads `text`, if it is a plain number.
    #[inline]
    pub(crate) fn plain_number(text: &[u8]) -> Option<Self> {
        canonical_number(text).map(Ref::from)
    }

    /// The number this ref is, if it is one.
    #[must_use]
    pub fn as_number(&self) -> Option<u64> {
        match self.0 {
            Repr::Number(number) => Some(number),
            Repr::Text(_) => None,
        }
    }

    /// The ref as it is on the wire, for custom serializers: `Display` escapes it.
    #[must_use]
    pub fn to_text(&self) -> ByteString {
        match &self.0 {
            Repr::Number(number) => ByteString::from(itoa::Buffer::new().format(*number)),
            Repr::Text(text) => text.clone(),
        }
    }

    /// The ref's text, if need be in this buffer.
    pub(crate) fn text<'a>(&'a self, digits: &'a mut itoa::Buffer) -> &'a str {
        match &self.0 {
            Repr::Number(number) => digits.format(*number),
            Repr::Text(text) => text,
        }
    }

    /// Number of bytes in the ref's text.
    pub(crate) fn encoded_len(&self) -> usize {
        match &self.0 {
            Repr::Number(number) => {
                // Zero has no logarithm, and one digit.
                number.checked_ilog10().map_or(1, |log| (log as usize).saturating_add(1))
            }
            Repr::Text(text) => text.len(),
        }
    }
}

/// A plain decimal: `"0"`, or digits that don't start with a zero.
fn canonical_number(text: &[u8]) -> Option<u64> {
    decimal::number_at_start(text).filter(|(_, len)| *len == text.len()).map(|(number, _)| number)
}

impl From<u64> for Ref {
    fn from(number: u64) -> Self {
        Ref(Repr::Number(number))
    }
}

/// The ref that reads so.
impl From<ByteString> for Ref {
    fn from(text: ByteString) -> Self {
        match canonical_number(text.as_bytes()) {
            Some(number) => Ref(Repr::Number(number)),
            None => Ref(Repr::Text(text)),
        }
    }
}

/// The ref that reads so, copied only if it isn't a plain number.
impl From<&str> for Ref {
    fn from(text: &str) -> Self {
        match canonical_number(text.as_bytes()) {
            Some(number) => Ref(Repr::Number(number)),
            None => Ref(Repr::Text(ByteString::from(text))),
        }
    }
}

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Number(number) => number.fmt(f),
            Repr::Text(text) => Escaped::new(text).fmt(f),
        }
    }
}

impl fmt::Debug for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ref({self})")
    }
}

/// The status of a reply. Servers may use any name; `ok` and `error` are what Phoenix itself sends.
///
/// `Display` shows another name [`Escaped`]; [`as_str`](Self::as_str) has it as it came.
#[derive(Clone, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "Other holds every status there is or will be")]
pub enum Status {
    /// `ok`
    Ok,
    /// `error`
    Error,
    /// Any other status, by name. Never `ok` or `error` in a decoded message.
    Other(ByteString),
}

impl Status {
    /// The status's name on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Status::Ok => "ok",
            Status::Error => "error",
            Status::Other(name) => name,
        }
    }
}

/// The status with this name.
impl From<ByteString> for Status {
    fn from(name: ByteString) -> Self {
        match &*name {
            "ok" => Status::Ok,
            "error" => Status::Error,
            _ => Status::Other(name),
        }
    }
}

/// The status with this name, copied only if it isn't one of Phoenix's own.
impl From<&str> for Status {
    fn from(name: &str) -> Self {
        match name {
            "ok" => Status::Ok,
            "error" => Status::Error,
            _ => Status::Other(ByteString::from(name)),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Ok | Status::Error => f.pad(self.as_str()),
            Status::Other(name) => Escaped::new(name).fmt(f),
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({self})")
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn only_plain_decimals_that_fit_are_numbers() {
        let numbers = ["0", "1", "9", "10", "9999999999999999999", "18446744073709551615"];
        for text in numbers {
            assert_eq!(Ref::from(text).as_number(), text.parse().ok(), "{text}");
        }
        let others = [
            "",
            "-1",
            "+1",
            "00",
            "01",
            "1/",
            "1:",
            "/1",
            ":1",
            "1 ",
            " 1",
            "1a",
            "1e3",
            "1.0",
            "18446744073709551616",
            "99999999999999999999",
            "100000000000000000000",
            "1\u{662}",
        ];
        for text in others {
            assert_eq!(Ref::from(text).as_number(), None, "{text}");
            assert_eq!(Ref::from(text).to_string(), text);
        }
    }
}
