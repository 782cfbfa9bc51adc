//! What a channel knows beside the client's channel: its config, its token, and what the server said last.
//!
//! Its lock is a leaf: nothing else is called while it is held.

use std::sync::{Mutex, MutexGuard, PoisonError};

use phx_client::{Payload, PayloadError, Rejoin};
use serde::{Deserialize, Serialize};

use crate::bindings::{Binding, Bound, PostgresChanges};
use crate::end::{ChannelEnd, NoNewToken};
use crate::error::{RATE_LIMIT_PAUSE, Retry, ServerError};
use crate::system::SystemMessage;

/// Joins with new tokens after an expiry, without one that is accepted, at most.
const MAX_NEW_TOKENS: u32 = 3;

/// Settings of a channel, as the join sends them.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Config {
    pub(crate) broadcast: BroadcastConfig,
    pub(crate) presence: PresenceConfig,
    pub(crate) private: bool,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct BroadcastConfig {
    pub(crate) ack: bool,
    #[serde(rename = "self")]
    pub(crate) to_self: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) replay: Option<Replay>,
}

/// Stored broadcasts that the server replays after a join.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Replay {
    /// Milliseconds since 1970.
    pub(crate) since: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<u32>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct PresenceConfig {
    pub(crate) key: String,
    pub(crate) enabled: bool,
}

#[derive(Serialize)]
struct JoinParams<'a> {
    config: JoinConfig<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<&'a str>,
}

#[derive(Serialize)]
struct JoinConfig<'a> {
    #[serde(flatten)]
    config: &'a Config,
    postgres_changes: Vec<&'a PostgresChanges>,
}

#[derive(Deserialize)]
struct JoinResponse {
    #[serde(default)]
    postgres_changes: Vec<Bound>,
}

#[derive(Debug)]
pub(crate) struct State(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    config: Config,
    bindings: Vec<Binding>,
    /// Token that the server has of the channel, or had last.
    token: Option<String>,
    /// Error of a `system` message since the last join: if the server closes the channel, this is why.
    error: Option<ServerError>,
    /// Error for which another token is needed.
    refused: Option<ServerError>,
    /// Joins with new tokens since the last join that was accepted.
    new_tokens: u32,
    /// Joins accepted so far.
    joins: u64,
    /// What is tracked, and the number of the join for which it was pushed.
    tracked: Option<(Payload, u64)>,
    subscribed: Option<Result<(), ServerError>>,
    end: Option<ChannelEnd>,
}

/// What a join that was accepted asks for.
#[derive(Default)]
pub(crate) struct AfterJoin {
    pub(crate) bindings_differ: bool,
    pub(crate) track: Option<Payload>,
}

