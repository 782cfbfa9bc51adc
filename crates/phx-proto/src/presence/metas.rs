//! The metas of one presence, in order, with a look-up by ref.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::slice;

use super::PresenceMeta;
use super::places::places_in_order;
use super::tree::{self, Tree};

/// Metas that are kept as a plain list, at most: it is smaller, and as quick to search.
const FEW: usize = 32;

/// A list of metas. A ref may be there more than once: a server sends no such thing, but its state is
/// what it says.
///
/// A copy of a long list costs as much as one of a short list, and so does a change.
pub(super) enum Metas<M> {
    Few(Vec<Arc<PresenceMeta<M>>>),
    // Boxed: nearly all presences have few.
    Many(Box<Many<M>>),
}

pub(super) struct Many<M> {
    /// Sorted by place, which is the order of joining.
    list: Tree<Placed<M>>,
    /// Sorted by ref, and equal refs by place.
    index: Tree<Placed<M>>,
    next_place: u64,
    /// Length of the metas' JSON texts in bytes.
    size: usize,
}

/// A meta, and its place in the list.
pub(super) struct Placed<M> {
    place: u64,
    meta: Arc<PresenceMeta<M>>,
}

impl<M> Metas<M> {
    pub(super) fn len(&self) -> usize {
        match self {
            Metas::Few(metas) => metas.len(),
            Metas::Many(many) => many.list.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the metas' texts.
    pub(super) fn size(&self) -> usize {
        match self {
            Metas::Few(metas) => size(metas),
            Metas::Many(many) => many.size,
        }
    }

    pub(super) fn iter(&self) -> Iter<'_, M> {
        match self {
            Metas::Few(metas) => Iter::Few(metas.iter()),
            Metas::Many(many) => Iter::Many(many.list.iter()),
        }
    }

    /// These without the ones whose refs are among those of `others`, in the time that `others` take.
    pub(super) fn without(&self, others: &Self) -> Self {
        match self {
            // At most 32, so searching `others` for each is cheap.
            Metas::Few(_) => Metas::Few(self.not_in(others)),
            Metas::Many(many) => {
                let mut many = many.clone();
                others.iter().for_each(|other| many.remove(other.phx_ref()));
                Metas::Many(many)
            }
        }
    }

    /// These and then `others`, in the time that `others` take.
    pub(super) fn followed_by(self, others: &Self) -> Self {
        match self {
            Metas::Few(mut metas) => {
                metas.reserve_exact(others.len());
                metas.extend(others.iter().cloned());
                // There may be too many for a plain list now.
                Metas::from(metas)
            }
            Metas::Many(mut many) => {
                others.iter().for_each(|other| many.push(Arc::clone(other)));
                Metas::Many(many)
            }
        }
    }

    /// Those whose refs aren't among those of `others`, in the time that these take.
    pub(super) fn not_in(&self, others: &Self) -> Vec<Arc<PresenceMeta<M>>> {
        self.iter().filter(|meta| !others.has(meta.phx_ref())).cloned().collect()
    }

    fn has(&self, phx_ref: &str) -> bool {
        match self {
            Metas::Few(metas) => metas.iter().any(|meta| meta.phx_ref() == phx_ref),
            Metas::Many(many) => many.find(phx_ref).is_some(),
        }
    }
}

impl<M> From<Vec<Arc<PresenceMeta<M>>>> for Metas<M> {
    fn from(metas: Vec<Arc<PresenceMeta<M>>>) -> Self {
        if metas.len() <= FEW {
            return Metas::Few(metas);
        }
        let (len, size) = (metas.len(), size(&metas));
        let places = (0_u64..).zip(metas);
        let placed: Vec<_> = places.map(|(place, meta)| Placed { place, meta }).collect();
        let list = Tree::of_sorted(len, &mut placed.iter().cloned());
        let phx_ref = |place: usize| placed.get(place).map(Placed::phx_ref);
        let by_ref = places_in_order(len, &mut |one, other| phx_ref(one).cmp(&phx_ref(other)));
        let mut in_index = by_ref.into_iter().filter_map(|place| placed.get(place).cloned());
        let index = Tree::of_sorted(len, &mut in_index);
        let next_place = u64::try_from(len).unwrap_or(u64::MAX);
        Metas::Many(Box::new(Many { list, index, next_place, size }))
    }
}

impl<M> Many<M> {
    /// A meta of this ref.
    fn find(&self, phx_ref: &str) -> Option<&Placed<M>> {
        self.index.get(|placed| placed.phx_ref().cmp(phx_ref))
    }

    fn push(&mut self, meta: Arc<PresenceMeta<M>>) {
        let placed = Placed { place: self.next_place, meta };
        // Never used again, so that new metas always come last.
        self.next_place = self.next_place.saturating_add(1);
        self.size = self.size.saturating_add(placed.meta.size);
        self.list.insert(placed.clone(), |one, other| one.place.cmp(&other.place));
        self.index.insert(placed, |one, other| one.in_index().cmp(&other.in_index()));
    }

    /// Removes all metas of this ref.
    fn remove(&mut self, phx_ref: &str) {
        // A state may hold a ref more than once.
        while let Some(placed) = self.find(phx_ref).cloned() {
            self.list.remove(|other| other.place.cmp(&placed.place));
            self.index.remove(|other| other.in_index().cmp(&placed.in_index()));
            self.size = self.size.saturating_sub(placed.meta.size);
        }
    }
}

impl<M> Placed<M> {
    fn phx_ref(&self) -> &str {
        self.meta.phx_ref()
    }

    /// The order of the index.
    fn in_index(&self) -> (&str, u64) {
        (self.phx_ref(), self.place)
    }
}

fn size<M>(metas: &[Arc<PresenceMeta<M>>]) -> usize {
    metas.iter().map(|meta| meta.size).fold(0, usize::saturating_add)
}

impl<M> Clone for Many<M> {
    fn clone(&self) -> Self {
        let (list, index) = (self.list.clone(), self.index.clone());
        Many { list, index, next_place: self.next_place, size: self.size }
    }
}

impl<M> Clone for Placed<M> {
    fn clone(&self) -> Self {
        Placed { place: self.place, meta: Arc::clone(&self.meta) }
    }
}

/// Metas in their order.
pub(super) enum Iter<'a, M> {
    Few(slice::Iter<'a, Arc<PresenceMeta<M>>>),
    Many(tree::Iter<'a, Placed<M>>),
}

impl<'a, M> Iterator for Iter<'a, M> {
    type Item = &'a Arc<PresenceMeta<M>>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Iter::Few(metas) => metas.next(),
            Iter::Many(placed) => placed.next().map(|placed| &placed.meta),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Iter::Few(metas) => metas.size_hint(),
            Iter::Many(placed) => placed.size_hint(),
        }
    }
}

impl<M> ExactSizeIterator for Iter<'_, M> {}

impl<M> Clone for Iter<'_, M> {
    fn clone(&self) -> Self {
        match self {
            Iter::Few(metas) => Iter::Few(metas.clone()),
            Iter::Many(placed) => Iter::Many(placed.clone()),
        }
    }
}
