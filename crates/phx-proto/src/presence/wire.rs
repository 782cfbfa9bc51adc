//! Reads the payloads of the two presence events: counts first, then decodes.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Error as _, IgnoredAny};

use super::ignored::ignored;
use super::list::Weight;
use super::metas::Metas;
use super::places::places_in_order;
use super::{PresenceConfig, PresenceEntry, PresenceError, PresenceMeta};
use crate::serializer::scan::{Element, Scanner, Span};
use crate::{DecodeCause, Payload, PayloadError};

/// Presences, each key once and in order, which makes the order of changes that of the keys.
pub(super) type Entries<M, E> = Vec<(ByteString, Arc<PresenceEntry<M, E>>)>;

/// `{"joins": state, "leaves": state}`
pub(super) struct Diff<M, E> {
    pub(super) joins: Entries<M, E>,
    pub(super) leaves: Entries<M, E>,
}

/// The kind of a presence payload.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// `{key: {"metas": [..], ..}, ..}`
    State,
    /// `{"joins": state, "leaves": state}`
    Diff,
}

/// A payload that is known to be within the limits: it has been scanned, and nothing of it has been
/// decoded or copied.
pub(super) struct Counted<'a> {
    text: Text<'a>,
    /// Contents of a state, or of the joins of a diff.
    joins: Count,
    /// Contents of the leaves of a diff; zero for a state.
    leaves: Count,
}

/// Numbers of the things that are limited. Duplicates count each time.
#[derive(Clone, Copy, Default)]
struct Count {
    keys: usize,
    metas: usize,
}

impl<'a> Counted<'a> {
    pub(super) fn new(
        kind: Kind,
        payload: &'a Payload,
        config: &'a PresenceConfig,
    ) -> Result<Self, PresenceError> {
        let text = Text::new(kind, payload, config)?;
        let (mut joins, mut leaves) = (Counter::new(config), Counter::new(config));
        text.read(&mut joins, &mut leaves)?;
        Ok(Counted { text, joins: joins.count, leaves: leaves.count })
    }

    /// Upper bound of the list's growth by this payload.
    pub(super) fn growth(&self) -> Weight {
        Weight { metas: self.joins.metas, bytes: self.text.json.len() }
    }

    /// Weight of a diff while it waits for the state.
    pub(super) fn weight(&self) -> Weight {
        let metas = self.joins.metas.saturating_add(self.leaves.metas);
        Weight { metas, bytes: self.text.json.len() }
    }

    /// The diff, of which a state is the joins.
    pub(super) fn decode<M, E>(&self) -> Result<Diff<M, E>, PresenceError>
    where
        M: DeserializeOwned,
        E: DeserializeOwned,
    {
        let json = self.text.json;
        let (mut joins, mut leaves) =
            (Decoder::new(json, self.joins), Decoder::new(json, self.leaves));
        self.text.read(&mut joins, &mut leaves)?;
        Ok(Diff { joins: joins.finish(), leaves: leaves.finish() })
    }
}

/// The text of a payload, which is UTF-8 and not longer than allowed.
#[derive(Clone, Copy)]
struct Text<'a> {
    kind: Kind,
    json: &'a str,
    payload: &'a Payload,
    config: &'a PresenceConfig,
}

/// The reason why reading stops.
enum Fault {
    /// The text isn't JSON, or not of the outermost shape.
    Grammar,
    /// It is JSON, but no presences.
    Shape(&'static str),
    /// Something in it isn't of the wanted type.
    Data(serde_json::Error),
    TooManyMetas,
}

impl From<DecodeCause> for Fault {
    fn from(_: DecodeCause) -> Self {
        Fault::Grammar
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Fault::Data(error)
    }
}

impl<'a> Text<'a> {
    fn new(
        kind: Kind,
        payload: &'a Payload,
        config: &'a PresenceConfig,
    ) -> Result<Self, PresenceError> {
        // Before the text is looked at: a payload over the limit must cost nothing.
        let limit = config.max_bytes;
        if payload.len() > limit {
            return Err(PresenceError::TooManyBytes { limit, payload: payload.clone() });
        }
        let json = payload.as_json();
        let text = Text { kind, json: json.unwrap_or_default(), payload, config };
        if json.is_some() { Ok(text) } else { Err(text.refused(Fault::Grammar)) }
    }

