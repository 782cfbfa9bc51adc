//! The one sort of the lists of presences.

use alloc::vec::Vec;
use core::cmp::Ordering;

/// The places of a list of this length in the order of what is there; what is equal keeps its order.
///
/// One sort for all lists: each kind of element would take 1.5 KiB of a board's flash, and a sort that keeps the order by itself
/// 4 KiB of stack.
pub(super) fn places_in_order(
    len: usize,
    compare: &mut dyn FnMut(usize, usize) -> Ordering,
) -> Vec<usize> {
    let mut places: Vec<_> = (0..len).collect();
    places.sort_unstable_by(|one, other| compare(*one, *other).then(one.cmp(other)));
    places
}
