//! Names that are given once and referred to by number: topics, events and statuses.

use std::collections::HashMap;
use std::hash::Hasher as _;
use std::sync::Arc;

use crate::digest::Digest;
use crate::entry::{Entry, Name};

/// Most names that have a number at the same time.
pub(crate) const MAX_NAMES: usize = 4096;

/// Longest beginning of a name that is recorded, in bytes.
pub(crate) const MAX_NAME: usize = 512;

/// Gives each name a number, and reports each new one. When there are too many the numbers start over: a later name of
/// the same number takes the earlier one's place.
#[derive(Debug, Default)]
pub(crate) struct Names {
    numbers: HashMap<Arc<str>, u32, foldhash::fast::RandomState>,
    /// The latest topic and event: most messages are like the one before.
    topic: Latest,
    event: Latest,
}

type Latest = Option<(Arc<str>, u32)>;

/// What a name names, which is where the latest one is remembered.
#[derive(Clone, Copy)]
pub(crate) enum Of {
    Topic,
    Event,
}

impl Names {
    /// The number of a name. A new one is passed to `define` first.
    #[inline]
    pub(crate) fn number(&mut self, of: Of, name: &str, define: &mut dyn FnMut(Entry)) -> u32 {
        match self.latest(of) {
            Some((latest, number)) if **latest == *name => *number,
            _ => self.another(of, name, define),
        }
    }

    fn latest(&mut self, of: Of) -> &mut Latest {
        match of {
            Of::Topic => &mut self.topic,
            Of::Event => &mut self.event,
        }
    }

    fn another(&mut self, of: Of, name: &str, define: &mut dyn FnMut(Entry)) -> u32 {
        if let Some((known, number)) = self.numbers.get_key_value(name) {
            let (known, number) = (Arc::clone(known), *number);
            *self.latest(of) = Some((known, number));
            return number;
        }
        self.add(name, define)
    }

    #[cold]
    fn add(&mut self, name: &str, define: &mut dyn FnMut(Entry)) -> u32 {
        let is_cut = name.len() > MAX_NAME;
        let kept = if is_cut { cut(name) } else { name.to_owned() };
        if let Some(number) = self.numbers.get(kept.as_str()) {
            return *number;
        }
        if self.numbers.len() >= MAX_NAMES {
            self.numbers.clear();
            (self.topic, self.event) = (None, None);
        }
        let number = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX).saturating_add(1);
        self.numbers.insert(kept.as_str().into(), number);
        let name = Name(number, kept.into());
        define(if is_cut { Entry::CutName(name) } else { Entry::Name(name) });
        number
    }
}

/// The beginning of a long name, and a hash of all of it: two long topics stay two.
fn cut(name: &str) -> String {
    let end = (0..=MAX_NAME - 32).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    let mut digest = Digest::default();
    digest.write(name.as_bytes());
    let start = name.get(..end).unwrap_or_default();
    format!("{start}…{:016x}", digest.finish())
}
