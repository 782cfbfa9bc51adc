//! Why a channel ended.

use std::fmt;

use crate::error::ServerError;

/// Reason why a channel is closed, although it wasn't left.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelEnd {
    /// The server rejected the join with an error that [stops](crate::Retry::Stop).
    Rejected(ServerError),
    /// The server closed the channel, with an error that [stops](crate::Retry::Stop), or without any.
    ClosedByServer(Option<ServerError>),
    /// The access token isn't valid any more, and there is no valid one.
    TokenExpired {
        /// The error of the server.
        error: ServerError,
        /// Why there is no valid token.
        because: NoNewToken,
    },
    /// The reply to the join had other bindings for changes of the database than those that were asked for.
    BindingsDiffer,
}

/// Reason why an expired token has no successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoNewToken {
    /// The client has no token function. [`Client::set_auth`](crate::Client::set_auth) sets another token.
    NoFunction,
    /// The token function returned the expired token, or none.
    SameToken,
    /// Three new tokens were refused as well.
    ThreeRefused,
}

impl fmt::Display for ChannelEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChannelEnd::Rejected(error) => write!(f, "the server rejected the join: {error}"),
            ChannelEnd::ClosedByServer(Some(error)) => {
                write!(f, "the server closed the channel: {error}")
            }
            ChannelEnd::ClosedByServer(None) => f.write_str("the server closed the channel"),
            ChannelEnd::TokenExpired { error, because } => {
                let because = match because {
                    NoNewToken::NoFunction => "there is no token function",
                    NoNewToken::SameToken => "the token function has no other token",
                    NoNewToken::ThreeRefused => "three new tokens were refused",
                };
                write!(f, "the access token isn't valid any more, and {because}: {error}")
            }
            ChannelEnd::BindingsDiffer => f.write_str(
                "the server subscribed to other changes of the database than those asked for",
            ),
        }
    }
}

impl std::error::Error for ChannelEnd {}
