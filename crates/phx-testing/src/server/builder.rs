//! A server's settings and the channels of its application.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use phx_proto::Serializer;

use super::connect::Handshake;
use crate::{Channel, ConnectInfo, PhoenixVersion, UpgradeRejection};

/// Settings and channels of a [`Server`](crate::Server); the defaults are Phoenix's.
#[must_use]
pub struct ServerBuilder {
    pub(super) gate: Handshake,
    pub(super) app: App,
    pub(super) seed: u64,
}

impl Default for ServerBuilder {
    fn default() -> Self {
        ServerBuilder {
            gate: Handshake {
                path: "/socket".to_owned(),
                auth_token: false,
                serializers: Vec::new(),
                connect: Box::new(|_| Ok(None)),
            },
            app: App {
                version: PhoenixVersion::default(),
                routes: Vec::new(),
                max_channels: None,
                max_frame_size: 10_000_000,
                idle_timeout: Some(Duration::from_secs(60)),
            },
            seed: 0,
        }
    }
}

impl ServerBuilder {
    /// Sets the release of Phoenix to imitate. Default: 1.8.12.
    pub fn version(mut self, version: PhoenixVersion) -> Self {
        self.app.version = version;
        self
    }

    /// Sets the path of the socket; its endpoint is this path and `/websocket`. Default: `/socket`.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.gate.path = path.into();
        self
    }

    /// Sets the function that decides about connections, and gives each its id (for
    /// [`disconnect`](crate::Server::disconnect)) or none. Default: every connection is accepted and has no id.
    pub fn connect(
        mut self,
        connect: impl Fn(&ConnectInfo) -> Result<Option<String>, UpgradeRejection>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.gate.connect = Box::new(connect);
        self
    }

    /// Sets whether the server takes tokens from the subprotocols, and answers `phoenix` to clients that offer it.
    /// Default: false; then it ignores subprotocols, as every socket before 1.8.0 does.
    pub fn auth_token(mut self, enabled: bool) -> Self {
        self.gate.auth_token = enabled;
        self
    }

    /// Adds the server's side of a custom serializer, beside V1 and V2.
    pub fn serializer(mut self, serializer: Arc<dyn Serializer>) -> Self {
        self.gate.serializers.push(serializer);
        self
    }

    /// Serves a topic, or all topics that start with the text before a final `*`. The first matching pattern
    /// counts. `channel` makes a new channel for each join.
    pub fn channel<C: Channel>(
        mut self,
        pattern: impl Into<String>,
        channel: impl Fn() -> C + Send + Sync + 'static,
    ) -> Self {
        let make = move || -> Box<dyn Channel> { Box::new(channel()) };
        self.app.routes.push((pattern.into(), Box::new(make)));
        self
    }

    /// Sets the largest number of channels that a connection may have joined. Default: 100, without a limit before
    /// 1.8.9.
    pub fn max_channels(mut self, max: usize) -> Self {
        self.app.max_channels = Some(max);
        self
    }

    /// Sets the largest incoming frame, in bytes; a larger one closes the connection with 1009. Default:
    /// 10,000,000. A listener allows up to 1 GiB here, and refuses a frame over the limit as soon as its header has
    /// arrived. For a smaller one it allocates the memory then.
    pub fn max_frame_size(mut self, max: usize) -> Self {
        self.app.max_frame_size = max;
        self
    }

    /// Sets the time without a frame from the client after which a connection is closed with 1002. Default: 60 s.
    pub fn idle_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.app.idle_timeout = timeout;
        self
    }

    /// Sets the seed of the presences' `phx_ref`s; equal seeds and inputs give equal outputs.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("path", &self.gate.path)
            .field("app", &self.app)
            .finish_non_exhaustive()
    }
}

/// Channels of the application, and limits.
pub(super) struct App {
    pub(super) version: PhoenixVersion,
    routes: Vec<(String, Box<MakeChannel>)>,
    /// As the version has it, unless the application says.
    pub(super) max_channels: Option<usize>,
    pub(super) max_frame_size: usize,
    pub(super) idle_timeout: Option<Duration>,
}

type MakeChannel = dyn Fn() -> Box<dyn Channel> + Send + Sync;

impl App {
    /// A new channel for this topic, if one is served.
    pub(super) fn channel(&self, topic: &str) -> Option<Box<dyn Channel>> {
        let matches = |pattern: &str| match pattern.strip_suffix('*') {
            Some(prefix) => topic.starts_with(prefix),
            None => topic == pattern,
        };
        let route = self.routes.iter().find(|(pattern, _)| matches(pattern));
        route.map(|(_, make)| make())
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let patterns: Vec<_> = self.routes.iter().map(|(pattern, _)| pattern).collect();
        f.debug_struct("App").field("channels", &patterns).finish_non_exhaustive()
    }
}
