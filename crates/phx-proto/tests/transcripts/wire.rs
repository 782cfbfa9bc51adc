//! The frames of the recordings, read without the serializers that are under test.

use std::borrow::Cow;
use std::collections::HashMap;

use phx_proto::{Frame, Payload, PayloadDropped};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::Check;

/// A payload as it is compared: JSON as a value, bytes as they are.
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

/// What a client sent.
#[derive(Clone, Debug)]
pub(crate) struct ClientFrame {
    pub(crate) join_ref: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) topic: String,
    pub(crate) event: String,
    pub(crate) payload: Payload,
}

impl ClientFrame {
    pub(crate) fn parse(frame: &Frame) -> Check<Self> {
        match frame {
            Frame::Text(text) => {
                let text = utf8(text)?;
                if text.starts_with('{') { Self::parse_v1(&text) } else { Self::parse_v2(&text) }
            }
            Frame::Binary(data) => {
                let Some((0, rest)) = data.split_first() else {
                    return Err("not a client's binary push".to_owned());
                };
                let ([join_ref, reference, topic, event], payload) = names::<4>(rest)?;
                Ok(ClientFrame {
                    join_ref: Some(join_ref),
                    reference: Some(reference),
                    topic,
                    event,
                    payload: Payload::binary(payload.to_vec()),
                })
            }
        }
    }

    fn parse_v2(text: &str) -> Check<Self> {
        let [join_ref, reference, topic, event, payload] = five(text)?;
        Ok(ClientFrame {
            join_ref: string_or_null(join_ref)?,
            reference: string_or_null(reference)?,
            topic: string(topic)?,
            event: string(event)?,
            payload: json(payload)?,
        })
    }

    fn parse_v1(text: &str) -> Check<Self> {
        let v1: V1<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        Ok(ClientFrame {
            join_ref: v1.join_ref.map(Cow::into_owned),
            reference: v1.r#ref.map(Cow::into_owned),
            topic: v1.topic.into_owned(),
            event: v1.event.into_owned(),
            payload: json(v1.payload)?,
        })
    }
}

/// What the server sent. Parts that aren't of their type (it repeats a client's wrong ones) are
/// `None`.
#[derive(Clone, Debug)]
pub(crate) struct ServerFrame {
    pub(crate) join_ref: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) topic: Option<String>,
    pub(crate) event: String,
    /// Of a reply; the payload is its response then.
    pub(crate) status: Option<String>,
    pub(crate) payload: Content,
}

impl ServerFrame {
    pub(crate) fn parse(frame: &Frame) -> Check<Self> {
        match frame {
            Frame::Text(text) => {
                let text = utf8(text)?;
                let parsed = if text.starts_with('{') {
                    let v1: V1<'_> = serde_json::from_str(&text).map_err(|e| e.to_string())?;
                    ServerFrame {
                        join_ref: None,
                        reference: v1.r#ref.map(Cow::into_owned),
                        topic: Some(v1.topic.into_owned()),
                        event: v1.event.into_owned(),
                        status: None,
                        payload: Content::parse(v1.payload.get())?,
                    }
                } else {
                    let [join_ref, reference, topic, event, payload] = five(&text)?;
                    ServerFrame {
                        join_ref: string(join_ref).ok(),
                        reference: string(reference).ok(),
                        topic: string(topic).ok(),
                        event: string(event)?,
                        status: None,
                        payload: Content::parse(payload.get())?,
                    }
                };
                parsed.unwrap_reply()
            }
            Frame::Binary(data) => Self::parse_binary(data),
        }
    }

    fn unwrap_reply(mut self) -> Check<Self> {
        if self.event == "phx_reply" {
            let Content::Json(Value::Object(mut reply)) = self.payload else {
                return Err("a reply that isn't an object".to_owned());
            };
            let status = reply.get("status").and_then(Value::as_str);
            self.status = Some(status.ok_or("a reply without a status")?.to_owned());
            self.payload =
                Content::Json(reply.remove("response").ok_or("a reply without a response")?);
        }
        Ok(self)
    }

    fn parse_binary(data: &[u8]) -> Check<Self> {
        let (kind, rest) = data.split_first().ok_or("an empty frame")?;
        let (join_ref, reference, topic, event, status, payload) = match kind {
            0 => {
                let ([join_ref, topic, event], payload) = names::<3>(rest)?;
                (Some(join_ref), None, topic, event, None, payload)
            }
            1 => {
                let ([join_ref, reference, topic, status], payload) = names::<4>(rest)?;
                let event = "phx_reply".to_owned();
                (Some(join_ref), Some(reference), topic, event, Some(status), payload)
            }
            2 => {
                let ([topic, event], payload) = names::<2>(rest)?;
                (None, None, topic, event, None, payload)
            }
            kind => return Err(format!("binary kind {kind}")),
        };
        let payload = Content::Binary(payload.to_vec());
        Ok(ServerFrame { join_ref, reference, topic: Some(topic), event, status, payload })
    }
}

