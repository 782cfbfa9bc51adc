//! Channels: what they send, and streams of what they receive.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use phx_client::{
    ByteString, Bytes, ChannelState, IntoPayload, Leave, Messages, Payload, Presence, StreamOptions,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::bindings::PostgresChanges;
use crate::broadcast::{Broadcast, Broadcasts};
use crate::end::ChannelEnd;
use crate::error::ServerError;
use crate::join::{Join, JoinError};
use crate::postgres::Changes;
use crate::registry::{Registered, Registry};
use crate::send::{SendError, Sending};
use crate::state::{Config, Replay, State};
use crate::system::SystemMessage;
use crate::token::TokenSource;
use crate::wire::USER_BROADCAST;

/// Prefix of all topics.
const TOPIC: &str = "realtime:";

/// Prefix of the events of broadcasts in frames and in text.
const BROADCASTS: &str = "broadcast";

/// Builder of a channel, from [`Client::channel`](crate::Client::channel).
#[derive(Debug)]
#[must_use = "a channel is made by `create`"]
pub struct ChannelBuilder {
    socket: phx_client::Socket,
    registry: Arc<Registry>,
    name: String,
    config: Config,
    join_timeout: Option<Duration>,
}

impl ChannelBuilder {
    pub(crate) fn new(socket: phx_client::Socket, registry: Arc<Registry>, name: String) -> Self {
        ChannelBuilder { socket, registry, name, config: Config::default(), join_timeout: None }
    }

    /// Sets whether the channel's streams get its own broadcasts. Default: false.
    pub fn broadcast_self(mut self, enabled: bool) -> Self {
        self.config.broadcast.to_self = enabled;
        self
    }

    /// Sets whether the server replies to broadcasts. Default: false.
    pub fn ack(mut self, enabled: bool) -> Self {
        self.config.broadcast.ack = enabled;
        self
    }

    /// Replays broadcasts of a private channel that the database has stored since `since`, after every join: the last
    /// `limit` of them, by default 25. A rejoin replays them again, with the same ids.
    pub fn replay(mut self, since: SystemTime, limit: Option<u32>) -> Self {
        let since = since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        self.config.broadcast.replay = Some(Replay { since, limit });
        self
    }

    /// Sets the key under which the client's presence is tracked, and turns presence on. Default: one that the server
    /// makes.
    pub fn presence_key(mut self, key: impl Into<String>) -> Self {
        self.config.presence.key = key.into();
        self.config.presence.enabled = true;
        self
    }

    /// Sets whether the channel is private: the database's policies say who may join. Default: false.
    pub fn private(mut self, enabled: bool) -> Self {
        self.config.private = enabled;
        self
    }

    /// Sets the time limit for the server's reply to each join. The server takes 5 s for a refusal. Default: that of
    /// the socket, 10 s.
    pub fn join_timeout(mut self, timeout: Duration) -> Self {
        self.join_timeout = Some(timeout);
        self
    }

    /// Creates the channel without joining it: streams that are made before [`Channel::join`] miss nothing.
    ///
    /// # Errors
    ///
    /// [`JoinError`] if the name can't be used, or has a channel already.
    pub fn create(self) -> Result<Channel, JoinError> {
        let topic = ByteString::from(format!("{TOPIC}{}", self.name));
        let state = Arc::new(State::new(self.config));
        let mut builder = self.socket.channel(topic.clone()).params_with({
            let (state, registry) = (Arc::clone(&state), Arc::clone(&self.registry));
            move || join_params(topic.clone(), Arc::clone(&state), Arc::clone(&registry))
        });
        if let Some(timeout) = self.join_timeout {
            builder = builder.join_timeout(timeout);
        }
        let channel = builder.create().map_err(|error| JoinError::of(error, None))?;
        let registered = Registered { channel, state, registry: self.registry };
        Ok(Channel::new(Arc::new(registered)))
    }
}

