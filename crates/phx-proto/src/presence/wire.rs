//! Reads the payloads of the two presence events: first how much there is, then what it is.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Error as _, IgnoredAny};
use serde_json::value::RawValue;

use super::list::Weight;
use super::metas::Metas;
use super::{PresenceConfig, PresenceEntry, PresenceError, PresenceMeta};
use crate::serializer::scan::{Element, Scanner};
use crate::{DecodeErrorKind, Payload, PayloadError};

/// Presences, each key once and in order, which makes the order of changes that of the keys.
pub(super) type Entries<M, E> = Vec<(ByteString, Arc<PresenceEntry<M, E>>)>;

/// `{"joins": state, "leaves": state}`
pub(super) struct Diff<M, E> {
    pub(super) joins: Entries<M, E>,
    pub(super) leaves: Entries<M, E>,
}

/// A payload that is known to be within the limits: it has been looked through, and nothing of it has
/// been decoded or copied.
pub(super) struct Counted<'a> {
    text: Text<'a>,
    /// What a state has, or what a diff joins.
    joins: Count,
    leaves: Count,
}

/// What there is of what is limited. What is there twice counts twice.
#[derive(Clone, Copy, Default)]
struct Count {
    keys: usize,
    metas: usize,
}

impl<'a> Counted<'a> {
    /// Counts `{key: {"metas": [..], ..}, ..}`.
    pub(super) fn state(
        payload: &'a Payload,
        config: &'a PresenceConfig,
    ) -> Result<Self, PresenceError> {
        let text = Text::new(payload, config)?;
        let mut joins = Counter::new(config);
        text.read(|scanner| entries(scanner, &mut joins))?;
        Ok(Counted { text, joins: joins.count, leaves: Count::default() })
    }

    /// Counts `{"joins": state, "leaves": state}`.
    pub(super) fn diff(
        payload: &'a Payload,
        config: &'a PresenceConfig,
    ) -> Result<Self, PresenceError> {
        let text = Text::new(payload, config)?;
        let (mut joins, mut leaves) = (Counter::new(config), Counter::new(config));
        text.read(|scanner| diff(scanner, &mut joins, &mut leaves))?;
        Ok(Counted { text, joins: joins.count, leaves: leaves.count })
    }

    /// By how much the list grows with it at the most.
    pub(super) fn growth(&self) -> Weight {
        Weight { metas: self.joins.metas, bytes: self.text.payload.len() }
    }

    /// What it takes while it waits.
    pub(super) fn weight(&self) -> Weight {
        let metas = self.joins.metas.saturating_add(self.leaves.metas);
        Weight { metas, bytes: self.text.payload.len() }
    }

    pub(super) fn decode_state<M, E>(&self) -> Result<Entries<M, E>, PresenceError>
    where
        M: DeserializeOwned,
        E: DeserializeOwned,
    {
        let mut joins = Decoder::new(self.joins);
        self.text.read(|scanner| entries(scanner, &mut joins))?;
        Ok(joins.finish())
    }

    pub(super) fn decode_diff<M, E>(&self) -> Result<Diff<M, E>, PresenceError>
    where
        M: DeserializeOwned,
        E: DeserializeOwned,
    {
        let (mut joins, mut leaves) = (Decoder::new(self.joins), Decoder::new(self.leaves));
        self.text.read(|scanner| diff(scanner, &mut joins, &mut leaves))?;
        Ok(Diff { joins: joins.finish(), leaves: leaves.finish() })
    }
}

/// The text of a payload, which is UTF-8 and not longer than allowed.
#[derive(Clone, Copy)]
struct Text<'a> {
    payload: &'a Payload,
    config: &'a PresenceConfig,
}

/// Why reading stops.
enum Fault {
    /// The text isn't JSON, or not of the outermost shape.
    Grammar,
    /// It is JSON, but no presences.
    Shape(&'static str),
    /// Something in it isn't of the wanted type.
    Data(serde_json::Error),
    TooManyMetas,
}

impl From<DecodeErrorKind> for Fault {
    fn from(_: DecodeErrorKind) -> Self {
        Fault::Grammar
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Fault::Data(error)
    }
}

impl<'a> Text<'a> {
    fn new(payload: &'a Payload, config: &'a PresenceConfig) -> Result<Self, PresenceError> {
        let limit = config.max_bytes;
        if payload.len() > limit {
            return Err(PresenceError::TooManyBytes { limit, payload: payload.clone() });
        }
        if payload.is_binary() {
            return Err(PayloadError::Binary { payload: payload.clone() }.into());
        }
        let text = Text { payload, config };
        match core::str::from_utf8(payload.as_bytes()) {
            Ok(_) => Ok(text),
            Err(_) => Err(text.refused(Fault::Grammar)),
        }
    }

