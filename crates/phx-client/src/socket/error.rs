//! Errors of connecting, and ends and errors of a socket, as its hooks report them.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use phx_proto::{
    CloseCause, ConfigError, DecodeError, Endpoint, EndpointError, Escaped, TransportKind,
};

/// End of a connection or of an attempt, reported by [`Socket::on_close`](crate::Socket::on_close).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// The cause of the connection's end, or of the attempt's failure.
    pub cause: CloseCause,
    /// True if the connection had been open; false if an attempt to connect failed.
    pub was_open: bool,
    /// Time until the next attempt; `None` if the socket stays closed.
    pub retry_in: Option<Duration>,
}

/// Error of a socket, reported by [`Socket::on_error`](crate::Socket::on_error).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// The connection was lost, or an attempt failed.
    #[error("{0}")]
    Connection(CloseCause),
    /// A received frame isn't a message. The client dropped it.
    #[error("a frame that isn't a message came")]
    Malformed(#[source] DecodeError),
    /// The server ignored the auth token: it named no subprotocol, as Phoenix before 1.8 does, and later versions
    /// for a socket without `auth_token: true`. The connection stays. Reported once for each socket.
    #[error(
        "the server ignored the auth token: before Phoenix 1.8, and without `auth_token: true`, it has to be a param"
    )]
    TokenIgnored,
    /// The transport lost messages that the server sent, and goes on: long-poll can. All streams get a
    /// [gap](crate::StreamItem::Gap).
    #[error("the transport lost messages of the server")]
    MessagesLost,
    /// Messages or other events were lost, because
    /// [`Config::max_events`](phx_proto::Config::max_events) of them waited.
    #[error("{0} events lost")]
    EventsLost(u64),
}

/// Error of a socket that isn't connected, and won't be without another call. `Debug` shows the same text as
/// `Display`.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectError {
    /// The URL that the last attempt began with, without its query, which may hold secrets: that of long-poll if no WebSocket was
    /// tried. `None` if the endpoint itself is wrong.
    pub url: Option<String>,
    /// The cause: a mistake in the settings, or the outcome of the attempts.
    pub cause: ConnectCause,
}

/// Cause of a [`ConnectError`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectCause {
    /// The endpoint, a param or a header is unusable. Nothing was tried.
    Endpoint(EndpointError),
    /// A setting can't work. Nothing was tried.
    Config(ConfigError),
    /// A connection ended, or an attempt failed, and the [reconnect policy](crate::SocketBuilder::reconnect_policy)
    /// doesn't allow another attempt: the default one, because the server refused the first attempt for good. Or
    /// the user disconnected.
    Closed(CloseCause),
    /// The builder lacks the runtime or the connector: set
    /// [`SocketBuilder::runtime`](crate::SocketBuilder::runtime) and
    /// [`SocketBuilder::connector`](crate::SocketBuilder::connector). The adapters' `socket` functions set both.
    #[non_exhaustive]
    Incomplete {
        /// The missing part: `runtime` or `connector`.
        missing: &'static str,
    },
    /// The connection wasn't open within the time limit of
    /// [`Connecting::with_timeout`](crate::Connecting::with_timeout) or
    /// [`SocketBuilder::connect_with_timeout`](crate::SocketBuilder::connect_with_timeout).
    #[non_exhaustive]
    TimedOut {
        /// Cause of the last connection's end or the last attempt's failure; `None` if there was none yet, as with
        /// a server that accepts the connection and sends nothing.
        last: Option<CloseCause>,
    },
    /// The socket's driver has ended: its runtime was shut down, or it panicked.
    Stopped,
}

impl ConnectError {
    /// An error of a builder that made no socket.
    pub(crate) fn unmade(cause: impl Into<ConnectCause>) -> Self {
        ConnectError { url: None, cause: cause.into() }
    }

    pub(crate) fn of(endpoint: &Endpoint, tried: TransportKind, cause: ConnectCause) -> Self {
        ConnectError { url: Some(ConnectError::url(endpoint, tried)), cause }
    }

    /// The URL of this transport without its query, which may hold secrets.
    pub(crate) fn url(endpoint: &Endpoint, tried: TransportKind) -> String {
        let mut url = match tried {
            #[cfg(feature = "url")]
            TransportKind::LongPoll => endpoint.request("").long_poll_url().into(),
            _ => endpoint.to_string(),
        };
        url.truncate(url.find('?').unwrap_or(url.len()));
        url
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.url {
            Some(url) => write!(f, "can't connect to {url}: {}", self.cause),
            None => write!(f, "can't connect: {}", self.cause),
        }
    }
}

impl fmt::Display for ConnectCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectCause::Endpoint(error) => error.fmt(f),
            ConnectCause::Config(error) => error.fmt(f),
            ConnectCause::Closed(cause) => Attempted(cause).fmt(f),
            ConnectCause::Incomplete { missing } => write!(f, "the builder has no {missing}"),
            ConnectCause::TimedOut { last: None } => f.write_str("no connection in time"),
            ConnectCause::TimedOut { last: Some(cause) } => {
                write!(f, "no connection in time; the last attempt failed: {}", Attempted(cause))
            }
            ConnectCause::Stopped => f.write_str("the socket's driver has ended"),
        }
    }
}

/// The cause of an attempt that failed, in a text that says so already.
struct Attempted<'a>(&'a CloseCause);

impl fmt::Display for Attempted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            CloseCause::ConnectFailed { error, .. } if !error.is_empty() => {
                Escaped::new(error).fmt(f)
            }
            CloseCause::UpgradeRejected(rejection) => {
                let hint = match rejection.status {
                    403 => {
                        " (is the token right? `connect/3`, `check_origin` or a web firewall refused it)"
                    }
                    404 => {
                        " (is this the socket's path? It is the one in `socket \"/socket\"` of the endpoint, where long-poll needs `longpoll: true`)"
                    }
                    _ => "",
                };
                write!(f, "{}{hint}", self.0)
            }
            cause => cause.fmt(f),
        }
    }
}

impl fmt::Debug for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for ConnectError {
    /// Source of the endpoint's error; the text above has everything else.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            ConnectCause::Endpoint(error) => error.source(),
            _ => None,
        }
    }
}

impl From<EndpointError> for ConnectCause {
    fn from(error: EndpointError) -> Self {
        ConnectCause::Endpoint(error)
    }
}

impl From<ConfigError> for ConnectCause {
    fn from(error: ConfigError) -> Self {
        ConnectCause::Config(error)
    }
}
