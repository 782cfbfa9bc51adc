//! A sorted tree that is copied in constant time: copies share their nodes.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::mem;

/// Values in an order that the caller defines, always the same for one tree: a B-tree.
///
/// A change makes new nodes only on its way down, and only of those that another copy shares: a tree
/// without copies changes in place.
pub(super) struct Tree<T>(Option<Arc<Node<T>>>);

/// Values of a node, at most; at least half of them unless it is the root.
const MOST: usize = 15;
const LEAST: usize = MOST / 2;

struct Node<T> {
    values: Vec<T>,
    /// None in a leaf. Else one more than there are values, all of the same height.
    children: Vec<Arc<Node<T>>>,
    /// The number of values here and below.
    len: usize,
}

/// The right half of a node that was too large, and the value before it.
type Split<T> = (T, Arc<Node<T>>);

impl<T> Tree<T> {
    pub(super) const fn new() -> Self {
        Tree(None)
    }

    /// A tree of the next `len` values, which come in order.
    pub(super) fn of_sorted(len: usize, values: &mut impl Iterator<Item = T>) -> Self {
        if len == 0 {
            return Tree::new();
        }
        // What a tree holds at the most whose root has children that hold `below`.
        let room =
            |below: usize| below.saturating_add(1).saturating_mul(MOST + 1).saturating_sub(1);
        let mut below = 0;
        while room(below) < len {
            below = room(below);
        }
        Tree(Some(Arc::new(Node::of_sorted(len, below, values))))
    }

    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |root| root.len)
    }

    /// The value that is equal by `order`, which compares a value to the one wanted; any of them, if
    /// there are several.
    pub(super) fn get(&self, order: impl Fn(&T) -> Ordering) -> Option<&T> {
        let mut node = self.0.as_ref()?;
        loop {
            match node.values.binary_search_by(&order) {
                Ok(index) => return node.values.get(index),
                Err(index) => node = node.children.get(index)?,
            }
        }
    }

    /// The values in order.
    pub(super) fn iter(&self) -> Iter<'_, T> {
        let mut way = Vec::new();
        descend(&mut way, self.0.as_ref());
        Iter { way, len: self.len() }
    }
}

impl<T: Clone> Tree<T> {
    /// Adds a value, or replaces the one that is equal and hands that back.
    pub(super) fn insert(&mut self, value: T, order: fn(&T, &T) -> Ordering) -> Option<T> {
        let root = self.0.get_or_insert_with(|| Arc::new(Node::new(Vec::new(), Vec::new())));
        let (replaced, split) = Arc::make_mut(root).insert(value, order);
        if let Some((value, right)) = split {
            let left = Arc::clone(root);
            *root = Arc::new(Node::new([value].into(), [left, right].into()));
        }
        replaced
    }

    /// Removes the value that is equal by `order`, as [`get`](Self::get) finds it.
    pub(super) fn remove(&mut self, order: impl Fn(&T) -> Ordering) -> Option<T> {
        // First a look: where nothing is removed nothing is copied.
        self.get(&order)?;
        let root = Arc::make_mut(self.0.as_mut()?);
        let removed = root.remove(&order);
        if root.values.is_empty() {
            // A root without values has one child, or none.
            self.0 = root.children.pop();
        }
        removed
    }
}

impl<T> Node<T> {
    fn new(values: Vec<T>, children: Vec<Arc<Node<T>>>) -> Self {
        let below = children.iter().map(|child| child.len).fold(0, usize::saturating_add);
        Node { len: values.len().saturating_add(below), values, children }
    }

    /// A node of the next `len` values, whose children hold at most `below` each: none, if that is 0. They
    /// are nearly equal, so that each is at least half full.
    fn of_sorted(len: usize, below: usize, values: &mut impl Iterator<Item = T>) -> Self {
        if below == 0 {
            return Node::new(values.take(len).collect(), Vec::new());
        }
        // A child has a place more than values, for the value after it.
        let (places, places_below) = (len.saturating_add(1), below.saturating_add(1));
        let count = places.div_ceil(places_below);
        let below = (places_below / (MOST + 1)).saturating_sub(1);
        let mut node = Node::new(Vec::with_capacity(count), Vec::with_capacity(count));
        let mut left = places;
        for after in (0..count).rev() {
            let places = left.div_ceil(after.saturating_add(1));
            left = left.saturating_sub(places);
            let child = Node::of_sorted(places.saturating_sub(1), below, values);
            node.children.push(Arc::new(child));
            if after > 0 {
                node.values.extend(values.next());
            }
        }
        Node::new(node.values, node.children)
    }

