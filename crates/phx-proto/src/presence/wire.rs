//! Decodes the payloads of the two presence events.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytestring::ByteString;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{PresenceEntry, PresenceMeta};

/// Presences by key. In the key's order, which makes the order of changes that of the keys.
pub(super) type Entries<M, E> = BTreeMap<ByteString, Arc<PresenceEntry<M, E>>>;

/// `{key: {"metas": [..], ..}, ..}`
pub(super) struct State<M, E>(pub(super) Entries<M, E>);

/// `{"joins": state, "leaves": state}`
#[derive(Deserialize)]
#[serde(bound = "M: DeserializeOwned, E: DeserializeOwned")]
pub(super) struct Diff<M, E> {
    #[serde(deserialize_with = "entries")]
    pub(super) joins: Entries<M, E>,
    #[serde(deserialize_with = "entries")]
    pub(super) leaves: Entries<M, E>,
}

impl<'de, M: DeserializeOwned, E: DeserializeOwned> Deserialize<'de> for State<M, E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        entries(deserializer).map(State)
    }
}

fn entries<'de, D, M, E>(deserializer: D) -> Result<Entries<M, E>, D::Error>
where
    D: Deserializer<'de>,
    M: DeserializeOwned,
    E: DeserializeOwned,
{
    let texts = BTreeMap::<String, &RawValue>::deserialize(deserializer)?;
    let entry = |text: &str| {
        let Entry { metas, extra } = serde_json::from_str(text).map_err(D::Error::custom)?;
        let metas: Vec<_> = metas.into_iter().map(|Meta(meta)| Arc::new(meta)).collect();
        let in_metas = metas.iter().map(|meta| meta.size).fold(0, usize::saturating_add);
        let extra_size = text.len().saturating_sub(in_metas);
        Ok(Arc::new(PresenceEntry { metas, extra: Arc::new(extra), extra_size }))
    };
    texts.into_iter().map(|(key, text)| Ok((ByteString::from(key), entry(text.get())?))).collect()
}

#[derive(Deserialize)]
#[serde(bound = "M: DeserializeOwned, E: DeserializeOwned")]
struct Entry<M, E> {
    metas: Vec<Meta<M>>,
    #[serde(flatten)]
    extra: E,
}

struct Meta<M>(PresenceMeta<M>);

#[derive(Deserialize)]
struct Refs {
    phx_ref: Box<str>,
    phx_ref_prev: Option<Box<str>>,
}

impl<'de, M: DeserializeOwned> Deserialize<'de> for Meta<M> {
    /// Reads the text twice, for the refs and for `M`: flattening would hide the refs from `M` and
    /// wouldn't let it be a `RawValue`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        let Refs { phx_ref, phx_ref_prev } =
            serde_json::from_str(text).map_err(D::Error::custom)?;
        let data = serde_json::from_str(text).map_err(D::Error::custom)?;
        Ok(Meta(PresenceMeta { phx_ref, phx_ref_prev, data, size: text.len() }))
    }
}