    fn read(self, joins: &mut dyn Reader, leaves: &mut dyn Reader) -> Result<(), PresenceError> {
        let mut scanner = Scanner::new(self.json.as_bytes());
        // The readers are trait objects: one copy of this code serves counting and all types.
        let result = match self.kind {
            Kind::State => entries(&mut scanner, joins),
            Kind::Diff => diff(&mut scanner, joins, leaves),
        };
        let result = result.and_then(|()| Ok(scanner.end()?));
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
            Fault::Grammar => match payload.check_grammar() {
                Err(error) => return error.into(),
                Ok(()) => serde_json::Error::custom("something else than presences by key"),
            },
            Fault::Shape(what) => serde_json::Error::custom(what),
            Fault::Data(error) => error,
        };
        PayloadError::Deserialize { error: error.into(), payload }.into()
    }
}

/// Receives presences while they are scanned.
trait Reader {
    /// Takes a meta of the presence that comes next.
    fn meta(&mut self, meta: Span) -> Result<(), Fault>;

    /// Takes a presence, after its metas; `has_extra` is `true` if it has fields beside them.
    fn presence(&mut self, key: Element, entry: Span, has_extra: bool) -> Result<(), Fault>;
}

/// The text of a key.
fn name(key: Element, json: &[u8]) -> Result<Cow<'_, [u8]>, Fault> {
    key.text(json).ok_or(Fault::Shape("a key with half of a surrogate pair"))
}

