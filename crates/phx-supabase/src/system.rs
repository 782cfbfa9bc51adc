//! `system` messages.

use serde::Deserialize;

use crate::error::ServerError;

/// Message of the server about a channel or the whole connection, from
/// [`Channel::system`](crate::Channel::system): that changes of the database are subscribed to, that a token has
/// expired, that an operator disconnects the client.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct SystemMessage {
    /// Name of the channel, without `realtime:`; `None` if the message is about the connection.
    pub channel: Option<String>,
    /// Part of the server: `system` or `postgres_changes`.
    #[serde(default)]
    pub extension: String,
    /// The text.
    #[serde(default)]
    pub message: String,
    /// `ok` or `error`.
    #[serde(default)]
    pub status: String,
}

impl SystemMessage {
    /// Returns the error, if the message is one.
    #[must_use]
    pub fn error(&self) -> Option<ServerError> {
        (self.status == "error").then(|| ServerError::parse(&self.message))
    }

    /// Returns true if it is about the subscription to changes of the database.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        self.extension == "postgres_changes"
    }
}
