//! A page's life, without the browser's part: which of its events change what a socket should do.
//!
//! An event is a reason to look; what counts is what the browser says then. So an event that repeats itself changes
//! nothing, and one that a script made doesn't even get here.

use phx_client::Lifecycle;

/// An event of the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    /// `visibilitychange`.
    Visibility,
    /// `online` or `offline`.
    Network,
    /// `pagehide` or `freeze`: the page is left, or is about to stop. Browsers end the connections of a page that they
    /// put away, and show the server nothing of that until the page is back.
    Leaving,
    /// `pageshow` or `resume`: the page is shown again, or runs again.
    Back,
}

/// What the browser says about the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) is_hidden: bool,
    pub(crate) is_online: bool,
}

impl Facts {
    /// Without a network an attempt fails at once, and nobody looks. A browser that says that it is offline may be wrong,
    /// so a page that is looked at tries all the same.
    fn are_hopeless(self) -> bool {
        self.is_hidden && !self.is_online
    }
}

/// The life of the page, as a socket knows it.
#[derive(Debug)]
pub(crate) struct Life {
    facts: Facts,
    is_away: bool,
}

impl Life {
    /// Creates the life of a page, and what to do at first.
    pub(crate) fn new(facts: Facts) -> (Self, Option<Lifecycle>) {
        let life = Life { facts, is_away: false };
        (life, facts.are_hopeless().then_some(Lifecycle::Held))
    }

    /// Returns the change that follows from an event; `None` if there is none.
    pub(crate) fn happened(&mut self, what: Happening, now: Facts) -> Option<Lifecycle> {
        let before = std::mem::replace(&mut self.facts, now);
        let was_away = self.is_away;
        self.is_away = match what {
            Happening::Leaving => true,
            Happening::Back => false,
            Happening::Visibility | Happening::Network => was_away,
        };
        if self.is_away {
            return (what == Happening::Leaving).then_some(Lifecycle::Suspending);
        }
        let is_shown = before.is_hidden && !now.is_hidden;
        let is_connected = !before.is_online && now.is_online;
        if now.are_hopeless() {
            (was_away || !before.are_hopeless()).then_some(Lifecycle::Held)
        } else {
            (was_away || is_shown || is_connected).then_some(Lifecycle::Active)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: Facts = Facts { is_hidden: false, is_online: true };
    const HIDDEN: Facts = Facts { is_hidden: true, is_online: true };
    const SHOWN_OFFLINE: Facts = Facts { is_hidden: false, is_online: false };
    const HIDDEN_OFFLINE: Facts = Facts { is_hidden: true, is_online: false };
    const ALL: [Facts; 4] = [SHOWN, HIDDEN, SHOWN_OFFLINE, HIDDEN_OFFLINE];
    const EVENTS: [Happening; 4] =
        [Happening::Visibility, Happening::Network, Happening::Leaving, Happening::Back];

    /// Every pair of facts with either event of a change.
    #[test]
    fn the_table_of_changes() {
        use Lifecycle::{Active, Held};
        for (before, now, expected) in [
            (SHOWN, SHOWN, None),
            (SHOWN, HIDDEN, None),
            (SHOWN, SHOWN_OFFLINE, None),
            (SHOWN, HIDDEN_OFFLINE, Some(Held)),
            (HIDDEN, SHOWN, Some(Active)),
            (HIDDEN, HIDDEN, None),
            (HIDDEN, SHOWN_OFFLINE, Some(Active)),
            (HIDDEN, HIDDEN_OFFLINE, Some(Held)),
            (SHOWN_OFFLINE, SHOWN, Some(Active)),
            (SHOWN_OFFLINE, HIDDEN, Some(Active)),
            (SHOWN_OFFLINE, SHOWN_OFFLINE, None),
            (SHOWN_OFFLINE, HIDDEN_OFFLINE, Some(Held)),
            (HIDDEN_OFFLINE, SHOWN, Some(Active)),
            (HIDDEN_OFFLINE, HIDDEN, Some(Active)),
            (HIDDEN_OFFLINE, SHOWN_OFFLINE, Some(Active)),
            (HIDDEN_OFFLINE, HIDDEN_OFFLINE, None),
        ] {
            for event in [Happening::Visibility, Happening::Network] {
                let (mut life, _) = Life::new(before);
                assert_eq!(life.happened(event, now), expected, "{before:?} to {now:?}");
                assert_eq!(life.happened(event, now), None, "the same again changes nothing");
            }
        }
    }

    #[test]
    fn a_page_that_begins_without_a_hope_waits() {
        for facts in ALL {
            let expected = (facts == HIDDEN_OFFLINE).then_some(Lifecycle::Held);
            assert_eq!(Life::new(facts).1, expected, "{facts:?}");
        }
    }

    #[test]
    fn a_page_that_is_put_away_is_suspended_until_it_is_back() {
        for before in ALL {
            for between in ALL {
                for after in ALL {
                    let (mut life, _) = Life::new(before);
                    let left = life.happened(Happening::Leaving, before);
                    assert_eq!(left, Some(Lifecycle::Suspending));
                    for event in [Happening::Visibility, Happening::Network] {
                        assert_eq!(life.happened(event, between), None, "it is still away");
                    }
                    let expected = match after {
                        HIDDEN_OFFLINE => Lifecycle::Held,
                        _ => Lifecycle::Active,
                    };
                    assert_eq!(life.happened(Happening::Back, after), Some(expected));
                    assert_eq!(life.happened(Happening::Back, after), None, "it is back");
                }
            }
        }
    }

    /// What a browser fires around its back-forward cache, in its order.
    #[test]
    fn the_back_forward_cache() {
        use Happening::{Back, Leaving, Visibility};
        let (mut life, _) = Life::new(SHOWN);
        let changes = [
            (Leaving, SHOWN),
            (Visibility, HIDDEN),
            (Leaving, HIDDEN),
            (Back, HIDDEN),
            (Visibility, SHOWN),
            (Back, SHOWN),
        ]
        .map(|(event, facts)| life.happened(event, facts));
        assert_eq!(
            changes,
            [
                Some(Lifecycle::Suspending),
                None,
                Some(Lifecycle::Suspending),
                Some(Lifecycle::Active),
                Some(Lifecycle::Active),
                None
            ]
        );
    }

    /// In every sequence of four events, attempts are possible at the end exactly if the page is neither away nor
    /// without a hope.
    #[test]
    fn no_sequence_of_events_leaves_a_socket_held_or_free_by_mistake() {
        let steps: Vec<_> =
            EVENTS.iter().flat_map(|event| ALL.iter().map(move |facts| (*event, *facts))).collect();
        for first in ALL {
            for a in &steps {
                for b in &steps {
                    for c in &steps {
                        let (mut life, began) = Life::new(first);
                        let (mut held, mut away) = (began.is_some(), false);
                        for (event, facts) in [a, b, c] {
                            match life.happened(*event, *facts) {
                                Some(Lifecycle::Active) => held = false,
                                Some(_) => held = true,
                                None => {}
                            }
                            match event {
                                Happening::Leaving => away = true,
                                Happening::Back => away = false,
                                Happening::Visibility | Happening::Network => {}
                            }
                            let expected = away || facts.are_hopeless();
                            assert!(held || !expected, "{first:?} {a:?} {b:?} {c:?}");
                            assert!(!held || expected, "{first:?} {a:?} {b:?} {c:?}");
                        }
                    }
                }
            }
        }
    }
}