/// Reads `{"joins": state, "leaves": state}`.
fn diff(
    scanner: &mut Scanner<'_>,
    joins: &mut dyn Reader,
    leaves: &mut dyn Reader,
) -> Result<(), Fault> {
    let (mut joined, mut left) = (false, false);
    scanner.object(|scanner, key| {
        let (reader, seen): (&mut dyn Reader, _) = match &*name(key, scanner.text())? {
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
fn entries(scanner: &mut Scanner<'_>, reader: &mut dyn Reader) -> Result<(), Fault> {
    scanner.object(|scanner, key| {
        let (has_extra, span) = scanner.spanned(|scanner| entry(scanner, reader))?;
        reader.presence(key, span, has_extra)
    })
}

/// Reads `{"metas": [..], ..}`. Returns `true` if there are fields beside the metas.
fn entry(scanner: &mut Scanner<'_>, reader: &mut dyn Reader) -> Result<bool, Fault> {
    let (mut has_metas, mut has_extra) = (false, false);
    scanner.object(|scanner, key| {
        if *name(key, scanner.text())? != *b"metas" {
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
            reader.meta(scanner.value()?)?;
            if !scanner.eat(b',') {
                return Ok(scanner.expect(b']')?);
            }
        }
    })?;
    if has_metas { Ok(has_extra) } else { Err(Fault::Shape("no metas")) }
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
    fn meta(&mut self, _: Span) -> Result<(), Fault> {
        self.metas = self.metas.saturating_add(1);
        self.add()
    }

    fn presence(&mut self, _: Element, _: Span, _: bool) -> Result<(), Fault> {
        self.count.keys = self.count.keys.saturating_add(1);
        // One without metas counts as one.
        if mem::take(&mut self.metas) == 0 { self.add() } else { Ok(()) }
    }
}

struct Decoder<'a, M, E> {
    json: &'a str,
    entries: Entries<M, E>,
    /// The metas of the presence that comes next.
    metas: Vec<Arc<PresenceMeta<M>>>,
}

impl<'a, M, E> Decoder<'a, M, E> {
    fn new(json: &'a str, count: Count) -> Self {
        // Counted before and within the limits, so one allocation is enough and safe.
        Decoder { json, entries: Vec::with_capacity(count.keys), metas: Vec::new() }
    }

    /// The entries sorted by key. Of equal keys the last counts, as in a JavaScript object.
    fn finish(self) -> Entries<M, E> {
        // Small objects often come sorted by key: nothing to do then.
        if self.entries.is_sorted_by(|(one, _), (next, _)| one < next) {
            return self.entries;
        }
        let key = |place: usize| self.entries.get(place).map(|(key, _)| key);
        let mut places =
            places_in_order(self.entries.len(), &mut |one, other| key(one).cmp(&key(other)));
        places.dedup_by(|next, kept| {
            let is_equal = key(*next) == key(*kept);
            if is_equal {
                *kept = *next;
            }
            is_equal
        });
        let mut entries: Vec<_> = self.entries.into_iter().map(Some).collect();
        places.into_iter().filter_map(|place| entries.get_mut(place)?.take()).collect()
    }
}

/// Reads the refs of a meta: `phx_ref`, and `phx_ref_prev` if there is one.
fn refs(meta: &str) -> Result<(Box<str>, Option<Box<str>>), Fault> {
    let mut scanner = Scanner::new(meta.as_bytes());
    if scanner.peek() != Some(b'{') {
        return Err(Fault::Shape("a meta that is no object"));
    }
    let (mut phx_ref, mut phx_ref_prev) = (None, None);
    scanner.object(|scanner, key| {
        let place = match &*name(key, scanner.text())? {
            b"phx_ref" => &mut phx_ref,
            b"phx_ref_prev" => &mut phx_ref_prev,
            _ => {
                scanner.value()?;
                return Ok(());
            }
        };
        if place.replace(scanner.element()?).is_some() {
            return Err(Fault::Shape("a ref twice"));
        }
        Ok(())
    })?;
    let text = |written: Element| -> Result<Box<str>, Fault> {
        let text = written.text(meta.as_bytes()).map(Cow::into_owned).map(String::from_utf8);
        let text = text.and_then(Result::ok).ok_or(Fault::Shape("a ref that is no text"))?;
        Ok(text.into_boxed_str())
    };
    let phx_ref = text(phx_ref.ok_or(Fault::Shape("a meta without phx_ref"))?)?;
    let phx_ref_prev = match phx_ref_prev {
        None | Some(Element::Null) => None,
        Some(written) => Some(text(written)?),
    };
    Ok((phx_ref, phx_ref_prev))
}

/// The fields beside the metas.
#[derive(Deserialize)]
#[serde(bound = "E: DeserializeOwned")]
struct Beside<E> {
    #[serde(default, rename = "metas")]
    // Named, so that `flatten` doesn't collect the metas into `E`.
    _metas: IgnoredAny,
    #[serde(flatten)]
    extra: E,
}

impl<M: DeserializeOwned, E: DeserializeOwned> Reader for Decoder<'_, M, E> {
    /// Reads the text twice, for the refs and for `M`: flattening would hide the refs from `M` and
    /// wouldn't let it be a `RawValue`.
    fn meta(&mut self, meta: Span) -> Result<(), Fault> {
        let text = meta.of_str(self.json);
        let (phx_ref, phx_ref_prev) = refs(text)?;
        let data = match ignored() {
            Some(data) => data,
            None => serde_json::from_str(text)?,
        };
        if self.metas.is_empty() {
            // Most have one.
            self.metas.reserve_exact(1);
        }
        let size = text.len();
        self.metas.push(Arc::new(PresenceMeta { phx_ref, phx_ref_prev, data, size }));
        Ok(())
    }

    fn presence(&mut self, key: Element, entry: Span, has_extra: bool) -> Result<(), Fault> {
        let text = entry.of_str(self.json);
        let mut metas = mem::take(&mut self.metas);
        // Kept as long as the presence is there.
        metas.shrink_to_fit();
        let metas = Metas::from(metas);
        let extra = match ignored() {
            Some(extra) => extra,
            None => {
                // Without other fields the metas needn't be read once more.
                let text = if has_extra { text } else { "{}" };
                serde_json::from_str::<Beside<E>>(text)?.extra
            }
        };
        let extra_size = text.len().saturating_sub(metas.size());
        // Copied: a slice would keep the whole payload as long as the key.
        let key = Bytes::from(name(key, self.json.as_bytes())?.into_owned());
        let key = ByteString::try_from(key).map_err(|_| Fault::Grammar)?;
        let entry = PresenceEntry { metas, extra: Arc::new(extra), extra_size };
        self.entries.push((key, Arc::new(entry)));
        Ok(())
    }
}
