//! Openings and ends of a socket's connections, as its futures see them.

use phx_proto::CloseCause;

/// Openings and ends of connections, attempts and waits for an attempt, numbered in the order of the core's events.
///
/// A future that waits for one resolves only once its hooks have run: it is *reported* then.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    last: u64,
    opening: u64,
    end: u64,
    /// Ends that calls of users have made, and whose events have yet to come.
    due: u32,
    /// True until the hooks have run for the last end.
    is_unreported: bool,
    /// Cause of the last connection's end or the last attempt's failure, and true if the core tries again.
    cause: Option<Box<(CloseCause, bool)>>,
}

impl Ends {
    /// The number of the last event: a future that begins now waits for a later one.
    pub(crate) fn now(&self) -> u64 {
        self.last
    }

    /// A number before the end that made the socket be closed, which may be an event that has yet to come.
    pub(crate) fn before_closed(&self) -> u64 {
        match self.cause.as_deref() {
            Some((_, false)) if !self.is_open() && self.due == 0 => self.opening,
            _ => self.last,
        }
    }

    /// A call has made an end whose event has yet to come.
    pub(crate) fn note_due(&mut self) {
        self.due = self.due.saturating_add(1);
    }

    pub(crate) fn note_opened(&mut self) {
        self.opening = self.next();
    }

    pub(crate) fn note_closed(&mut self, cause: CloseCause, will_retry: bool) {
        self.end = self.next();
        if !will_retry {
            self.due = self.due.saturating_sub(1);
        }
        self.cause = Some(Box::new((cause, will_retry)));
    }

    /// The hooks of all events so far have run. True if a future may wait for that.
    pub(crate) fn report(&mut self) -> bool {
        std::mem::take(&mut self.is_unreported)
    }

    /// Returns true if a connection is open whose end hasn't come.
    pub(crate) fn is_open(&self) -> bool {
        self.opening > self.end
    }

    /// Returns true if a connection is open and the hooks of its opening have run.
    pub(crate) fn is_open_reported(&self) -> bool {
        self.is_open() && !self.is_unreported
    }

    pub(crate) fn has_opened_since(&self, number: u64) -> bool {
        self.opening > number && !self.is_unreported
    }

    pub(crate) fn has_ended_since(&self, number: u64) -> bool {
        self.end > number && !self.is_unreported
    }

    /// Returns the cause for which the client stopped trying, if that was after the event of this number.
    pub(crate) fn given_up_since(&self, number: u64) -> Option<&CloseCause> {
        let (cause, will_retry) = self.cause.as_deref()?;
        (self.has_ended_since(number) && !will_retry).then_some(cause)
    }

    /// Returns the cause of the last connection's end, or of the last attempt's failure.
    pub(crate) fn cause(&self) -> Option<&CloseCause> {
        self.cause.as_deref().map(|(cause, _)| cause)
    }

    fn next(&mut self) -> u64 {
        self.is_unreported = true;
        self.last = self.last.saturating_add(1);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_was_seen_before_a_future_began_does_not_resolve_it() {
        let mut ends = Ends::default();
        ends.note_opened();
        assert!(ends.report() && ends.is_open_reported());
        ends.note_closed(CloseCause::Disconnected, false);
        let (now, any) = (ends.now(), ends.before_closed());
        assert!(!ends.has_ended_since(any), "its hooks have yet to run");
        assert!(ends.report());
        assert!(!ends.has_ended_since(now));
        assert_eq!(ends.given_up_since(now), None);
        assert_eq!(ends.given_up_since(any), Some(&CloseCause::Disconnected));
        assert!(!ends.has_opened_since(any));
    }

    #[test]
    fn a_socket_whose_wait_was_ended_is_closed_by_the_event_of_that() {
        let mut ends = Ends::default();
        ends.note_closed(CloseCause::io("cable"), true);
        // The user disconnects, and the core's event has yet to come.
        let (before, after) = (ends.now(), ends.before_closed());
        assert!(ends.report() && !ends.has_ended_since(after));
        ends.note_closed(CloseCause::Disconnected, false);
        assert!(ends.report() && ends.has_ended_since(after));
        assert_eq!(ends.given_up_since(before), Some(&CloseCause::Disconnected));
    }
}