/// Makes the params of a join. The token is asked for before each, also before the first.
async fn join_params(
    topic: ByteString,
    state: Arc<State>,
    registry: Arc<Registry>,
) -> Result<Payload, Box<dyn std::error::Error + Send + Sync>> {
    let token = registry.tokens.source().get().await?;
    match state.join_params(token) {
        Ok(params) => Ok(params?),
        Err(end) => {
            registry.end(&topic, &state);
            Err(end.into())
        }
    }
}

/// Time for which a broadcast is stored, see [`Channel::send_stored`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Persist {
    /// As long as the project's settings say.
    Default,
    /// This long.
    For(Duration),
}

/// Handle to a channel. Clones share it; when the last one and its streams are dropped, the client leaves the channel.
///
/// It rejoins by itself after a lost connection, and after ends by the server as [`RETRIES`](crate::RETRIES) says.
/// Broadcasts that were sent when the connection is lost fail at once; others wait for the rejoin.
#[derive(Clone)]
pub struct Channel(Arc<Registered>);

#[derive(Serialize)]
struct PresenceCall<'a> {
    r#type: &'a str,
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
}

impl Channel {
    fn new(registered: Arc<Registered>) -> Self {
        registered.registry.add(&registered);
        let channel = &registered.channel;
        let state = Arc::clone(&registered.state);
        // Hooks run before the next message is looked at: the error is known when the channel closes.
        let _ = channel.on_event("system", move |payload| {
            if let Ok(message) = payload.decode() {
                state.received(&message);
            }
        });
        let weak = Arc::downgrade(&registered);
        let _ = channel.on_join(move |response, _| {
            if let Some(registered) = weak.upgrade() {
                Channel(registered).joined(response);
            }
        });
        Channel(registered)
    }

    fn joined(&self, response: &Payload) {
        let after = self.0.state.joined(response);
        if after.bindings_differ {
            return self.0.end();
        }
        if let Some(payload) = after.track {
            drop(self.0.channel.push::<()>("presence", payload));
        }
        if let TokenSource::Fixed(token) = self.0.registry.tokens.source() {
            self.0.send_token(&token);
        }
    }

    /// Returns the name, without `realtime:`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.channel.topic().strip_prefix(TOPIC).unwrap_or_default()
    }

    /// Returns the channel of [`phx_client`]: its state, hooks and all else.
    #[must_use]
    pub fn as_channel(&self) -> &phx_client::Channel {
        &self.0.channel
    }

    /// Returns the reason why the channel is closed; `None` if it isn't, or was left.
    #[must_use]
    pub fn end(&self) -> Option<ChannelEnd> {
        self.0.state.end()
    }

    /// Joins the channel. A closed one can be joined again; its streams stay ended.
    pub fn join(&self) -> Join {
        if self.is_new() {
            self.0.state.begin_life();
        }
        let join = self.0.channel.join();
        Join { join, state: Arc::clone(&self.0.state), topic: self.0.channel.topic().clone() }
    }

    /// Leaves the channel. The future resolves when the server has confirmed it.
    pub fn leave(&self) -> Leave {
        self.0.channel.leave()
    }

    /// Returns true if the next join will have changes of the config.
    fn is_new(&self) -> bool {
        matches!(self.0.channel.state(), ChannelState::New | ChannelState::Closed)
    }
}

/// Broadcasts.
impl Channel {
    /// Sends a broadcast: `&value` for JSON, or a [`Payload`].
    pub fn send(&self, event: impl Into<ByteString>, payload: impl IntoPayload) -> Sending {
        match payload.into_payload() {
            Ok(payload) => self.send_broadcast(&Broadcast::new(event, payload)),
            Err(error) => Sending::failed(SendError::Payload(error)),
        }
    }

    /// Sends a broadcast of bytes. Clients with `vsn` 1.0.0 don't get it.
    pub fn send_bytes(&self, event: impl Into<ByteString>, bytes: impl Into<Bytes>) -> Sending {
        self.send_broadcast(&Broadcast::new(event, Payload::binary(bytes)))
    }

