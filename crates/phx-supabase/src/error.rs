//! Errors of the server, with Supabase's codes, and what each means for a channel.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use phx_client::{Escaped, Payload};
use serde::Deserialize;

/// An error that the server reported: the reply to a join or a push, or a `system` message.
///
/// `Display` shows code and text, escaped and no more than 200 characters of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerError {
    /// Supabase's [operational code], the text in front of `: `, such as `Unauthorized`; `None` if there is none.
    ///
    /// [operational code]: https://supabase.com/docs/guides/realtime/error_codes
    pub code: Option<String>,
    /// The text, without the code.
    pub message: String,
}

/// Consequence of an error for the channel that it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Retry {
    /// The trouble may pass: the channel is joined again by the rejoin schedule.
    Backoff,
    /// A limit was reached: the channel is joined again after [`RATE_LIMIT_PAUSE`].
    RateLimit,
    /// The token isn't valid any more: the channel is joined again if there is another one.
    NewToken,
    /// Another try would end the same way: the channel is closed.
    Stop,
}

/// 30 s: pause after an error that says [`Retry::RateLimit`].
pub const RATE_LIMIT_PAUSE: Duration = Duration::from_secs(30);

/// What to do after an error, by its code, or for `system` messages, which have none, by how their text begins. Codes
/// and texts are those of `realtime_channel.ex` in supabase/realtime at 833cf36. Any other error is
/// [`Retry::Backoff`].
pub const RETRIES: &[(&str, Retry)] = &[
    ("ChannelRateLimitReached", Retry::RateLimit),
    ("Client presence rate limit exceeded", Retry::RateLimit),
    ("ClientJoinRateLimitReached", Retry::RateLimit),
    ("ConnectionRateLimitReached", Retry::RateLimit),
    ("DatabaseConnectionRateLimitReached", Retry::RateLimit),
    ("DatabaseLackOfConnections", Retry::Backoff),
    ("ErrorOnRpcCall", Retry::Backoff),
    ("Failed to generate JWT signer", Retry::Stop),
    ("Fields `role` and `exp` are required in JWT", Retry::NewToken),
    ("IncreaseConnectionPool", Retry::Backoff),
    ("InitializingProjectConnection", Retry::Backoff),
    ("InvalidJWTToken", Retry::NewToken),
    ("JwtSignatureError", Retry::Stop),
    ("JwtSignerError", Retry::Stop),
    ("MalformedJWT", Retry::Stop),
    ("MissingPartition", Retry::Backoff),
    ("MusterJoinError", Retry::Backoff),
    ("PrivateOnly", Retry::Stop),
    ("QueryCanceled", Retry::Backoff),
    ("RealtimeDisabledForTenant", Retry::Stop),
    ("RealtimeRestarting", Retry::Backoff),
    ("TenantNotFound", Retry::Stop),
    ("The token provided is not a valid JWT", Retry::Stop),
    ("TimeoutOnRpcCall", Retry::Backoff),
    ("Token has expired", Retry::NewToken),
    ("Too many messages per second", Retry::RateLimit),
    ("Too many presence messages per second", Retry::RateLimit),
    ("TopicNameRequired", Retry::Stop),
    ("Track message size exceeded", Retry::Stop),
    ("UnableToConnectToProject", Retry::Backoff),
    ("UnableToReplayMessages", Retry::Stop),
    ("Unauthorized", Retry::Stop),
    ("UnknownErrorOnChannel", Retry::Backoff),
    ("You do not have permissions to read", Retry::Stop),
    ("You no longer have permission to read", Retry::Stop),
];

impl ServerError {
    /// The error that this text of the server is.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let is_code =
            |code: &str| !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match text.split_once(": ").filter(|(code, _)| is_code(code)) {
            Some((code, message)) => {
                ServerError { code: Some(code.to_owned()), message: message.to_owned() }
            }
            None => ServerError { code: None, message: text.to_owned() },
        }
    }

    /// Returns what the error means for a channel that it ends, by [`RETRIES`].
    #[must_use]
    pub fn retry(&self) -> Retry {
        let is_this = |text: &str| match &self.code {
            Some(code) => code == text,
            None => self.message.starts_with(text),
        };
        RETRIES.iter().find(|(text, _)| is_this(text)).map_or(Retry::Backoff, |(_, retry)| *retry)
    }

    /// The error in the response of a reply, or in the body of an HTTP answer: an object with a `reason`, a `message` or an
    /// `error`; a string; or nothing.
    pub(crate) fn of_response(response: &Payload) -> Self {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Response<'a> {
            Text(#[serde(borrow)] Cow<'a, str>),
            Reason {
                #[serde(borrow, alias = "message", alias = "error")]
                reason: Cow<'a, str>,
            },
        }
        match response.decode() {
            Ok(Response::Text(text) | Response::Reason { reason: text }) => {
                ServerError::parse(&text)
            }
            Err(_) => ServerError::parse("the server gave no reason"),
        }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(code) = &self.code {
            write!(f, "{}: ", Escaped::short(code, 40))?;
        }
        Escaped::short(&self.message, 160).fmt(f)
    }
}

impl std::error::Error for ServerError {}
