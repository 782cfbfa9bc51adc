//! A server's settings and the channels of its application.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use phx_proto::{ByteString, Instant, Message, Serializer};

use super::connect::Handshake;
use super::http::{HttpAnswer, HttpRequest, HttpServer};
use crate::{Channel, ConnectInfo, PhoenixVersion, UpgradeRejection};

/// Settings and channels of a [`Server`](crate::Server); the defaults are Phoenix's.
#[must_use]
pub struct ServerBuilder {
    pub(super) gate: Handshake,
    pub(super) app: App,
    pub(super) http: HttpServer,
    pub(super) poll_window: Duration,
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
                #[cfg(feature = "deflate")]
                compresses: false,
                idle_timeout: Some(Duration::from_secs(60)),
                on_crash: None,
                skips_malformed: false,
                http_api: None,
            },
            http: HttpServer::default(),
            poll_window: Duration::from_secs(10),
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

    /// Sets the web server to imitate, for long-poll and compression. Default: Bandit.
    pub fn http_server(mut self, http: HttpServer) -> Self {
        self.http = http;
        self
    }

    /// Sets the time that a poll waits for messages, and a POST for its frames: `window_ms`. A session that isn't
    /// polled ends after 1.5 to 3 times as long. Default: 10 s.
    pub fn poll_window(mut self, window: Duration) -> Self {
        self.poll_window = window;
        self
    }

    /// Sets the path of the socket; its endpoint is this path and `/websocket`, or `/longpoll`. Default: `/socket`.
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

    /// Serves requests of an application's HTTP API: those whose path is `path`, or goes on with `/` behind it. It gets
    /// the server's time. The messages that `answer` returns are broadcast to their topics before its answer. It runs inside the server, so it
    /// must not block.
    pub fn http_api(
        mut self,
        path: impl Into<String>,
        answer: impl Fn(Instant, &HttpRequest) -> (HttpAnswer, Vec<Message>) + Send + Sync + 'static,
    ) -> Self {
        self.app.http_api = Some((path.into(), Box::new(answer)));
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

    /// Sets whether a listener compresses messages (permessage-deflate) on connections whose clients offer it: the
    /// socket option `compress`. It does so as the [`HttpServer`] does. Default: false.
    #[cfg(feature = "deflate")]
    pub fn compress(mut self, enabled: bool) -> Self {
        self.app.compresses = enabled;
        self
    }

    /// Sets the time without a frame from the client after which a connection is closed with 1002. Default: 60 s.
    pub fn idle_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.app.idle_timeout = timeout;
        self
    }

    /// Sets a function that is called with each crash of a channel, before the client hears of it: the server's log.
    /// It runs inside the server, so it must not block.
    pub fn on_crash(mut self, report: impl Fn(&ChannelCrash) + Send + Sync + 'static) -> Self {
        self.app.on_crash = Some(Box::new(report));
        self
    }

    /// Sets whether a frame that isn't a message is skipped. Default: false; then it closes the connection with
    /// 1011, as Phoenix does. Servers that wrap Phoenix's socket may go on.
    pub fn skip_malformed(mut self, enabled: bool) -> Self {
        self.app.skips_malformed = enabled;
        self
    }

    /// Sets the seed of the presences' `phx_ref`s and of long-poll's tokens; equal seeds and inputs give equal outputs.
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
    /// A listener compresses for clients that offer it.
    #[cfg(feature = "deflate")]
    pub(super) compresses: bool,
    pub(super) idle_timeout: Option<Duration>,
    on_crash: Option<Box<OnCrash>>,
    /// A frame that isn't a message doesn't end its connection.
    pub(super) skips_malformed: bool,
    http_api: Option<(String, Box<HttpApi>)>,
}

/// Crash of a channel, or of its join, for [`ServerBuilder::on_crash`]. It has no payload, which may be
/// confidential.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelCrash {
    /// The channel's topic.
    pub topic: ByteString,
    /// The event of the client's message that crashed it; `None` if it was a message of the server.
    pub event: Option<ByteString>,
}

type OnCrash = dyn Fn(&ChannelCrash) + Send + Sync;

type HttpApi = dyn Fn(Instant, &HttpRequest) -> (HttpAnswer, Vec<Message>) + Send + Sync;
type MakeChannel = dyn Fn() -> Box<dyn Channel> + Send + Sync;

impl App {
    /// The function that answers requests for this path, if there is one.
    pub(super) fn http_api(&self, path: &str) -> Option<&HttpApi> {
        let (prefix, answer) = self.http_api.as_ref()?;
        let rest = path.strip_prefix(prefix.as_str())?;
        (rest.is_empty() || rest.starts_with('/')).then_some(&**answer)
    }

    /// A new channel for this topic, if one is served.
    pub(super) fn channel(&self, topic: &str) -> Option<Box<dyn Channel>> {
        let matches = |pattern: &str| match pattern.strip_suffix('*') {
            Some(prefix) => topic.starts_with(prefix),
            None => topic == pattern,
        };
        let route = self.routes.iter().find(|(pattern, _)| matches(pattern));
        route.map(|(_, make)| make())
    }

    /// Calls the application's function, if there is one.
    pub(super) fn report_crash(&self, topic: &ByteString, event: Option<ByteString>) {
        if let Some(report) = &self.on_crash {
            report(&ChannelCrash { topic: topic.clone(), event });
        }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let patterns: Vec<_> = self.routes.iter().map(|(pattern, _)| pattern).collect();
        f.debug_struct("App").field("channels", &patterns).finish_non_exhaustive()
    }
}