    /// Sends a broadcast of a private channel, and asks the server to store it for [replays](ChannelBuilder::replay).
    pub fn send_stored(
        &self,
        event: impl Into<ByteString>,
        payload: impl IntoPayload,
        persist: Persist,
    ) -> Sending {
        if !self.0.state.is_private() {
            return Sending::failed(SendError::NotPrivate);
        }
        let meta = match persist {
            Persist::Default => serde_json::json!({ "persist": true }),
            Persist::For(ttl) => serde_json::json!({ "persist": { "ttl": ttl.as_secs() } }),
        };
        match payload.into_payload().and_then(|payload| Ok((payload, Payload::json(&meta)?))) {
            Ok((payload, meta)) => {
                self.send_broadcast(&Broadcast::new(event, payload).with_meta(meta))
            }
            Err(error) => Sending::failed(SendError::Payload(error)),
        }
    }

    /// Sends a broadcast with any metadata.
    pub fn send_broadcast(&self, broadcast: &Broadcast) -> Sending {
        let payload = match broadcast.to_payload() {
            Ok(payload) => payload,
            Err(error) => return Sending::failed(SendError::Encode(error)),
        };
        let channel = &self.0.channel;
        Sending::of(match self.0.state.wants_ack() {
            true => channel.push(USER_BROADCAST, payload),
            false => channel.push_without_reply(USER_BROADCAST, payload),
        })
    }

    /// Sends a broadcast by HTTP: `&value` for JSON, or a [`Payload`]. The channel needn't be joined, nor the client
    /// connected. When the future resolves, the server has taken it. All who have joined the channel get it, also this
    /// client.
    ///
    /// It is one request, with the key and the access token as headers, that is never repeated and has a time limit, see
    /// [`ClientBuilder::http_timeout`](crate::ClientBuilder::http_timeout). No redirect is followed. The token function is
    /// asked before it.
    ///
    /// # Errors
    ///
    /// [`SendError::Refused`] with the HTTP status if the server, or a proxy in front of it, refused it;
    /// [`SendError::Http`] without an answer, which says whether the request may have arrived.
    #[cfg(feature = "http")]
    pub async fn send_by_http(
        &self,
        event: &str,
        payload: impl IntoPayload,
    ) -> Result<(), SendError> {
        let payload = payload.into_payload().map_err(SendError::Payload)?;
        let Registered { state, registry, .. } = &*self.0;
        let (names, token) = ([self.name(), event], registry.tokens.source());
        crate::http::post(registry.api.get(), names, state.is_private(), payload, token).await
    }

    /// Returns a stream of the broadcasts of one event, each decoded as a `T`, from this call on.
    pub fn on_broadcast<T: DeserializeOwned>(&self, event: impl Into<ByteString>) -> Broadcasts<T> {
        self.on_broadcast_with(event, StreamOptions::new())
    }

    /// As [`on_broadcast`](Self::on_broadcast), with options for its capacity and overflow.
    pub fn on_broadcast_with<T: DeserializeOwned>(
        &self,
        event: impl Into<ByteString>,
        options: StreamOptions,
    ) -> Broadcasts<T> {
        Broadcasts::typed(self.0.channel.on_prefix_with(BROADCASTS, options), event.into())
    }

    /// Returns a stream of the undecoded broadcasts of one event, JSON and bytes, from this call on.
    pub fn on_broadcast_raw(&self, event: impl Into<ByteString>) -> Broadcasts<Payload> {
        Broadcasts::raw(self.0.channel.on_prefix(BROADCASTS), Some(event.into()))
    }

    /// Returns a stream of all broadcasts, from this call on.
    pub fn broadcasts(&self) -> Broadcasts<Payload> {
        Broadcasts::raw(self.0.channel.on_prefix(BROADCASTS), None)
    }
}

/// Presence.
impl Channel {
    /// Returns the presences of the channel, with metas of type `M`. Call it before the join.
    ///
    /// # Errors
    ///
    /// [`AlreadyJoinedError`] if presence wasn't turned on before the join.
    pub fn presence<M>(&self) -> Result<Presence<M>, AlreadyJoinedError>
    where
        M: DeserializeOwned + Send + Sync + 'static,
    {
        if self.is_new() {
            self.0.state.enable_presence();
        } else if !self.0.state.has_presence() {
            return Err(AlreadyJoinedError);
        }
        Ok(self.0.channel.presence())
    }

