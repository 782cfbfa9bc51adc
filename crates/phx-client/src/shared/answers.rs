//! Unread answers of the server, bounded in bytes.

/// Bytes of kept answers: up to the limit, or one answer of any size.
pub(crate) struct Budget {
    held: usize,
    max: usize,
}

impl Budget {
    pub(crate) fn new(max: usize) -> Self {
        Budget { held: 0, max }
    }

    /// Counts the answer; without capacity for the server's payload it drops the payload and counts the rest.
    pub(crate) fn keep<A>(
        &mut self,
        answer: A,
        len: impl Fn(&A) -> usize,
        without: impl FnOnce(A) -> A,
    ) -> A {
        let fits = self.held == 0 || self.held.saturating_add(len(&answer)) <= self.max;
        let kept = if fits { answer } else { without(answer) };
        self.held = self.held.saturating_add(len(&kept));
        kept
    }

    /// Subtracts the size of a counted answer that was dropped.
    pub(crate) fn give_back(&mut self, size: usize) {
        self.held = self.held.saturating_sub(size);
    }
}
