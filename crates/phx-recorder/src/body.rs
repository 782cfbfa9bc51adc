//! Payloads: what is recorded of them, and what stands in for them in a replay.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use phx_proto::Payload;

use crate::entry::{Body, Hashed, Hex, OtherBody, Reason};
use crate::filler::filler;
use crate::options::Payloads;

/// Longest payload that is recorded whole, in bytes; of a longer one the length is.
pub(crate) const MAX_WHOLE: usize = 64 << 10;

/// Records payloads in one way.
#[derive(Debug)]
pub(crate) struct Bodies {
    payloads: Payloads,
    /// Drawn for each recording, and never stored.
    key: RandomState,
}

impl Bodies {
    pub(crate) fn new(payloads: Payloads) -> Self {
        Bodies { payloads, key: RandomState::new() }
    }

    /// The record of a payload that may be looked at, which one that is marked may not.
    #[inline]
    pub(crate) fn of(&self, payload: &Payload) -> Body {
        let is_plain = !payload.is_binary() && !payload.is_uncompressed();
        let len = payload.len() as u64;
        match self.payloads {
            Payloads::Length if is_plain => Body::Json(len),
            Payloads::Hashed if is_plain => Body::Hashed(Hashed { len, hash: self.hash(payload) }),
            _ => self.other(payload),
        }
    }

    /// A hash that without the key says nothing: `SipHash`.
    fn hash(&self, payload: &Payload) -> Hex {
        let mut hasher = self.key.build_hasher();
        hasher.write(payload.as_bytes());
        Hex(hasher.finish())
    }

    /// The record of params: their length.
    pub(crate) fn of_secret(payload: &Payload) -> Body {
        if payload.is_binary() || payload.is_uncompressed() {
            return Body::Other(Box::new(marks(payload)));
        }
        Body::Json(payload.len() as u64)
    }

    /// The record of a reply's payload, whose reason the socket may act on.
    pub(crate) fn of_answer(&self, payload: &Payload) -> Body {
        let reason = match payload.reason().as_deref() {
            Some("join crashed") => Some(Reason::JoinCrashed),
            Some("unmatched topic") => Some(Reason::UnmatchedTopic),
            _ => return self.of(payload),
        };
        Body::Other(Box::new(OtherBody { reason, ..marks(payload) }))
    }

    fn other(&self, payload: &Payload) -> Body {
        let mut body = marks(payload);
        // The mark is for payloads with secrets.
        if !payload.is_uncompressed() {
            match self.payloads {
                Payloads::Length => {}
                Payloads::Hashed => body.hash = Some(self.hash(payload)),
                Payloads::Whole if payload.len() <= MAX_WHOLE => {
                    body.whole = if payload.is_binary() {
                        Some(hex(payload.as_bytes()).into())
                    } else {
                        payload.as_json().map(Into::into)
                    };
                }
                Payloads::Whole => {}
            }
        }
        Body::Other(Box::new(body))
    }
}

fn marks(payload: &Payload) -> OtherBody {
    OtherBody {
        len: payload.len() as u64,
        binary: payload.is_binary(),
        uncompressed: payload.is_uncompressed(),
        ..OtherBody::default()
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    bytes.iter().fold(String::with_capacity(bytes.len().saturating_mul(2)), |mut text, byte| {
        // A string takes everything.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => u8::try_from((nibble(*high)? << 4) | nibble(*low)?).ok(),
            _ => None,
        })
        .collect()
}

impl Body {
    /// The length in bytes.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Body::Json(len) | Body::Hashed(Hashed { len, .. }) => *len,
            Body::Other(body) => body.len,
        }
    }

    /// The memory that it takes beside its own place, in bytes.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Body::Json(_) | Body::Hashed(_) => 0,
            Body::Other(body) => {
                let whole = body.whole.as_ref().map_or(0, |whole| whole.len());
                size_of::<OtherBody>().saturating_add(whole)
            }
        }
    }

    /// A payload that the socket takes as it took the recorded one; `None` if the record makes no sense.
    pub(crate) fn payload(&self) -> Option<Payload> {
        let body = match self {
            Body::Json(len) | Body::Hashed(Hashed { len, .. }) => return json(*len, ""),
            Body::Other(body) => body,
        };
        let payload = match (&body.whole, body.reason) {
            (Some(whole), _) if body.binary => Payload::binary(unhex(whole)?),
            (Some(whole), _) => Payload::from_unchecked_json(whole.as_bytes().to_vec().into()),
            (None, Some(reason)) => json(
                body.len,
                match reason {
                    Reason::JoinCrashed => r#"{"reason":"join crashed"}"#,
                    Reason::UnmatchedTopic => r#"{"reason":"unmatched topic"}"#,
                },
            )?,
            (None, None) if body.binary => Payload::binary(filler(body.len)?),
            (None, None) => json(body.len, "")?,
        };
        let is_too_long = body.whole.is_some() && payload.len() > MAX_WHOLE;
        if is_too_long || payload.len() as u64 != body.len {
            return None;
        }
        Some(if body.uncompressed { payload.uncompressed() } else { payload })
    }
}

/// JSON of this length that starts with `start`; without one, of spaces. Nothing looks into the latter.
fn json(len: u64, start: &str) -> Option<Payload> {
    let spaces = filler(len)?;
    if start.is_empty() {
        return Some(Payload::from_unchecked_json(spaces));
    }
    let mut text = start.as_bytes().to_vec();
    text.extend_from_slice(spaces.get(start.len()..)?);
    Some(Payload::from_unchecked_json(text.into()))
}