    /// Takes the right half away from a node that is too large.
    fn split(&mut self) -> Option<Split<T>> {
        if self.values.len() <= MOST {
            return None;
        }
        let after = (self.values.len() / 2).saturating_add(1);
        let values = self.values.split_off(after);
        let middle = self.values.pop()?;
        // Values that come in order never fill the left half again.
        self.values.shrink_to_fit();
        let children = self.children.split_off(after.min(self.children.len()));
        let right = Node::new(values, children);
        self.len = self.len.saturating_sub(right.len).saturating_sub(1);
        Some((middle, Arc::new(right)))
    }
}

impl<T: Clone> Node<T> {
    fn insert(&mut self, value: T, order: fn(&T, &T) -> Ordering) -> (Option<T>, Option<Split<T>>) {
        let index = match self.values.binary_search_by(|other| order(other, &value)) {
            Ok(index) => {
                let equal = self.values.get_mut(index);
                return (equal.map(|equal| mem::replace(equal, value)), None);
            }
            Err(index) => index,
        };
        if let Some(child) = self.children.get_mut(index) {
            let (replaced, split) = Arc::make_mut(child).insert(value, order);
            if replaced.is_some() {
                return (replaced, None);
            }
            self.put_back(index, split);
        } else {
            self.values.insert(index, value);
        }
        self.len = self.len.saturating_add(1);
        (None, self.split())
    }

    /// Removes a value that is there.
    fn remove(&mut self, order: &impl Fn(&T) -> Ordering) -> Option<T> {
        let found = self.values.binary_search_by(order);
        let (Ok(index) | Err(index)) = found;
        let removed = match (found, self.children.get_mut(index).map(Arc::make_mut)) {
            (Ok(index), None) => Some(self.values.remove(index)),
            (Ok(index), Some(child)) => {
                // The greatest value below takes its place, which keeps the order.
                let last = child.remove_last()?;
                self.values.get_mut(index).map(|value| mem::replace(value, last))
            }
            (Err(_), child) => child?.remove(order),
        };
        self.len = self.len.saturating_sub(1);
        self.fill(index);
        removed
    }

    fn remove_last(&mut self) -> Option<T> {
        let last = match self.children.last_mut() {
            None => self.values.pop(),
            Some(child) => Arc::make_mut(child).remove_last(),
        };
        self.len = self.len.saturating_sub(1);
        self.fill(self.values.len());
        last
    }

    /// Makes a child that has become too small larger, by what one beside it has: they become one, or
    /// two halves.
    fn fill(&mut self, index: usize) {
        if self.children.get(index).is_none_or(|child| child.values.len() >= LEAST) {
            return;
        }
        let Some(last) = self.values.len().checked_sub(1) else { return };
        // The last child has no right neighbour, and joins its left one.
        let index = index.min(last);
        let value = self.values.remove(index);
        // Copied only if another tree shares it.
        let right = Arc::unwrap_or_clone(self.children.remove(index.saturating_add(1)));
        let Some(left) = self.children.get_mut(index).map(Arc::make_mut) else { return };
        left.len = left.len.saturating_add(right.len).saturating_add(1);
        left.values.push(value);
        left.values.extend(right.values);
        left.children.extend(right.children);
        let split = left.split();
        self.put_back(index, split);
    }

    /// Takes in what was split off the child at `index`.
    fn put_back(&mut self, index: usize, split: Option<Split<T>>) {
        if let Some((value, right)) = split {
            self.values.insert(index, value);
            self.children.insert(index.saturating_add(1), right);
        }
    }
}

impl<T: Clone> Clone for Node<T> {
    fn clone(&self) -> Self {
        // A node is copied to be changed: mostly by one value more.
        let mut values = Vec::with_capacity(self.values.len().saturating_add(1));
        values.extend_from_slice(&self.values);
        Node { values, children: self.children.clone(), len: self.len }
    }
}

impl<T> Clone for Tree<T> {
    fn clone(&self) -> Self {
        Tree(self.0.clone())
    }
}

/// The values of a tree in order.
pub(super) struct Iter<'a, T> {
    /// The nodes from the root down to the next value, with the index of the next value in each.
    way: Vec<(&'a Node<T>, usize)>,
    len: usize,
}

/// Goes down to the first value below.
fn descend<'a, T>(way: &mut Vec<(&'a Node<T>, usize)>, mut below: Option<&'a Arc<Node<T>>>) {
    while let Some(node) = below {
        way.push((node, 0));
        below = node.children.first();
    }
}

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (node, index) = self.way.last_mut()?;
            let node = *node;
            let Some(value) = node.values.get(*index) else {
                self.way.pop();
                continue;
            };
            *index = index.saturating_add(1);
            let below = node.children.get(*index);
            descend(&mut self.way, below);
            self.len = self.len.saturating_sub(1);
            return Some(value);
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len, Some(self.len))
    }
}