    /// Tracks the client's presence with this JSON object, and again after each rejoin, until
    /// [`untrack`](Self::untrack). A second call replaces what is tracked. The server allows five calls in 30 s.
    pub fn track(&self, meta: impl IntoPayload) -> Sending {
        let meta = match meta.into_payload() {
            Ok(meta) => meta,
            Err(error) => return Sending::failed(SendError::Payload(error)),
        };
        let json = meta.as_json().filter(|json| json.trim_ascii_start().starts_with('{'));
        let Some(raw) = json.and_then(|json| serde_json::from_str(json).ok()) else {
            return Sending::failed(SendError::NotAnObject);
        };
        self.call_presence("track", Some(raw))
    }

    /// Ends the tracking of the client's presence.
    pub fn untrack(&self) -> Sending {
        self.call_presence("untrack", None)
    }

    fn call_presence(&self, event: &str, meta: Option<&RawValue>) -> Sending {
        let call = PresenceCall { r#type: "presence", event, payload: meta };
        match Payload::json(&call) {
            Ok(payload) => {
                let is_joined = self.0.channel.state() == ChannelState::Joined;
                self.0.state.track(meta.map(|_| payload.clone()), is_joined);
                Sending::of(self.0.channel.push("presence", payload))
            }
            Err(error) => Sending::failed(SendError::Payload(error)),
        }
    }
}

/// Error of a setting that only a channel which isn't joined yet takes. `Debug` shows the same text as `Display`.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the channel has been joined already: this comes before the join")]
#[non_exhaustive]
pub struct AlreadyJoinedError;

impl fmt::Debug for AlreadyJoinedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Changes of the database, and messages of the server.
impl Channel {
    /// Returns a stream of changes of the database. Call it before the join, which asks for them.
    ///
    /// # Errors
    ///
    /// [`AlreadyJoinedError`]: the server has been asked already.
    pub fn on_postgres_changes<Row: DeserializeOwned>(
        &self,
        changes: PostgresChanges,
    ) -> Result<Changes<Row>, AlreadyJoinedError> {
        if !self.is_new() {
            return Err(AlreadyJoinedError);
        }
        let binding = self.0.state.bind(changes);
        let messages = self.0.channel.on_raw("postgres_changes");
        Ok(Changes::new(messages, Arc::clone(&self.0.state), binding))
    }

    /// Waits until the server has subscribed to the changes of the database, which it reports some time after the
    /// join: earlier changes may be missing. Ready at once if the channel wants none. Cancel-safe.
    ///
    /// # Errors
    ///
    /// [`PostgresError`] if the server couldn't subscribe, or the channel is closed.
    pub async fn postgres_ready(&self) -> Result<(), PostgresError> {
        // Before the look at the state, to miss nothing.
        let mut system = self.system();
        loop {
            if let Some(subscribed) = self.0.state.subscribed() {
                return subscribed.map_err(PostgresError::NotSubscribed);
            }
            if system.next().await.is_none() {
                return Err(PostgresError::Closed(self.end()));
            }
        }
    }

    /// Returns a stream of the server's `system` messages, from this call on.
    pub fn system(&self) -> Messages<SystemMessage> {
        self.0.channel.on("system")
    }
}

/// Error of [`Channel::postgres_ready`]. `Debug` shows the same text as `Display`.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// The server couldn't subscribe. It tries some errors again by itself.
    #[error("the server couldn't subscribe to the changes: {0}")]
    NotSubscribed(ServerError),
    /// The channel is closed, for this reason if it wasn't left.
    #[error("the channel is closed{}", .0.as_ref().map(|end| format!(": {end}")).unwrap_or_default())]
    Closed(Option<ChannelEnd>),
}

impl fmt::Debug for PostgresError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("name", &self.name())
            .field("state", &self.0.channel.state())
            .field("end", &self.end())
            .finish_non_exhaustive()
    }
}
