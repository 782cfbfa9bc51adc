//! The frames of the recordings, taken apart. `serializer_recordings.rs` shows that the serializers read
//! each of them, and write it as it was.

use std::collections::HashMap;

use phx_proto::{
    Frame, Message, Payload, PayloadDropped, Ref, Serializer, V1, V1Server, V2, V2Server,
};
use serde_json::Value;

use crate::Check;

/// A payload in a form for comparisons: JSON as a value, or bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    Json(Value),
    Binary(Vec<u8>),
}

impl Content {
    pub(crate) fn of(payload: &Payload) -> Check<Self> {
        if payload.is_binary() {
            return Ok(Content::Binary(payload.as_bytes().to_vec()));
        }
        Content::parse(std::str::from_utf8(payload.as_bytes()).map_err(|error| error.to_string())?)
    }

    pub(crate) fn of_answer(payload: &Result<Payload, PayloadDropped>) -> Check<Self> {
        Content::of(payload.as_ref().map_err(ToString::to_string)?)
    }

    pub(crate) fn parse(text: &str) -> Check<Self> {
        serde_json::from_str(text).map(Content::Json).map_err(|error| error.to_string())
    }
}

/// Parts of a frame.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) join_ref: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) topic: String,
    pub(crate) event: String,
    /// The status of a reply; the payload is its response then.
    pub(crate) status: Option<String>,
    pub(crate) payload: Payload,
}

impl From<Message> for Parts {
    fn from(message: Message) -> Self {
        let text = |reference: Option<Ref>| reference.map(|reference| reference.to_string());
        Parts {
            join_ref: text(message.join_ref),
            reference: text(message.reference),
            topic: message.topic.to_string(),
            event: message.event.to_string(),
            status: message.status.map(|status| status.to_string()),
            payload: message.payload,
        }
    }
}

impl Parts {
    /// Returns the parts of a client's frame.
    pub(crate) fn of_client(frame: &Frame) -> Check<Self> {
        let decoded = serializers(frame).1.decode(frame.clone());
        decoded.map(Parts::from).map_err(|error| error.to_string())
    }

    /// Returns the parts of a server's frame; `None` if it isn't a message, since the server repeats a client's wrong names.
    pub(crate) fn of_server(frame: &Frame) -> Option<Self> {
        serializers(frame).0.decode(frame.clone()).ok().map(Parts::from)
    }
}

/// Returns the serializers of client and server for the version of this frame.
fn serializers(frame: &Frame) -> (&'static dyn Serializer, &'static dyn Serializer) {
    let is_v1 = frame.is_text() && frame.as_bytes().starts_with(b"{");
    if is_v1 { (&V1, &V1Server) } else { (&V2, &V2Server) }
}

/// Bijection between the refs of the core and of the recording.
#[derive(Debug, Default)]
pub(crate) struct Refs {
    to_core: HashMap<String, String>,
    to_recorded: HashMap<String, String>,
}

impl Refs {
    /// Pairs two refs; an error if either has another partner.
    pub(crate) fn pair(&mut self, recorded: Option<&str>, core: Option<&str>) -> Check {
        let (recorded, core) = match (recorded, core) {
            (None, None) => return Ok(()),
            (Some(recorded), Some(core)) => (recorded, core),
            _ => return Err(format!("recorded ref {recorded:?}, the core's {core:?}")),
        };
        let core_known = self.to_core.entry(recorded.to_owned()).or_insert_with(|| core.to_owned());
        let recorded_known =
            self.to_recorded.entry(core.to_owned()).or_insert_with(|| recorded.to_owned());
        if core_known != core || recorded_known != recorded {
            return Err(format!(
                "recorded ref {recorded} is the core's {core_known}, \
                 but here {core} (recorded {recorded_known}) stands for it"
            ));
        }
        Ok(())
    }

    /// Returns the core's ref; for one that the core never sent, a ref that it never sends.
    pub(crate) fn core(&self, recorded: &str) -> String {
        self.to_core.get(recorded).cloned().unwrap_or_else(|| format!("77777{recorded}"))
    }

    /// Returns a server's frame with the core's refs in place of the recorded ones. Malformed frames stay unchanged.
    pub(crate) fn rewrite(&self, frame: &Frame) -> Check<Frame> {
        let (client, server) = serializers(frame);
        let Ok(mut message) = client.decode(frame.clone()) else { return Ok(frame.clone()) };
        for reference in [&mut message.join_ref, &mut message.reference] {
            *reference = reference.take().map(|it| Ref::from(&*self.core(&it.to_string())));
        }
        server.encode(&message).map_err(|error| error.to_string())
    }
}
