//! The channels of a client by their topics, for policies, tokens and channels that must end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use phx_client::{ClosePolicy, Payload, Rejection, RejoinPolicy};
use serde::Serialize;

use crate::state::State;
use crate::token::{TokenSource, Tokens};

/// State that a client's handles, its policies and its hooks share.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub(crate) tokens: Tokens,
    #[cfg(feature = "http")]
    pub(crate) api: std::sync::OnceLock<crate::http::Api>,
    channels: Mutex<BTreeMap<String, Entry>>,
}

/// A channel. The state is held alone, since policies may not drop a channel's last handle.
#[derive(Clone, Debug)]
struct Entry {
    state: Arc<State>,
    channel: Weak<Registered>,
}

/// A channel with its state; dropping the last one leaves the channel.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) channel: phx_client::Channel,
    pub(crate) state: Arc<State>,
    pub(crate) registry: Arc<Registry>,
}

#[derive(Serialize)]
struct AccessToken<'a> {
    access_token: &'a str,
}

impl Registry {
    pub(crate) fn new(source: TokenSource) -> Self {
        Registry { tokens: Tokens::new(source), ..Registry::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a channel, instead of another of its topic.
    pub(crate) fn add(&self, registered: &Arc<Registered>) {
        let state = Arc::clone(&registered.state);
        let entry = Entry { state, channel: Arc::downgrade(registered) };
        let old = self.lock().insert(registered.channel.topic().to_string(), entry);
        drop(old);
    }

    fn state(&self, topic: &str) -> Option<Arc<State>> {
        self.lock().get(topic).map(|entry| Arc::clone(&entry.state))
    }

    pub(crate) fn rejoin_policy(self: &Arc<Self>) -> RejoinPolicy {
        let registry = Arc::clone(self);
        RejoinPolicy::by_topic(move |topic, rejection: &Rejection| {
            match (registry.state(topic), &rejection.response) {
                (Some(state), Ok(response)) => {
                    state.rejected(response, registry.tokens.source().is_function())
                }
                _ => RejoinPolicy::default().decide(topic, rejection),
            }
        })
    }

    pub(crate) fn close_policy(self: &Arc<Self>) -> ClosePolicy {
        let registry = Arc::clone(self);
        ClosePolicy::by_topic(move |topic, payload: &Payload| match registry.state(topic) {
            Some(state) => state.closed(registry.tokens.source().is_function()),
            None => ClosePolicy::default().decide(topic, payload),
        })
    }

    /// Sends a token to every joined channel whose server has another one.
    pub(crate) fn send_token(&self, token: &str) {
        let channels: Vec<_> = self.lock().values().map(|entry| entry.channel.clone()).collect();
        for channel in channels.iter().filter_map(Weak::upgrade) {
            channel.send_token(token);
        }
    }

    /// Ends the channel with this state: no join will succeed.
    pub(crate) fn end(&self, topic: &str, state: &Arc<State>) {
        let entry = self.lock().get(topic).filter(|it| Arc::ptr_eq(&it.state, state)).cloned();
        if let Some(registered) = entry.and_then(|entry| entry.channel.upgrade()) {
            registered.end();
        }
    }
}

impl Registered {
    /// Sends a token if the channel is joined and the server has another one.
    pub(crate) fn send_token(&self, token: &str) {
        let is_joined = self.channel.state() == phx_client::ChannelState::Joined;
        if is_joined && self.state.renew_token(token) {
            // Never compressed: its length would show how much of the token is equal to other text.
            let message = Payload::json(&AccessToken { access_token: token });
            if let Ok(message) = message.map(Payload::uncompressed) {
                // The server never answers. If it can't be sent, the next join has it.
                drop(self.channel.push_without_reply("access_token", message));
            }
        }
    }

    /// Leaves the channel: what the server would do next is of no use.
    pub(crate) fn end(&self) {
        drop(self.channel.leave());
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut channels = self.registry.lock();
        let topic: &str = self.channel.topic();
        let is_this = |entry: &Entry| Arc::ptr_eq(&entry.state, &self.state);
        let removed = match channels.get(topic).is_some_and(is_this) {
            true => channels.remove(topic),
            false => None,
        };
        drop(channels);
        drop(removed);
    }
}
