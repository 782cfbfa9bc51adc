//! A session's token, and where the server reads it.

use alloc::sync::Arc;

/// Where a server reads the token of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "Phoenix has these two places")]
pub enum TokenPlace {
    /// Not known yet: the first poll of a session finds out.
    #[default]
    Unknown,
    /// In the header `x-phoenix-longpoll-token`: Phoenix 1.8.10 and newer.
    Header,
    /// In the query parameter `token`: older versions.
    Query,
}

/// Where a request has the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Header,
    Query,
}

/// The token of a session.
pub(super) struct Token {
    text: Arc<str>,
    place: Place,
    /// The server has read the token there in this session.
    is_confirmed: bool,
}

impl Token {
    pub(super) fn new(text: &str, known: TokenPlace) -> Self {
        let place = match known {
            TokenPlace::Unknown | TokenPlace::Header => Place::Header,
            TokenPlace::Query => Place::Query,
        };
        Token { text: text.into(), place, is_confirmed: false }
    }

    pub(super) fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The place for the next request.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    pub(super) fn is_confirmed(&self) -> bool {
        self.is_confirmed
    }

    /// The place that the server has confirmed.
    pub(super) fn confirmed(&self) -> Option<TokenPlace> {
        self.is_confirmed.then_some(match self.place {
            Place::Header => TokenPlace::Header,
            Place::Query => TokenPlace::Query,
        })
    }

    /// The server has read the token in this place.
    pub(super) fn confirm(&mut self, place: Place) {
        if !self.is_confirmed {
            self.place = place;
            self.is_confirmed = true;
        }
    }

    /// The server didn't know the token that was in this place. Returns `true` if the other place is left to ask with.
    pub(super) fn is_unknown(&mut self, place: Place) -> bool {
        let is_left = !self.is_confirmed && self.place == Place::Header && place == Place::Header;
        if is_left {
            self.place = Place::Query;
        }
        is_left
    }
}
