//! Content from the server, in the form that streams hold.

use phx_proto::{ByteString, Payload, PayloadDropped};

use crate::messages::item::{Incoming, TopicMessage};

/// Content from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A message of the stream's channel: the usual case.
    Message { event: ByteString, payload: Payload },
    /// Content for some streams only. It is larger, and rare.
    Other(Box<Other>),
}

/// Content that only some streams receive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Other {
    Incoming(Incoming),
    Topic(TopicMessage),
}

impl Content {
    pub(crate) fn incoming(incoming: Incoming) -> Self {
        Content::Other(Box::new(Other::Incoming(incoming)))
    }

    pub(crate) fn topic(message: TopicMessage) -> Self {
        Content::Other(Box::new(Other::Topic(message)))
    }

    /// The bytes that it counts as.
    #[inline]
    pub(super) fn size(&self) -> usize {
        match self {
            Content::Message { event, payload } => event.len().saturating_add(payload.len()),
            Content::Other(other) => other.size(),
        }
    }
}

impl Other {
    fn size(&self) -> usize {
        match self {
            Other::Incoming(Incoming::Joined { response, .. }) => len(response),
            Other::Incoming(Incoming::Reply { status, response, .. }) => {
                status.as_str().len().saturating_add(len(response))
            }
            Other::Incoming(Incoming::Message(message)) => {
                message.event.len().saturating_add(message.payload.len())
            }
            Other::Topic(TopicMessage { topic, event, payload }) => {
                topic.len().saturating_add(event.len()).saturating_add(payload.len())
            }
        }
    }
}

fn len(response: &Result<Payload, PayloadDropped>) -> usize {
    response.as_ref().map_or(0, Payload::len)
}
