//! The arrays and objects around a JSON value.

use alloc::vec::Vec;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Enclosing {
    Array,
    Object,
}

/// The arrays and objects around a value, one bit each: set for an object.
#[derive(Debug)]
pub(super) struct Nesting {
    /// The innermost, the lowest bit first, below one that is always set. It alone is there only if
    /// there is no nesting at all.
    inner: u64,
    /// Those further out, in full words. Allocates only beyond 63 levels.
    outer: Vec<u64>,
}

const NONE: u64 = 1;

impl Nesting {
    pub(super) const fn new() -> Self {
        Nesting { inner: NONE, outer: Vec::new() }
    }

    #[inline]
    pub(super) fn innermost(&self) -> Option<Enclosing> {
        match self.inner {
            NONE => None,
            inner if inner & 1 == 1 => Some(Enclosing::Object),
            _ => Some(Enclosing::Array),
        }
    }

    #[inline]
    pub(super) fn push(&mut self, enclosing: Enclosing) {
        // The marker has reached the top bit: 63 levels are in the word.
        if self.inner.leading_zeros() == 0 {
            self.outer.push(self.inner);
            self.inner = NONE;
        }
        self.inner = self.inner << 1 | u64::from(enclosing == Enclosing::Object);
    }

    #[inline]
    pub(super) fn pop(&mut self) {
        self.inner >>= 1;
        if self.inner == NONE
            && let Some(outer) = self.outer.pop()
        {
            self.inner = outer;
        }
    }
}
