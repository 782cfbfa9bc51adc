//! Builder of a channel.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use phx_proto::{ByteString, Escaped, IntoPayload, Params, Payload, PayloadError};

use super::{Channel, JoinCause, JoinError};
use crate::shared::{ChannelEntry, ParamsFunction, spans};
use crate::socket::{Socket, SocketHandle};

/// Builder of a channel, from [`Socket::channel`](crate::Socket::channel).
///
/// # Examples
///
/// ```no_run
/// use phx_client::Socket;
/// use serde_json::{Value, json};
///
/// # async fn doc(socket: Socket) -> Result<(), Box<dyn std::error::Error>> {
/// // Join, and go on:
/// let room = socket.channel("room:lobby").params(&json!({ "name": "ann" })).join().await?;
///
/// // Or, to miss nothing of what the server sends right after the join, listen first:
/// let news = socket.channel("room:news").create()?;
/// let mut headlines = news.on::<Value>("headline");
/// let response = news.join().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a channel is made by `join` or `create`"]
pub struct ChannelBuilder {
    socket: Arc<SocketHandle>,
    topic: ByteString,
    params: Result<Payload, PayloadError>,
    params_function: Option<ParamsFunction>,
    join_timeout: Option<Duration>,
    replace: bool,
}

impl Socket {
    /// Returns a builder of a channel for `topic`, which takes params and joins.
    pub fn channel(&self, topic: impl Into<ByteString>) -> ChannelBuilder {
        ChannelBuilder {
            socket: Arc::clone(self.handle()),
            topic: topic.into(),
            params: Ok(Payload::empty()),
            params_function: None,
            join_timeout: None,
            replace: false,
        }
    }
}

impl ChannelBuilder {
    /// Sets the params of the join and of every rejoin. Default: `{}`.
    ///
    /// Params that can't be written as JSON are an error of [`create`](Self::create) and
    /// [`join`](Self::join).
    pub fn params(mut self, params: impl IntoPayload) -> Self {
        self.params = params.into_payload();
        self.params_function = None;
        self
    }

    /// Sets a function that makes new params for every join and rejoin, such as a token that expires.
    ///
    /// `make` has [`credentials_timeout`](crate::SocketBuilder::credentials_timeout) to return. If it takes longer,
    /// fails or panics, the join is tried again with the rejoin schedule. Its errors are logged: keep secrets out
    /// of them.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn fetch_token() -> Result<String, std::io::Error> { Ok(String::new()) }
    /// # async fn doc(socket: phx_client::Socket) -> Result<(), phx_client::JoinError> {
    /// use phx_client::Payload;
    /// use serde_json::json;
    ///
    /// let room = socket
    ///     .channel("room:lobby")
    ///     .params_with(|| async {
    ///         let token = fetch_token().await?;
    ///         Ok(Payload::json(&json!({ "token": token }))?)
    ///     })
    ///     .join()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn params_with<F, M>(mut self, make: F) -> Self
    where
        F: Fn() -> M + Send + Sync + 'static,
        M: Future<Output = Result<Payload, Box<dyn std::error::Error + Send + Sync>>>
            + Send
            + 'static,
    {
        let topic = self.topic.clone();
        self.params_function = Some(Arc::new(move || {
            let topic = topic.clone();
            make()
                .map(move |made| match made {
                    Ok(params) => Some(params),
                    Err(error) => {
                        tracing::warn!(target: "phx_client::channel", topic = %Escaped::new(&topic), error = %Escaped::new(&error.to_string()), "the channel's params couldn't be made");
                        None
                    }
                })
                .boxed()
        }));
        self
    }

    /// Sets the time limit for the server's reply to [`join`](Self::join), [`Channel::join`] and each rejoin.
    /// Default: [`SocketBuilder::join_timeout`](crate::SocketBuilder::join_timeout).
    pub fn join_timeout(mut self, timeout: Duration) -> Self {
        self.join_timeout = Some(timeout);
        self
    }

    /// Takes the topic from the channel that has it: the client leaves that channel first, and closes it with
    /// [`ChannelCloseCause::Replaced`](phx_proto::ChannelCloseCause::Replaced). Without this, a taken topic is an
    /// error, because the server closes the first of two channels with one topic.
    pub fn replace(mut self) -> Self {
        self.replace = true;
        self
    }

    /// Creates the channel without joining it, so that the caller can add streams and hooks before
    /// [`Channel::join`] and miss no message.
    ///
    /// # Errors
    ///
    /// [`JoinError`] if the params or the topic are unusable, or the topic is taken.
    pub fn create(self) -> Result<Channel, JoinError> {
        let topic = self.topic;
        let hides_reason = self.socket.shared().settings.hide_reasons;
        let failed = |cause| JoinError { topic: topic.clone(), cause, hides_reason };
        let payload = self.params.map_err(|error| failed(JoinCause::Params(error)))?;
        let params = match &self.params_function {
            Some(_) => Params::OnRequest,
            None => Params::Fixed(payload),
        };
        // Cloned, so that the user's function is never dropped under the lock.
        let function = &self.params_function;
        let mut span = spans::channel(&topic);
        let id = self.socket.shared().call(|state, now, _| {
            if state.is_driver_gone() {
                return Err(failed(JoinCause::Stopped));
            }
            let made = if self.replace {
                state.core.replace(now, topic.clone(), params)
            } else {
                state.core.channel(topic.clone(), params)
            };
            let id = made.map_err(|reason| failed(JoinCause::InvalidState(reason)))?;
            state.channels.insert(id, ChannelEntry::new(function.clone(), span.take()));
            Ok(id)
        })?;
        let channel = Channel::new(self.socket, id, topic, self.join_timeout);
        if let Some(entry) = channel.shared().lock().channels.get_mut(id) {
            entry.handle = channel.downgrade();
        }
        Ok(channel)
    }
}

impl fmt::Debug for ChannelBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelBuilder")
            .field("topic", &self.topic)
            .field("replace", &self.replace)
            .finish_non_exhaustive()
    }
}
