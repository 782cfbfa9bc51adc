//! Openings and ends of a socket's connections, as far as its futures may know of them.

use phx_proto::CloseCause;

/// Counts openings and ends of connections and attempts, numbered in the order of the core's events.
///
/// Each is *seen* when the core reports it and *reported* once its hooks have run: a future resolves
/// only then, so a hook has always run before the future that waits for the same thing returns.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    openings_seen: u64,
    /// Whether the last thing seen is an opening.
    is_open: bool,
    openings_reported: u64,
    seen: u64,
    reported: u64,
    /// The last end without a further attempt, and its number.
    given_up: Option<Box<(u64, CloseCause)>>,
    /// Why the last connection ended, or the last attempt failed.
    last: Option<Box<CloseCause>>,
}

/// An interest in the next opening or end: those seen before it don't count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interest {
    openings: u64,
    ends: u64,
}

impl Ends {
    /// An interest in what the core hasn't reported yet.
    pub(crate) fn next(&self) -> Interest {
        Interest { openings: self.openings_seen, ends: self.seen }
    }

    /// An interest that any given-up attempt satisfies, however old it is.
    pub(crate) fn any_end(&self) -> Interest {
        Interest { openings: self.openings_seen, ends: 0 }
    }

    pub(crate) fn see_opened(&mut self) {
        self.openings_seen = self.openings_seen.saturating_add(1);
        self.is_open = true;
    }

    pub(crate) fn report_opened(&mut self) {
        self.openings_reported = self.openings_seen;
    }

    /// Counts an end, and returns its number.
    pub(crate) fn see_closed(&mut self) -> u64 {
        self.seen = self.seen.saturating_add(1);
        self.is_open = false;
        self.seen
    }

    pub(crate) fn report_closed(&mut self, end: u64, cause: &CloseCause, will_retry: bool) {
        // A hook of an older end may have disconnected, which is a newer one and reported at once.
        if end <= self.reported {
            return;
        }
        self.reported = end;
        if !will_retry {
            self.given_up = Some(Box::new((end, cause.clone())));
        }
        self.last = Some(Box::new(cause.clone()));
    }

    /// Whether a connection is open whose end hasn't been seen.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether the hooks of every opening have run.
    pub(crate) fn all_openings_reported(&self) -> bool {
        self.openings_reported == self.openings_seen
    }

    pub(crate) fn has_opened_since(&self, interest: Interest) -> bool {
        self.openings_reported > interest.openings
    }

    pub(crate) fn has_ended_since(&self, interest: Interest) -> bool {
        self.reported > interest.ends
    }

    /// Why the attempts were given up, if that was after the interest began.
    pub(crate) fn given_up_since(&self, interest: Interest) -> Option<&CloseCause> {
        let (end, cause) = self.given_up.as_deref()?;
        (*end > interest.ends).then_some(cause)
    }

    /// Why the last connection ended, or the last attempt failed.
    pub(crate) fn last(&self) -> Option<&CloseCause> {
        self.last.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_is_newer_than_the_one_whose_hooks_run_stays_the_last() {
        let mut ends = Ends::default();
        let (lost, interest) = (ends.see_closed(), ends.next());
        let disconnected = ends.see_closed();
        ends.report_closed(disconnected, &CloseCause::Disconnected, false);
        ends.report_closed(lost, &CloseCause::lost("cable"), true);
        assert!(ends.has_ended_since(interest));
        assert_eq!(ends.given_up_since(interest), Some(&CloseCause::Disconnected));
        assert_eq!(ends.last(), Some(&CloseCause::Disconnected));
    }

    #[test]
    fn an_end_that_was_seen_before_an_interest_began_does_not_satisfy_it() {
        let mut ends = Ends::default();
        let end = ends.see_closed();
        let (interest, any) = (ends.next(), ends.any_end());
        ends.report_closed(end, &CloseCause::Disconnected, false);
        assert!(!ends.has_ended_since(interest));
        assert_eq!(ends.given_up_since(interest), None);
        assert_eq!(ends.given_up_since(any), Some(&CloseCause::Disconnected));
    }
}