impl State {
    pub(crate) fn new(config: Config) -> Self {
        State(Mutex::new(Inner { config, ..Inner::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_private(&self) -> bool {
        self.lock().config.private
    }

    pub(crate) fn wants_ack(&self) -> bool {
        self.lock().config.broadcast.ack
    }

    pub(crate) fn has_presence(&self) -> bool {
        self.lock().config.presence.enabled
    }

    pub(crate) fn enable_presence(&self) {
        self.lock().config.presence.enabled = true;
    }

    /// Adds a binding, and returns its number.
    pub(crate) fn bind(&self, wanted: PostgresChanges) -> usize {
        let mut inner = self.lock();
        inner.bindings.push(Binding::new(wanted));
        inner.bindings.len().saturating_sub(1)
    }

    pub(crate) fn has_id(&self, binding: usize, ids: &[u64]) -> bool {
        self.lock().bindings.get(binding).is_some_and(|binding| binding.has_one_of(ids))
    }

    pub(crate) fn end(&self) -> Option<ChannelEnd> {
        self.lock().end.clone()
    }

    /// A new channel, or a closed one, is going to be joined.
    pub(crate) fn begin_life(&self) {
        let mut inner = self.lock();
        inner.end = None;
        inner.error = None;
        inner.refused = None;
        inner.new_tokens = 0;
    }

    /// Params of a join with this token.
    pub(crate) fn join_params(
        &self,
        token: Option<String>,
    ) -> Result<Result<Payload, PayloadError>, ChannelEnd> {
        let mut inner = self.lock();
        if let Some(error) = inner.refused.clone() {
            let end = |because| ChannelEnd::TokenExpired { error, because };
            if token.is_none() || token == inner.token {
                return Err(inner.ends(end(NoNewToken::SameToken)));
            }
            if inner.new_tokens >= MAX_NEW_TOKENS {
                return Err(inner.ends(end(NoNewToken::ThreeRefused)));
            }
            inner.new_tokens += 1;
        }
        let postgres_changes = inner.bindings.iter().map(|binding| &binding.wanted).collect();
        let config = JoinConfig { config: &inner.config, postgres_changes };
        let params = Payload::json(&JoinParams { config, access_token: token.as_deref() });
        inner.token = token;
        Ok(params)
    }

    /// Returns true if the server must be sent this token, and notes that it is.
    pub(crate) fn renew_token(&self, token: &str) -> bool {
        let mut inner = self.lock();
        let is_new = inner.token.as_deref() != Some(token);
        if is_new {
            inner.token = Some(token.to_owned());
        }
        is_new
    }

    pub(crate) fn joined(&self, response: &Payload) -> AfterJoin {
        let bound = response.decode::<JoinResponse>().map(|it| it.postgres_changes);
        let mut inner = self.lock();
        inner.joins += 1;
        inner.error = None;
        inner.refused = None;
        inner.new_tokens = 0;
        inner.subscribed = inner.bindings.is_empty().then_some(Ok(()));
        let bound = bound.unwrap_or_default();
        let is_same = bound.len() == inner.bindings.len()
            && bound.iter().zip(&inner.bindings).all(|(bound, own)| bound.changes == own.wanted);
        if !is_same {
            let _ = inner.ends(ChannelEnd::BindingsDiffer);
            return AfterJoin { bindings_differ: true, track: None };
        }
        for (bound, own) in bound.iter().zip(&mut inner.bindings) {
            own.note(bound.id);
        }
        let joins = inner.joins;
        let track = inner.tracked.as_mut().filter(|(_, join)| *join < joins).map(|tracked| {
            tracked.1 = joins;
            tracked.0.clone()
        });
        AfterJoin { bindings_differ: false, track }
    }

    /// Sets what is tracked from now on; it is pushed for the present join, or for the next one.
    pub(crate) fn track(&self, payload: Option<Payload>, is_joined: bool) {
        let mut inner = self.lock();
        let join = inner.joins + u64::from(!is_joined);
        inner.tracked = payload.map(|payload| (payload, join));
    }

    pub(crate) fn received(&self, system: &SystemMessage) {
        let mut inner = self.lock();
        match (system.error(), system.is_postgres()) {
            (error, true) => inner.subscribed = Some(error.map_or(Ok(()), Err)),
            (Some(error), false) => inner.error = Some(error),
            (None, false) => {}
        }
    }

    /// Whether changes of the database are subscribed to; `None` if that isn't known yet.
    pub(crate) fn subscribed(&self) -> Option<Result<(), ServerError>> {
        self.lock().subscribed.clone()
    }

    /// Decides what becomes of a channel that the server closes.
    pub(crate) fn closed(&self, has_function: bool) -> Rejoin {
        let mut inner = self.lock();
        match inner.error.take() {
            Some(error) => {
                let end = ChannelEnd::ClosedByServer(Some(error.clone()));
                inner.decide(error, end, has_function)
            }
            None => {
                let _ = inner.ends(ChannelEnd::ClosedByServer(None));
                Rejoin::Stop
            }
        }
    }

    /// Decides what becomes of a channel whose join the server rejects.
    pub(crate) fn rejected(&self, response: &Payload, has_function: bool) -> Rejoin {
        let error = ServerError::of_response(response);
        match error.code {
            // The table's texts are those of `system` messages; a join's errors have codes.
            None => Rejoin::Backoff,
            Some(_) => self.lock().decide(error.clone(), ChannelEnd::Rejected(error), has_function),
        }
    }
}

impl Inner {
    fn ends(&mut self, end: ChannelEnd) -> ChannelEnd {
        tracing::warn!(target: "phx_supabase::channel", %end, "a channel ended");
        self.end = Some(end.clone());
        end
    }

    fn decide(&mut self, error: ServerError, end: ChannelEnd, has_function: bool) -> Rejoin {
        match error.retry() {
            Retry::Backoff => return Rejoin::Backoff,
            Retry::RateLimit => return Rejoin::After(RATE_LIMIT_PAUSE),
            Retry::NewToken if has_function => {
                // The token function is asked before the join, see `join_params`.
                self.refused = Some(error);
                return Rejoin::Backoff;
            }
            Retry::NewToken => {
                let because = NoNewToken::NoFunction;
                let _ = self.ends(ChannelEnd::TokenExpired { error, because });
            }
            Retry::Stop => {
                let _ = self.ends(end);
            }
        }
        Rejoin::Stop
    }
}

/// Shows no token.
impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner")
            .field("config", &self.config)
            .field("bindings", &self.bindings)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
