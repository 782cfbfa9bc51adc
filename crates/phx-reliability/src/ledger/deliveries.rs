//! The client's record: the items that its stream has yielded.

use phx_client::StreamItem;

use super::numbered::Numbered;

/// Items of one stream, in order, and their faults.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deliveries {
    /// Life of the last message.
    life: u64,
    last: u64,
    /// True if a gap was reported since the last message.
    gap: bool,
    /// True if the transport may lose messages within a life, and then reports a gap, as long-poll does.
    gaps_within_lives: bool,
    lagged: u64,
    pub(crate) received: u64,
    pub(crate) gaps: u64,
    /// Messages that are missing without a marker in their place, and lives without a gap before them.
    pub(crate) lost: u64,
    /// Messages that came again, after a later one, or of a life that was over.
    pub(crate) doubled: u64,
}

impl Deliveries {
    /// Creates a record of a stream over transports that may lose messages within a life. Where a gap is, any number of
    /// messages may be missing.
    pub(crate) fn with_gaps_within_lives() -> Self {
        Deliveries { gaps_within_lives: true, ..Deliveries::default() }
    }

    /// Records an item. `must_have_got` returns the last number of an ended life, if that is known.
    pub(crate) fn take(
        &mut self,
        item: &StreamItem<Numbered>,
        must_have_got: impl FnOnce(u64) -> Option<u64>,
    ) {
        match item {
            StreamItem::Message(message) => self.message(message.of, message.number, must_have_got),
            StreamItem::Gap => {
                self.gap = true;
                self.gaps += 1;
            }
            StreamItem::Lagged(count) => self.lagged += count,
            // Damaged, so not a message that the server sent.
            _ => self.lost += 1,
        }
    }

    fn message(&mut self, life: u64, n: u64, must_have_got: impl FnOnce(u64) -> Option<u64>) {
        self.received += 1;
        let gap_ends_life = self.gap && !self.gaps_within_lives;
        let (is_new, is_over) = (life > self.life, life < self.life || gap_ends_life);
        if !is_new && (is_over || n <= self.last) {
            self.doubled += 1;
            return;
        }
        let mut missing = if is_new { n - 1 } else { n - self.last - 1 };
        if is_new && self.life != 0 {
            let rest = must_have_got(self.life).unwrap_or_default();
            missing += rest.saturating_sub(self.last);
            missing += u64::from(!self.gap);
        }
        if !(self.gap && self.gaps_within_lives) {
            self.lost += missing.saturating_sub(self.lagged);
        }
        *self = Deliveries { life, last: n, gap: false, lagged: 0, ..self.clone() };
    }

    pub(crate) fn life(&self) -> u64 {
        self.life
    }

    /// Returns the number of the last message of this life; 0 if there is none.
    pub(crate) fn last_of(&self, life: u64) -> u64 {
        if life == self.life { self.last } else { 0 }
    }

    /// Returns true if this many gaps were reported, and a message came after the last of them.
    pub(crate) fn is_in_life(&self, gaps: u64) -> bool {
        self.gaps >= gaps && !self.gap
    }

    /// Returns true if this is the last message.
    pub(crate) fn is_at(&self, life: u64, n: u64) -> bool {
        (self.life, self.last) == (life, n) && !self.gap
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(life: u64, n: u64) -> StreamItem<Numbered> {
        StreamItem::Message(Numbered::new(life, n))
    }

    /// Returns the counts of messages received, lost and doubled.
    fn counted(items: impl IntoIterator<Item = StreamItem<Numbered>>) -> (u64, u64, u64) {
        counted_by(Deliveries::default(), items)
    }

    fn counted_by(
        mut deliveries: Deliveries,
        items: impl IntoIterator<Item = StreamItem<Numbered>>,
    ) -> (u64, u64, u64) {
        items.into_iter().for_each(|item| deliveries.take(&item, |life| (life == 7).then_some(5)));
        (deliveries.received, deliveries.lost, deliveries.doubled)
    }

    #[test]
    fn what_is_in_order_is_fine() {
        let gap = StreamItem::Gap;
        assert_eq!(counted([message(1, 1), message(1, 2), gap, message(3, 1)]), (3, 0, 0));
        let lagged = StreamItem::Lagged(2);
        assert_eq!(counted([message(1, 1), lagged, message(1, 4)]), (2, 0, 0));
    }

    #[test]
    fn what_is_missing_is_lost() {
        assert_eq!(counted([message(1, 1), message(1, 3)]), (2, 1, 0));
        assert_eq!(counted([message(1, 2)]), (1, 1, 0));
        // No gap was reported.
        assert_eq!(counted([message(1, 1), message(2, 1)]), (2, 1, 0));
        // The end of a life is missing, although it must have arrived.
        assert_eq!(counted([message(7, 1), StreamItem::Gap, message(8, 1)]), (2, 4, 0));
        assert_eq!(counted([message(1, 1), StreamItem::Lagged(1), message(1, 4)]), (2, 1, 0));
    }

    #[test]
    fn what_comes_again_or_too_late_is_doubled() {
        assert_eq!(counted([message(1, 1), message(1, 1)]), (2, 0, 1));
        assert_eq!(counted([message(1, 1), StreamItem::Gap, message(1, 2)]), (2, 0, 1));
        assert_eq!(counted([message(2, 1), message(1, 9)]), (2, 0, 1));
    }

    #[test]
    fn a_gap_within_a_life_is_fine_where_the_transport_may_have_one() {
        let counted = |items: Vec<_>| counted_by(Deliveries::with_gaps_within_lives(), items);
        let gap = || StreamItem::Gap;
        assert_eq!(counted(vec![message(1, 1), gap(), message(1, 4)]), (2, 0, 0));
        assert_eq!(counted(vec![message(1, 1), gap(), message(2, 3)]), (2, 0, 0));
        // Without a gap it is lost all the same, and what came before comes once.
        assert_eq!(counted(vec![message(1, 1), message(1, 3)]), (2, 1, 0));
        assert_eq!(counted(vec![message(1, 1), message(2, 1)]), (2, 1, 0));
        assert_eq!(counted(vec![message(1, 1), gap(), message(1, 1)]), (2, 0, 1));
        assert_eq!(counted(vec![message(2, 1), gap(), message(1, 9)]), (2, 0, 1));
        // One gap covers its place only.
        assert_eq!(counted(vec![gap(), message(1, 2), message(1, 4)]), (2, 1, 0));
    }
}
