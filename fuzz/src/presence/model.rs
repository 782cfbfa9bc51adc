//! A plain model of presences: decoded by `serde_json`, with copied lists.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use phx_proto::PresenceConfig;
use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The list, and the diffs that wait.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) list: Presences,
    /// Diffs that wait for the state of the current join; `None` once it has arrived.
    waiting: Option<Waiting>,
}

pub(super) type Presences = BTreeMap<String, Present>;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Present {
    pub(super) metas: Vec<Meta>,
    pub(super) extra: Map<String, Value>,
    /// Bytes of its text besides those of its metas.
    extra_size: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Meta {
    pub(super) phx_ref: String,
    pub(super) data: Value,
    size: usize,
}

#[derive(Clone, Debug, Default)]
struct Waiting {
    diffs: Vec<Diff>,
    metas: usize,
    bytes: usize,
}

#[derive(Clone, Debug)]
struct Diff {
    joins: Presences,
    leaves: Presences,
}

/// Reasons to refuse a payload. If there are several, the presence may report any of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct UpgradeRejection {
    pub(super) payload: bool,
    pub(super) metas: bool,
    pub(super) diffs: bool,
    pub(super) bytes: bool,
}

impl Model {
    pub(super) fn new() -> Self {
        Model { list: Presences::new(), waiting: Some(Waiting::default()) }
    }

    pub(super) fn begin_anew(&mut self) {
        self.waiting = Some(Waiting::default());
    }

    /// Applies a payload, or returns the reasons to refuse it.
    pub(super) fn handle(
        &mut self,
        is_state: bool,
        payload: &[u8],
        config: &PresenceConfig,
    ) -> Result<(), UpgradeRejection> {
        let mut refusal = UpgradeRejection {
            bytes: payload.len() > config.max_bytes,
            ..UpgradeRejection::default()
        };
        let read = str::from_utf8(payload).map_err(drop).and_then(|text| Read::of(is_state, text));
        refusal.payload = read.is_err();
        let read = read.unwrap_or_else(|()| Read::none());
        refusal.metas = read.joined > config.max_metas || read.left > config.max_metas;
        let mut after = self.clone();
        if is_state {
            after.sync_state(read.diff.joins);
            for diff in self.waiting.iter().flat_map(|waiting| &waiting.diffs) {
                after.sync_diff(diff);
            }
            after.waiting = None;
        } else if let Some(waiting) = &mut after.waiting {
            refusal.diffs = waiting.diffs.len() >= config.max_pending_diffs;
            waiting.diffs.push(read.diff);
            waiting.metas += read.joined + read.left;
            waiting.bytes += payload.len();
            refusal.metas |= waiting.metas > config.max_metas;
            refusal.bytes |= waiting.bytes > config.max_bytes;
        } else {
            after.sync_diff(&read.diff);
        }
        let (metas, bytes) = after.weight();
        refusal.metas |= metas > config.max_metas;
        refusal.bytes |= bytes > config.max_bytes;
        if refusal == UpgradeRejection::default() {
            *self = after;
            return Ok(());
        }
        Err(refusal)
    }

    fn weight(&self) -> (usize, usize) {
        let metas = self.list.values().map(|present| present.metas.len().max(1)).sum();
        let bytes = self.list.iter().map(|(key, present)| key.len() + present.size()).sum();
        (metas, bytes)
    }

    /// phoenix.js's `syncState`.
    fn sync_state(&mut self, mut state: Presences) {
        let mut diff = Diff { joins: Presences::new(), leaves: Presences::new() };
        for (key, current) in &self.list {
            let Some(new) = state.remove(key) else {
                diff.leaves.insert(key.clone(), current.clone());
                continue;
            };
            let (joined, left) = (new.without(current), current.without(&new));
            if !joined.metas.is_empty() {
                diff.joins.insert(key.clone(), joined);
            }
            if !left.metas.is_empty() {
                diff.leaves.insert(key.clone(), left);
            }
        }
        diff.joins.extend(state);
        self.sync_diff(&diff);
    }

    /// phoenix.js's `syncDiff`.
    fn sync_diff(&mut self, diff: &Diff) {
        for (key, joined) in &diff.joins {
            let mut now = joined.clone();
            if let Some(before) = self.list.get(key) {
                now.metas.splice(0..0, before.without(joined).metas);
            }
            self.list.insert(key.clone(), now);
        }
        for (key, left) in &diff.leaves {
            if let Some(current) = self.list.get_mut(key) {
                *current = current.without(left);
                if current.metas.is_empty() {
                    self.list.remove(key);
                }
            }
        }
    }
}

impl Present {
    fn size(&self) -> usize {
        self.extra_size + self.metas.iter().map(|meta| meta.size).sum::<usize>()
    }

    fn without(&self, others: &Present) -> Present {
        let refs: BTreeSet<&str> = others.metas.iter().map(|meta| &*meta.phx_ref).collect();
        let mut rest = self.clone();
        rest.metas.retain(|meta| !refs.contains(&*meta.phx_ref));
        rest
    }
}

/// Counts of a payload.
struct Read {
    diff: Diff,
    /// Number of metas, with one for each key without metas. Equal keys count separately.
    joined: usize,
    left: usize,
}

impl Read {
    fn none() -> Self {
        let diff = Diff { joins: Presences::new(), leaves: Presences::new() };
        Read { diff, joined: 0, left: 0 }
    }

    fn of(is_state: bool, text: &str) -> Result<Self, ()> {
        if is_state {
            let (joins, joined) = presences(text)?;
            return Ok(Read { diff: Diff { joins, leaves: Presences::new() }, joined, left: 0 });
        }
        let Members(members) = decode(text)?;
        let only = |name: &str| {
            let mut found = members.iter().filter(|(other, _)| other == name);
            let (_, text) = found.next().ok_or(())?;
            if found.next().is_some() { Err(()) } else { presences(text.get()) }
        };
        let ((joins, joined), (leaves, left)) = (only("joins")?, only("leaves")?);
        Ok(Read { diff: Diff { joins, leaves }, joined, left })
    }
}

fn presences(text: &str) -> Result<(Presences, usize), ()> {
    let Members(members) = decode(text)?;
    let (mut presences, mut count) = (Presences::new(), 0);
    for (key, text) in members {
        let Entry { metas, extra } = decode(text.get())?;
        let metas: Result<Vec<Meta>, ()> = metas.iter().map(|text| meta(text.get())).collect();
        let mut present = Present { metas: metas?, extra, extra_size: 0 };
        present.extra_size = text.get().len() - present.size();
        count += present.metas.len().max(1);
        presences.insert(key, present);
    }
    Ok((presences, count))
}

fn meta(text: &str) -> Result<Meta, ()> {
    #[derive(Deserialize)]
    struct Refs {
        phx_ref: String,
        #[serde(rename = "phx_ref_prev")]
        _phx_ref_prev: Option<String>,
    }
    let Refs { phx_ref, .. } = decode(text)?;
    Ok(Meta { phx_ref, data: decode(text)?, size: text.len() })
}

#[derive(Deserialize)]
struct Entry {
    metas: Vec<Box<RawValue>>,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

/// Members of an object in their order. Equal names stay separate.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All).map_err(D::Error::custom)
    }
}

fn decode<T: DeserializeOwned>(text: &str) -> Result<T, ()> {
    serde_json::from_str(text).map_err(drop)
}