impl<T> ExactSizeIterator for Iter<'_, T> {}

impl<T> Clone for Iter<'_, T> {
    fn clone(&self) -> Self {
        Iter { way: self.way.clone(), len: self.len }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]
mod tests {
    use alloc::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn order(one: &u32, other: &u32) -> Ordering {
        one.cmp(other)
    }

    /// The height, if every node is as full as it must be and knows its length.
    fn checked(tree: &Tree<u32>) -> usize {
        fn height(node: &Node<u32>, least: usize) -> usize {
            assert!((least..=MOST).contains(&node.values.len()), "{} values", node.values.len());
            let below: usize = node.children.iter().map(|child| child.len).sum();
            assert_eq!(node.len, node.values.len() + below);
            let heights: Vec<usize> =
                node.children.iter().map(|child| height(child, LEAST)).collect();
            assert!(heights.is_empty() || heights.len() == node.values.len() + 1);
            assert!(heights.windows(2).all(|pair| pair[0] == pair[1]), "{heights:?}");
            heights.first().map_or(1, |height| height + 1)
        }
        tree.0.as_ref().map_or(0, |root| height(root, 1))
    }

    proptest! {
        #[test]
        fn a_tree_is_a_sorted_set_in_balance_and_its_copies_stay(
            sorted in 0_u32..1_000,
            steps in proptest::collection::vec((any::<bool>(), 0_u32..1_200), 0..600),
        ) {
            let mut tree = Tree::of_sorted(sorted as usize, &mut (0..sorted));
            let mut model: BTreeSet<u32> = (0..sorted).collect();
            let mut copies = Vec::new();
            for (index, (adds, value)) in steps.into_iter().enumerate() {
                if index % 20 == 0 {
                    copies.push((tree.clone(), model.clone()));
                }
                if adds {
                    prop_assert_eq!(tree.insert(value, order).is_some(), !model.insert(value));
                } else {
                    let removed = tree.remove(|other| other.cmp(&value));
                    prop_assert_eq!(removed.is_some(), model.remove(&value));
                }
                checked(&tree);
            }
            for (tree, model) in copies.into_iter().chain([(tree, model)]) {
                prop_assert_eq!(tree.iter().len(), model.len());
                prop_assert!(tree.iter().eq(&model));
                prop_assert_eq!(tree.get(|other| other.cmp(&7)).copied(), model.get(&7).copied());
            }
        }
    }

    #[test]
    fn values_that_come_in_order_or_leave_from_one_side_leave_it_in_balance() {
        for len in (0..600).chain([4_095, 4_096, 10_000]) {
            let mut sorted = Tree::of_sorted(len, &mut (0..));
            assert_eq!((sorted.len(), sorted.iter().count()), (len, len));
            checked(&sorted);
            sorted.remove(|other| other.cmp(&0));
            sorted.insert(u32::MAX, order);
            checked(&sorted);
        }
        let mut tree = Tree::new();
        for value in 0..10_000 {
            tree.insert(value, order);
        }
        assert!(checked(&tree) <= 5);
        for value in 0..10_000 {
            let value = if value % 2 == 0 { value / 2 } else { 10_000 - 1 - value / 2 };
            assert_eq!(tree.remove(|other| other.cmp(&value)), Some(value));
            if value % 10 == 0 {
                checked(&tree);
            }
        }
        assert_eq!((tree.len(), checked(&tree)), (0, 0));
    }

    #[test]
    fn a_tree_without_copies_changes_in_place_and_another_copies_its_way_down() {
        let mut tree = Tree::of_sorted(1_000, &mut (0..));
        // The first time makes room for one value more.
        let (mut counts, mut copies) = ([0; 4], Vec::new());
        for (index, count) in counts.iter_mut().enumerate() {
            let counted = allocation_counter::measure(|| {
                assert_eq!(tree.remove(|other| other.cmp(&500)), Some(500));
                assert_eq!(tree.insert(500, order), None);
            });
            *count = counted.count_total;
            if index > 0 {
                copies.push(tree.clone());
            }
        }
        assert_eq!(counts[1], 0);
        assert!((4..=12).contains(&counts[2]) && counts[2] == counts[3], "{counts:?}");
        let counted = allocation_counter::measure(|| {
            assert_eq!(tree.remove(|other| other.cmp(&7_000)), None);
        });
        assert_eq!(counted.count_total, 0, "what isn't there copies nothing");
    }
}