    fn read(
        self,
        read: impl FnOnce(&mut Scanner<'a>) -> Result<(), Fault>,
    ) -> Result<(), PresenceError> {
        let mut scanner = Scanner::new(self.payload.as_bytes());
        let result = read(&mut scanner).and_then(|()| Ok(scanner.end()?));
        result.map_err(|fault| self.refused(fault))
    }

    #[cold]
    fn refused(self, fault: Fault) -> PresenceError {
        let payload = self.payload.clone();
        let error = match fault {
            Fault::TooManyMetas => {
                return PresenceError::TooManyMetas { limit: self.config.max_metas, payload };
            }
            // The scanner notices that something is wrong, `serde_json` says what.
            Fault::Grammar => match payload.decode::<&RawValue>() {
                Err(error) => return error.into(),
                Ok(_) => serde_json::Error::custom("something else than presences by key"),
            },
            Fault::Shape(what) => serde_json::Error::custom(what),
            Fault::Data(error) => error,
        };
        PayloadError::Deserialize { error: error.into(), payload }.into()
    }
}

/// What is made of presences while they are read.
trait Reader {
    /// A meta of the presence that comes next.
    fn meta(&mut self, text: &[u8]) -> Result<(), Fault>;

    /// A presence, written as `text`. Says whether it has anything beside its metas.
    fn presence(&mut self, key: Key<'_>, text: &[u8], has_extra: bool) -> Result<(), Fault>;
}

/// A key of an object.
#[derive(Clone, Copy)]
struct Key<'a> {
    element: Element,
    text: &'a [u8],
}

impl<'a> Key<'a> {
    fn text(self) -> Result<Cow<'a, [u8]>, Fault> {
        self.element.text(self.text).ok_or(Fault::Shape("a key with half of a surrogate pair"))
    }
}

/// Reads `{"joins": state, "leaves": state}`.
fn diff(
    scanner: &mut Scanner<'_>,
    joins: &mut impl Reader,
    leaves: &mut impl Reader,
) -> Result<(), Fault> {
    let (mut joined, mut left) = (false, false);
    object(scanner, |scanner, name| {
        let (reader, seen): (&mut dyn Reader, _) = match &*name.text()? {
            b"joins" => (joins, &mut joined),
            b"leaves" => (leaves, &mut left),
            _ => {
                scanner.value()?;
                return Ok(());
            }
        };
        if mem::replace(seen, true) {
            return Err(Fault::Shape("joins or leaves twice"));
        }
        entries(scanner, reader)
    })?;
    if joined && left { Ok(()) } else { Err(Fault::Shape("no joins, or no leaves")) }
}

/// Reads `{key: {"metas": [..], ..}, ..}`.
fn entries(scanner: &mut Scanner<'_>, reader: &mut (impl Reader + ?Sized)) -> Result<(), Fault> {
    object(scanner, |scanner, key| {
        let (has_extra, span) = scanner.spanned(|scanner| entry(scanner, reader))?;
        reader.presence(key, span.of(scanner.text()), has_extra)
    })
}

/// Reads `{"metas": [..], ..}`; whether there is anything beside the metas.
fn entry(scanner: &mut Scanner<'_>, reader: &mut (impl Reader + ?Sized)) -> Result<bool, Fault> {
    let (mut has_metas, mut has_extra) = (false, false);
    object(scanner, |scanner, name| {
        if *name.text()? != *b"metas" {
            has_extra = true;
            scanner.value()?;
            return Ok(());
        }
        if mem::replace(&mut has_metas, true) {
            return Err(Fault::Shape("metas twice"));
        }
        scanner.expect(b'[')?;
        if scanner.eat(b']') {
            return Ok(());
        }
        loop {
            let meta = scanner.value()?;
            reader.meta(meta.of(scanner.text()))?;
            if !scanner.eat(b',') {
                return Ok(scanner.expect(b']')?);
            }
        }
    })?;
    if has_metas { Ok(has_extra) } else { Err(Fault::Shape("no metas")) }
}

/// Reads an object: `member` is called after each key and its colon, and reads the value.
fn object<'a>(
    scanner: &mut Scanner<'a>,
    mut member: impl FnMut(&mut Scanner<'a>, Key<'a>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    scanner.expect(b'{')?;
    if scanner.eat(b'}') {
        return Ok(());
    }
    loop {
        let element = scanner.key()?;
        let text = scanner.text();
        member(scanner, Key { element, text })?;
        if !scanner.eat(b',') {
            return Ok(scanner.expect(b'}')?);
        }
    }
}

/// Counts, and stops at the limit.
struct Counter {
    count: Count,
    /// The metas of the presence that comes next.
    metas: usize,
    limit: usize,
}

impl Counter {
    fn new(config: &PresenceConfig) -> Self {
        Counter { count: Count::default(), metas: 0, limit: config.max_metas }
    }

