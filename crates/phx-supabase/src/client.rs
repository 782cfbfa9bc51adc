//! The client of a project.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use phx_client::{
    CloseCause, ConnectCause, ConnectError as SocketError, Endpoint, Escaped, Runtime, Socket,
    SocketBuilder,
};

use crate::channel::ChannelBuilder;
use crate::endpoint::{ProjectError, endpoint};
use crate::registry::Registry;
use crate::serializer::{V1, V2};
use crate::token::TokenSource;

/// 25 s: the default time between two heartbeats, as Supabase's clients have it.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(25);

/// Builder of a [`Client`], from [`Client::builder`]. `Debug` shows neither the key nor a token.
#[derive(Debug)]
#[must_use = "a builder does nothing until `connect` or `spawn`"]
pub struct ClientBuilder {
    endpoint: Result<Endpoint, ProjectError>,
    source: TokenSource,
    heartbeat_interval: Duration,
    #[cfg(feature = "http")]
    http_timeout: Duration,
    is_v1: bool,
}

/// Error of connecting. It shows neither the key nor a token. `Debug` shows the same text as `Display`.
#[non_exhaustive]
pub enum ConnectError {
    /// The project's URL or key can't be used.
    Project(ProjectError),
    /// The socket's error; the server refuses a wrong key with 401 or 403.
    Socket(SocketError),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Project(error) => write!(f, "the project: {error}"),
            ConnectError::Socket(error) => {
                let hint = match &error.cause {
                    ConnectCause::Closed(CloseCause::UpgradeRejected(rejection))
                        if rejection.status == 401 =>
                    {
                        " (is this the project's key?)"
                    }
                    _ => "",
                };
                write!(f, "{error}{hint}")
            }
        }
    }
}

impl fmt::Debug for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ConnectError::Project(error) => Some(error),
            ConnectError::Socket(error) => error.source(),
        }
    }
}

impl From<ProjectError> for ConnectError {
    fn from(error: ProjectError) -> Self {
        ConnectError::Project(error)
    }
}

impl From<SocketError> for ConnectError {
    fn from(error: SocketError) -> Self {
        ConnectError::Socket(error)
    }
}

impl ClientBuilder {
    /// Sets the access token that joins send, such as the one of a user who has logged in. Default: none, then the
    /// server takes the key. [`Client::set_auth`] changes it.
    pub fn access_token(mut self, token: impl Into<String>) -> Self {
        self.source = TokenSource::Fixed(token.into());
        self
    }

    /// Sets a function that returns the access token now, or `None` for the key. It is awaited before each join, the
    /// first one too, and at each heartbeat: joined channels are sent a token that changed. When the server says that a
    /// token has expired, the channel is joined again with the function's next one.
    ///
    /// A join has 10 s for it. Its errors are logged: keep secrets out of them.
    pub fn access_token_with<F, M>(mut self, make: F) -> Self
    where
        F: Fn() -> M + Send + Sync + 'static,
        M: Future<Output = Result<Option<String>, Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        self.source = TokenSource::function(make);
        self
    }

    /// Sets the time between two heartbeats. Default: [`HEARTBEAT_INTERVAL`].
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.heartbeat_interval = interval;
        self
    }

    /// Sets the time limit for a broadcast by HTTP, from the connection to the answer. Default: 10 s.
    #[cfg(feature = "http")]
    pub fn http_timeout(mut self, timeout: Duration) -> Self {
        self.http_timeout = timeout;
        self
    }

    /// Adds a param to the URL, such as `log_level`.
    pub fn param(mut self, key: &str, value: &str) -> Self {
        self.endpoint = self.endpoint.map(|endpoint| endpoint.with_param(key, value));
        self
    }

    /// Uses `vsn` 1.0.0: text frames only, for a server that has no other. Bytes can't be sent, and aren't received.
    pub fn v1(mut self) -> Self {
        self.is_v1 = true;
        self
    }

    /// Connects, and waits until the connection is open, see [`SocketBuilder::connect`]. `socket` makes the socket's
    /// builder: an adapter's function, such as `phx_tokio::socket`, or a closure with more settings. Serializer,
    /// heartbeats and the policies for rejoins are set after that.
    ///
    /// It waits for as long as a retry can help, as where a name can't be looked up;
    /// [`connect_with_timeout`](Self::connect_with_timeout) has a limit.
    ///
    /// # Errors
    ///
    /// [`ConnectError`].
    pub async fn connect(
        self,
        socket: impl FnOnce(Endpoint) -> SocketBuilder,
    ) -> Result<Client, ConnectError> {
        let client = self.spawn(socket)?;
        client.socket.wait_connected().await?;
        Ok(client)
    }

    /// As [`connect`](Self::connect), with a time limit, see [`SocketBuilder::connect_with_timeout`].
    ///
    /// # Errors
    ///
    /// [`ConnectError`].
    pub async fn connect_with_timeout(
        self,
        socket: impl FnOnce(Endpoint) -> SocketBuilder,
        limit: Duration,
    ) -> Result<Client, ConnectError> {
        let client = self.spawn(socket)?;
        client.socket.wait_connected().with_timeout(limit).await?;
        Ok(client)
    }

    /// Starts to connect, and returns the client at once, see [`SocketBuilder::spawn`].
    ///
    /// # Errors
    ///
    /// [`ConnectError`] if the project or a setting can't be used.
    pub fn spawn(
        self,
        socket: impl FnOnce(Endpoint) -> SocketBuilder,
    ) -> Result<Client, ConnectError> {
        let has_function = self.source.is_function();
        let registry = Arc::new(Registry::new(self.source));
        let builder = socket(self.endpoint?)
            .heartbeat_interval(Some(self.heartbeat_interval))
            .rejoin_policy(registry.rejoin_policy())
            .close_policy(registry.close_policy());
        let builder = if self.is_v1 { builder.serializer(V1) } else { builder.serializer(V2) };
        #[cfg(feature = "http")]
        let http = builder.http_client()?.with_timeout(self.http_timeout);
        let socket = builder.spawn()?;
        #[cfg(feature = "http")]
        let _ = registry.api.get_or_init(|| crate::http::Api::new(&socket, http));
        if has_function {
            let runtime = socket.runtime();
            let renewing = renew_tokens(
                Arc::clone(&runtime),
                Arc::downgrade(&registry),
                self.heartbeat_interval,
            );
            runtime.spawn(Box::pin(renewing));
        }
        Ok(Client { socket, registry })
    }
}