/// Which ref of the core stands for which ref of the recording, both ways.
#[derive(Debug, Default)]
pub(crate) struct Refs {
    to_core: HashMap<String, String>,
    to_recorded: HashMap<String, String>,
}

impl Refs {
    /// The two must be each other's, now and later.
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

    /// The core's ref; for one that the core never sent, a ref that it never will.
    pub(crate) fn core(&self, recorded: &str) -> String {
        self.to_core.get(recorded).cloned().unwrap_or_else(|| format!("77777{recorded}"))
    }

    /// A frame of the server with the core's refs in place of the recorded ones. Everything else
    /// stays as it was, byte for byte.
    pub(crate) fn rewrite(&self, frame: &Frame) -> Check<Frame> {
        let Frame::Text(text) = frame else {
            return self.rewrite_binary(frame.as_bytes());
        };
        let text = utf8(text)?;
        let new_ref = |raw: &RawValue| match string(raw) {
            Ok(recorded) => Value::from(self.core(&recorded)).to_string(),
            Err(_) => raw.get().to_owned(),
        };
        if text.starts_with('{') {
            let whole: HashMap<&str, &RawValue> =
                serde_json::from_str(&text).map_err(|error| error.to_string())?;
            let raw = whole.get("ref").ok_or("no `ref`")?;
            let old = format!("\"ref\":{}", raw.get());
            let new = format!("\"ref\":{}", new_ref(raw));
            // The server writes the keys in order: the envelope's ref comes after the payload.
            let at = text.rfind(&old).ok_or("no `ref`")?;
            let (before, after) = text.split_at(at);
            return Ok(Frame::text(format!("{before}{}", after.replacen(&old, &new, 1))));
        }
        let [join_ref, reference, topic, event, payload] = five(&text)?;
        let (join_ref, reference) = (new_ref(join_ref), new_ref(reference));
        Ok(Frame::text(format!("[{join_ref},{reference},{topic},{event},{payload}]")))
    }

    fn rewrite_binary(&self, data: &[u8]) -> Check<Frame> {
        let (&kind, rest) = data.split_first().ok_or("an empty frame")?;
        let (mut parts, refs, payload) = match kind {
            0 => names::<3>(rest).map(|(names, payload)| (names.to_vec(), 1, payload))?,
            1 => names::<4>(rest).map(|(names, payload)| (names.to_vec(), 2, payload))?,
            _ => return Ok(Frame::binary(data.to_vec())),
        };
        for part in parts.iter_mut().take(refs) {
            *part = self.core(part);
        }
        let mut bytes = vec![kind];
        for part in &parts {
            bytes.push(u8::try_from(part.len()).map_err(|error| error.to_string())?);
        }
        bytes.extend(parts.iter().flat_map(|part| part.bytes()));
        bytes.extend(payload);
        Ok(Frame::binary(bytes))
    }
}

#[derive(Deserialize)]
struct V1<'a> {
    #[serde(borrow)]
    topic: Cow<'a, str>,
    event: Cow<'a, str>,
    #[serde(borrow)]
    payload: &'a RawValue,
    r#ref: Option<Cow<'a, str>>,
    join_ref: Option<Cow<'a, str>>,
}

fn utf8(bytes: &[u8]) -> Check<String> {
    String::from_utf8(bytes.to_vec()).map_err(|error| error.to_string())
}

fn five(text: &str) -> Check<[&RawValue; 5]> {
    serde_json::from_str(text).map_err(|error| format!("{text}: {error}"))
}

fn string(raw: &RawValue) -> Check<String> {
    serde_json::from_str(raw.get()).map_err(|error| error.to_string())
}

fn string_or_null(raw: &RawValue) -> Check<Option<String>> {
    serde_json::from_str(raw.get()).map_err(|error| error.to_string())
}

fn json(raw: &RawValue) -> Check<Payload> {
    Payload::from_json_text(raw.get().to_owned()).map_err(|error| error.to_string())
}

/// `N` names behind their `N` lengths, and what is left.
fn names<const N: usize>(bytes: &[u8]) -> Check<([String; N], &[u8])> {
    let (lens, mut rest) = bytes.split_at_checked(N).ok_or("a short header")?;
    let mut names = [const { String::new() }; N];
    for (name, &len) in names.iter_mut().zip(lens) {
        let (text, after) = rest.split_at_checked(len.into()).ok_or("a short name")?;
        *name = utf8(text)?;
        rest = after;
    }
    Ok((names, rest))
}