    fn add(&mut self) -> Result<(), Fault> {
        self.count.metas = self.count.metas.saturating_add(1);
        if self.count.metas > self.limit { Err(Fault::TooManyMetas) } else { Ok(()) }
    }
}

impl Reader for Counter {
    fn meta(&mut self, _: &[u8]) -> Result<(), Fault> {
        self.metas = self.metas.saturating_add(1);
        self.add()
    }

    fn presence(&mut self, _: Key<'_>, _: &[u8], _: bool) -> Result<(), Fault> {
        self.count.keys = self.count.keys.saturating_add(1);
        // One without metas counts as one.
        if mem::take(&mut self.metas) == 0 { self.add() } else { Ok(()) }
    }
}

struct Decoder<M, E> {
    entries: Entries<M, E>,
    /// The metas of the presence that comes next.
    metas: Vec<Arc<PresenceMeta<M>>>,
}

impl<M, E> Decoder<M, E> {
    fn new(count: Count) -> Self {
        Decoder { entries: Vec::with_capacity(count.keys), metas: Vec::new() }
    }

    /// What was read, in order. Of equal keys the last counts, as in a JavaScript object.
    fn finish(self) -> Entries<M, E> {
        let mut entries = self.entries;
        if !entries.is_sorted_by(|(one, _), (next, _)| one < next) {
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            entries.dedup_by(|next, kept| {
                let is_same = next.0 == kept.0;
                if is_same {
                    mem::swap(next, kept);
                }
                is_same
            });
        }
        entries
    }
}

#[derive(Deserialize)]
struct Refs {
    phx_ref: Box<str>,
    phx_ref_prev: Option<Box<str>>,
}

/// What stands beside the metas.
#[derive(Deserialize)]
#[serde(bound = "E: DeserializeOwned")]
struct Beside<E> {
    #[serde(default, rename = "metas")]
    _metas: IgnoredAny,
    #[serde(flatten)]
    extra: E,
}

impl<M: DeserializeOwned, E: DeserializeOwned> Reader for Decoder<M, E> {
    /// Reads the text twice, for the refs and for `M`: flattening would hide the refs from `M` and
    /// wouldn't let it be a `RawValue`.
    fn meta(&mut self, text: &[u8]) -> Result<(), Fault> {
        let Refs { phx_ref, phx_ref_prev } = serde_json::from_slice(text)?;
        let data = serde_json::from_slice(text)?;
        if self.metas.is_empty() {
            // Most have one.
            self.metas.reserve_exact(1);
        }
        let size = text.len();
        self.metas.push(Arc::new(PresenceMeta { phx_ref, phx_ref_prev, data, size }));
        Ok(())
    }

    fn presence(&mut self, key: Key<'_>, text: &[u8], has_extra: bool) -> Result<(), Fault> {
        let mut metas = mem::take(&mut self.metas);
        metas.shrink_to_fit();
        let metas = Metas::from(metas);
        let Beside { extra, .. } =
            serde_json::from_slice::<Beside<E>>(if has_extra { text } else { b"{}" })?;
        let extra_size = text.len().saturating_sub(metas.size());
        let key = match key.text()? {
            Cow::Borrowed(key) => Bytes::copy_from_slice(key),
            Cow::Owned(key) => Bytes::from(key),
        };
        let key = ByteString::try_from(key).map_err(|_| Fault::Grammar)?;
        let entry = PresenceEntry { metas, extra: Arc::new(extra), extra_size };
        self.entries.push((key, Arc::new(entry)));
        Ok(())
    }
}
