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
    quiet: Quiet,
}

/// Disconnects that found no connection or attempt, of which the core reports nothing. They are done once
/// the driver has dispatched what the core had reported before.
#[derive(Debug, Default)]
struct Quiet {
    asked: u64,
    done: u64,
    /// Whether one of them ended a wait for the next attempt.
    gave_up: bool,
}

/// An interest in the next opening or end: those seen before it don't count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interest {
    openings: u64,
    ends: u64,
}

/// What a disconnect waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DisconnectWait {
    /// The end of a connection or attempt.
    End(Interest),
    /// See [`Ends::disconnect_quietly`].
    Quiet(u64),
}

impl Ends {
    /// Whether that disconnect is done, and its hooks have run.
    pub(crate) fn is_disconnected(&self, wait: DisconnectWait) -> bool {
        match wait {
            DisconnectWait::End(interest) => self.reported > interest.ends,
            DisconnectWait::Quiet(disconnect) => self.quiet.done >= disconnect,
        }
    }

    /// An interest in what the core hasn't reported yet.
    pub(crate) fn next(&self) -> Interest {
        Interest { openings: self.openings_seen, ends: self.seen }
    }

    /// An interest that any given-up attempt satisfies, however old it is.
    pub(crate) fn any_end(&self) -> Interest {
        Interest { openings: self.openings_seen, ends: 0 }
    }

    /// A disconnect found nothing to close; `gave_up` is whether it ended a wait for the next attempt.
    /// Returns the number of the disconnect.
    pub(crate) fn disconnect_quietly(&mut self, gave_up: bool) -> u64 {
        self.quiet.asked = self.quiet.asked.saturating_add(1);
        self.quiet.gave_up |= gave_up;
        self.quiet.asked
    }

    /// The core has no event left, and the hooks have run. True if that is what a disconnect waits for.
    pub(crate) fn note_dispatched(&mut self) -> bool {
        if self.quiet.done == self.quiet.asked {
            return false;
        }
        self.quiet.done = self.quiet.asked;
        if std::mem::take(&mut self.quiet.gave_up) {
            let end = self.see_closed();
            self.report_closed(end, &CloseCause::Disconnected, false);
        }
        true
    }

    /// The user connects again, so nothing was given up.
    pub(crate) fn connect(&mut self) {
        self.quiet.gave_up = false;
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
    fn a_disconnect_without_a_connection_is_done_when_all_before_it_is_dispatched() {
        let mut ends = Ends::default();
        let (interest, disconnect) = (ends.next(), ends.disconnect_quietly(true));
        let lost = ends.see_closed();
        ends.report_closed(lost, &CloseCause::lost("cable"), true);
        assert!(!ends.is_disconnected(DisconnectWait::Quiet(disconnect)));
        assert!(ends.note_dispatched() && !ends.note_dispatched());
        assert!(ends.is_disconnected(DisconnectWait::Quiet(disconnect)));
        assert_eq!(ends.given_up_since(interest), Some(&CloseCause::Disconnected));
        assert_eq!(ends.last(), Some(&CloseCause::Disconnected));
    }

    #[test]
    fn a_connect_takes_back_what_a_disconnect_gave_up() {
        let mut ends = Ends::default();
        let disconnect = ends.disconnect_quietly(true);
        ends.connect();
        let interest = ends.next();
        assert!(ends.note_dispatched());
        assert!(ends.is_disconnected(DisconnectWait::Quiet(disconnect)));
        assert_eq!(ends.given_up_since(interest), None);
    }

    #[test]
    fn an_end_that_was_seen_before_an_interest_began_does_not_satisfy_it() {
        let mut ends = Ends::default();
        let end = ends.see_closed();
        let (interest, any) = (ends.next(), ends.any_end());
        ends.report_closed(end, &CloseCause::Disconnected, false);
        assert!(!ends.is_disconnected(DisconnectWait::End(interest)));
        assert_eq!(ends.given_up_since(interest), None);
        assert_eq!(ends.given_up_since(any), Some(&CloseCause::Disconnected));
    }
}
