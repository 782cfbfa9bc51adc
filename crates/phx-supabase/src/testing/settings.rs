//! Settings of a server, which its channels share.

use std::fmt;
use std::time::Duration;

use phx_client::Instant;

use super::command::Command;
use crate::Broadcast;

/// Prefix of the topics of all channels.
pub(super) const TOPIC: &str = "realtime:";

/// Text for a key or a token that isn't a JSON Web Token.
pub(super) const MALFORMED: &str = "The token provided is not a valid JWT";

/// Result of checking a key or an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Token {
    /// It is valid, and is checked again after this time, if any.
    Valid {
        /// Time until the next check, at which a channel ends if the token has expired by then.
        recheck_after: Option<Duration>,
    },
    /// It has expired.
    Expired {
        /// Time since it expired, which the server's message gives in seconds.
        ago: Duration,
    },
    /// It isn't a JSON Web Token.
    Malformed,
}

impl Token {
    /// A token that is valid for good.
    pub const VALID: Token = Token::Valid { recheck_after: None };

    /// Returns the code of the error and the server's text, if it isn't valid.
    pub(super) fn error(self) -> Option<(&'static str, String)> {
        let (code, text) = match self {
            Token::Valid { .. } => return None,
            Token::Expired { ago } => {
                ("InvalidJWTToken", format!("Token has expired {} seconds ago", ago.as_secs()))
            }
            Token::Malformed => ("MalformedJWT", MALFORMED.to_owned()),
        };
        Some((code, text))
    }
}

/// Rights of a client on a private channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "Supabase checks these two")]
pub struct Permissions {
    /// True if it may join.
    pub read: bool,
    /// True if its broadcasts are passed on, and its presence is tracked.
    pub write: bool,
}

/// A join, or a request of the HTTP API, as the server's settings see it. `Debug` hides the token.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JoinRequest {
    /// Name of the channel, without `realtime:`.
    pub channel: String,
    /// True if it is for a private channel.
    pub private: bool,
    /// The access token, or the key if the client sent none.
    pub token: String,
}

impl JoinRequest {
    pub(super) fn new(channel: &str, private: bool, token: &str) -> Self {
        JoinRequest { channel: channel.to_owned(), private, token: token.to_owned() }
    }

    /// The topic of the server's side: the private and the public channels of a name are two rooms.
    pub(super) fn server_topic(&self) -> String {
        let kind = if self.private { "realtime-private" } else { "realtime" };
        format!("{kind}:{}", self.channel)
    }
}

impl fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinRequest")
            .field("channel", &self.channel)
            .field("private", &self.private)
            .finish_non_exhaustive()
    }
}

/// A broadcast that the project's database holds for replay.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_structs, reason = "the columns of the table")]
pub struct StoredBroadcast {
    /// Name of the private channel, without `realtime:`.
    pub channel: String,
    /// Id of the row.
    pub id: String,
    /// Time of the row, in milliseconds since 1970.
    pub inserted_at: u64,
    /// The event and its payload.
    pub broadcast: Broadcast,
}

type TokenRule = Box<dyn Fn(&str, Instant) -> Token + Send + Sync>;
type JoinRule<R> = Box<dyn Fn(&JoinRequest) -> R + Send + Sync>;

/// Settings of a project's server; the defaults are Supabase's where nothing else is said.
///
/// # Examples
///
/// ```
/// use phx_supabase::testing::RealtimeServer;
/// use phx_testing::listener::Listener;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let server = RealtimeServer::new("anon-key").builder().build();
/// let listener = Listener::bind(server).await?;
/// // A client's project URL: the server's path is `/realtime/v1`.
/// let url = format!("http://{}", listener.address());
/// # drop(url);
/// listener.stop().await;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct RealtimeServer {
    pub(super) keys: Box<dyn Fn(&str) -> Token + Send + Sync>,
    pub(super) tokens: TokenRule,
    pub(super) joins: JoinRule<Result<(), String>>,
    pub(super) permissions: JoinRule<Permissions>,
    pub(super) after_join: JoinRule<Option<(Duration, Command)>>,
    pub(super) error_delay: Duration,
    pub(super) max_payload: usize,
    /// Largest number of calls of presence in a window of time.
    pub(super) presence_calls: (u32, Duration),
    pub(super) stored: Vec<StoredBroadcast>,
}

impl RealtimeServer {
    /// Creates the settings of a project that has this key. Every access token is valid, every join is accepted, and
    /// every client has all rights.
    pub fn new(key: impl Into<String>) -> Self {
        let key = key.into();
        RealtimeServer {
            keys: Box::new(move |sent| if sent == key { Token::VALID } else { Token::Malformed }),
            tokens: Box::new(|_, _| Token::VALID),
            joins: Box::new(|_| Ok(())),
            permissions: Box::new(|_| Permissions { read: true, write: true }),
            after_join: Box::new(|_| None),
            error_delay: Duration::ZERO,
            max_payload: 3_000_500,
            presence_calls: (5, Duration::from_secs(30)),
            stored: Vec::new(),
        }
    }

    /// Sets the check of the `apikey`. Default: it must be the project's.
    pub fn keys(mut self, check: impl Fn(&str) -> Token + Send + Sync + 'static) -> Self {
        self.keys = Box::new(check);
        self
    }

    /// Sets the check of access tokens: of joins, of pushes of `access_token`, and again when the last check said so.
    pub fn tokens(
        mut self,
        check: impl Fn(&str, Instant) -> Token + Send + Sync + 'static,
    ) -> Self {
        self.tokens = Box::new(check);
        self
    }

    /// Sets the function that refuses joins, with a reason such as `PrivateOnly: This project only allows private
    /// channels` or `ChannelRateLimitReached: Too many channels`.
    pub fn joins(
        mut self,
        check: impl Fn(&JoinRequest) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.joins = Box::new(check);
        self
    }

    /// Sets the rights on private channels. They are asked for at the join, with each new token and each message.
    pub fn permissions(
        mut self,
        permissions: impl Fn(&JoinRequest) -> Permissions + Send + Sync + 'static,
    ) -> Self {
        self.permissions = Box::new(permissions);
        self
    }

    /// Sets what happens to a channel some time after its join.
    pub fn after_join(
        mut self,
        command: impl Fn(&JoinRequest) -> Option<(Duration, Command)> + Send + Sync + 'static,
    ) -> Self {
        self.after_join = Box::new(command);
        self
    }

    /// Sets the time before the reply to a refused join, in which the whole connection waits. Default: zero. Supabase
    /// waits 5 s.
    pub fn error_delay(mut self, delay: Duration) -> Self {
        self.error_delay = delay;
        self
    }

    /// Sets the largest payload of a broadcast or a presence, in bytes. Default: 3,000,500.
    pub fn max_payload(mut self, max: usize) -> Self {
        self.max_payload = max;
        self
    }

    /// Sets how often a channel may call presence in a window of time; the next call closes it. Default: 5 in 30 s.
    pub fn presence_calls(mut self, max: u32, window: Duration) -> Self {
        self.presence_calls = (max, window);
        self
    }

    /// Adds a broadcast that joins of private channels can replay.
    pub fn stored(mut self, row: StoredBroadcast) -> Self {
        self.stored.push(row);
        self
    }

    /// Returns true if a client may send messages to a channel.
    pub(super) fn allows_writes(&self, request: &JoinRequest) -> bool {
        !request.private || (self.permissions)(request).write
    }
}

impl fmt::Debug for RealtimeServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RealtimeServer").finish_non_exhaustive()
    }
}
