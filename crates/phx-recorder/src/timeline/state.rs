//! States of the connection and the channels, for pictures of a timeline.

use super::happening::State;
use crate::cause::{ErrorCause, OutcomeIs, OwnCause, StatusIs};
use crate::entry::{Action, Entry, Event, SendWhy};

/// The state that begins with an entry, of what its happening is about.
pub(super) fn state_of(entry: &Entry) -> Option<State> {
    Some(match entry {
        Entry::Action(action) | Entry::Control(action) => match action {
            Action::Connect(..) | Action::Send(_, SendWhy::Join(_), _) => State::Pending,
            _ => return None,
        },
        Entry::Remove(_) => State::Down,
        Entry::Event(event) => match event {
            Event::Opened(_) | Event::Joined(..) => State::Up,
            // Without a delay of its own a channel waits for the connection.
            Event::Closed(_, _, _, Some(_))
            | Event::JoinFailed(_, _, Some(_))
            | Event::ChannelErrored(..) => State::Waiting,
            Event::Closed(..)
            | Event::RetryCancelled
            | Event::JoinFailed(..)
            | Event::ChannelClosed(..) => State::Down,
            _ => return None,
        },
        _ => return None,
    })
}

/// Whether something failed, or is missing, by an entry.
pub(super) fn is_failure(entry: &Entry) -> bool {
    match entry {
        Entry::Malformed(_) | Entry::MessagesLost(_) | Entry::Params(_, None) | Entry::Gap(_) => {
            true
        }
        Entry::Event(event) => match event {
            Event::Closed(_, _, own, retry) => {
                let was_asked_for =
                    matches!(own, Some(OwnCause::Disconnected | OwnCause::Replaced));
                retry.is_some() && !was_asked_for
            }
            // The connection has the reason.
            Event::ChannelErrored(_, ErrorCause::Disconnected, _) => false,
            Event::JoinFailed(..)
            | Event::ChannelErrored(..)
            | Event::Pong(_, None)
            | Event::EventsLost(_) => true,
            Event::RequestDone(_, _, outcome) => !matches!(
                outcome,
                OutcomeIs::Reply(StatusIs::Ok, _)
                    | OutcomeIs::Sent
                    | OutcomeIs::Left
                    | OutcomeIs::Cancelled
            ),
            _ => false,
        },
        _ => false,
    }
}