/// Client of a project: one connection to its Realtime server. Clones share it; when the last handle of the client and
/// of its channels is dropped, the connection is closed.
#[derive(Clone, Debug)]
pub struct Client {
    socket: Socket,
    registry: Arc<Registry>,
}

impl Client {
    /// Returns the builder of a client of the project at `url`, such as `https://PROJECT.supabase.co`, with the
    /// project's anon or publishable key. A mistake in them becomes the error of [`ClientBuilder::connect`].
    pub fn builder(url: &str, key: &str) -> ClientBuilder {
        ClientBuilder {
            endpoint: endpoint(url, key),
            source: TokenSource::None,
            heartbeat_interval: HEARTBEAT_INTERVAL,
            #[cfg(feature = "http")]
            http_timeout: Duration::from_secs(10),
            is_v1: false,
        }
    }

    /// Returns a builder of the channel with this name, without `realtime:`.
    pub fn channel(&self, name: impl Into<String>) -> ChannelBuilder {
        ChannelBuilder::new(self.socket.clone(), Arc::clone(&self.registry), name.into())
    }

    /// Sets the access token, instead of an earlier one or a token function. Joined channels are sent it at once; one
    /// that the server has already isn't sent again.
    pub fn set_auth(&self, token: impl Into<String>) {
        let token = token.into();
        self.registry.tokens.set(TokenSource::Fixed(token.clone()));
        self.registry.send_token(&token);
    }

    /// Returns the socket of [`phx_client`]: its state, hooks and all else.
    #[must_use]
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Closes the connection, and resolves when it is closed.
    pub async fn disconnect(&self) {
        let _ = self.socket.disconnect().await;
    }
}

/// Asks the token function at each heartbeat, and sends a token that changed.
async fn renew_tokens(runtime: Arc<dyn Runtime>, registry: Weak<Registry>, interval: Duration) {
    loop {
        runtime.timer(runtime.now() + interval).await;
        let Some(source) = registry.upgrade().map(|registry| registry.tokens.source()) else {
            return;
        };
        if !source.is_function() {
            // `set_auth` took its place for good.
            return;
        }
        let token = source.get_in_time(&*runtime).await;
        match (token, registry.upgrade()) {
            (Ok(Some(token)), Some(registry)) => registry.send_token(&token),
            (Ok(None), Some(_)) => {}
            (Err(error), Some(_)) => {
                tracing::warn!(target: "phx_supabase::token", error = %Escaped::new(&error.to_string()), "the access token couldn't be made");
            }
            (_, None) => return,
        }
    }
}
