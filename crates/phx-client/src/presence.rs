//! Presence lists: the driver feeds the core's fold.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use phx_proto::{
    ByteString, ConfigError, Payload, PresenceChange, PresenceConfig, PresenceEntry, PresenceError,
    PresenceList, PresenceStatus,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use slotmap::SlotMap;

use crate::channel::Channel;
use crate::log::{Log, undecodable};
use crate::shared::Deferred;
use crate::socket::SocketError;
use crate::subscription::{Subscription, isolated};

mod changes;
mod feed;
mod hooks;

pub use changes::PresenceChanges;
pub use feed::PresenceItem;

use feed::{Feed, FeedKey, Limits};
use hooks::PresenceHooks;

/// Live list of the presences in a channel.
///
/// Made by [`Channel::presence`] before the channel is joined: the server sends the whole list once, right after
/// the join. The list stays correct across rejoins; see [`phx_proto::Presence`] for the rules.
///
/// `M` is the type of a meta, and `E` that of the fields which the server adds beside the metas of a key. A payload
/// that doesn't decode changes nothing, makes the [status](Self::status)
/// [`Incomplete`](PresenceStatus::Incomplete), and is reported by [`PresenceItem::Refused`]. So do messages that the
/// transport has lost, as long-poll may, which are reported by [`PresenceItem::Gap`].
///
/// A user may be reported as joined twice. Phoenix sends a client that joins two messages about itself, a diff and a
/// state, so its own presence is usually joined by both: the second time `before` is `Some`. A second device of a
/// user, and an update of a meta, are joins with `before` as well. So a program that counts or announces users looks
/// at joins whose `before` is `None`, and at leaves whose `after` has no metas.
///
/// While a payload is decoded, handles read the previous list without waiting. The driver decodes: it sends and
/// receives nothing during that. An `M` or `E` that panics makes the status `Incomplete` as well.
///
/// A `Presence` is a handle: clones share the list. It keeps the channel.
///
/// # Examples
///
/// ```no_run
/// use phx_client::{PresenceChange, PresenceItem, Socket};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Meta {
///     device: String,
/// }
///
/// # async fn doc(socket: Socket) -> Result<(), Box<dyn std::error::Error>> {
/// let room = socket.channel("room:lobby").create()?;
/// let presence = room.presence::<Meta>();
/// let mut changes = presence.changes();
/// room.join().await?;
///
/// while let Some(item) = changes.next().await {
///     match item {
///         PresenceItem::Change(PresenceChange::Joined { key, .. }) => println!("{key} came"),
///         PresenceItem::Change(PresenceChange::Left { key, .. }) => println!("{key} went"),
///         PresenceItem::Change(PresenceChange::Synced) => {
///             for (key, entry) in presence.list() {
///                 let devices: Vec<_> = entry.metas().map(|meta| &meta.data().device).collect();
///                 println!("{key} is here, on {devices:?}");
///             }
///         }
///         other => println!("{other:?}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Presence<M, E = Map<String, Value>> {
    /// Held by every clone; the last one stops listening.
    listening: Arc<Listening>,
    state: Arc<State<M, E>>,
}

/// The hooks in the channel that feed the fold.
struct Listening {
    channel: Channel,
    hooks: Vec<Subscription>,
}

/// State shared by the handles and the channel's hooks.
///
/// The locks belong to this presence. No user code runs while those of `shown` and `hooks` are held: no decoding,
/// no destructor, no hook. Only the driver takes that of `fold`, so no handle waits for the decoding.
struct State<M, E> {
    fold: Mutex<phx_proto::Presence<M, E>>,
    shown: Mutex<Shown<M, E>>,
    hooks: Mutex<PresenceHooks<M, E>>,
    limits: Limits,
    topic: ByteString,
    log: Log,
}

/// State that handles and streams see.
struct Shown<M, E> {
    list: PresenceList<M, E>,
    status: PresenceStatus,
    feeds: SlotMap<FeedKey, Feed<M, E>>,
}

impl Channel {
    /// Returns the presences of this channel, with metas of type `M`. Call this before the join, see [`Presence`].
    #[must_use]
    pub fn presence<M>(&self) -> Presence<M>
    where
        M: DeserializeOwned + Send + Sync + 'static,
    {
        Presence::new(self.clone(), PresenceConfig::default())
    }

    /// As [`presence`](Self::presence), with other event names or limits, and with a type for the fields which the
    /// server adds beside the metas.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a setting can't work, see [`PresenceConfig::validate`].
    pub fn presence_with<M, E>(&self, config: PresenceConfig) -> Result<Presence<M, E>, ConfigError>
    where
        M: DeserializeOwned + Send + Sync + 'static,
        E: DeserializeOwned + Send + Sync + 'static,
    {
        config.validate()?;
        Ok(Presence::new(self.clone(), config))
    }
}

impl<M, E> Presence<M, E>
where
    M: DeserializeOwned + Send + Sync + 'static,
    E: DeserializeOwned + Send + Sync + 'static,
{
    fn new(channel: Channel, config: PresenceConfig) -> Self {
        let events = [config.state_event.clone(), config.diff_event.clone()];
        let settings = &channel.shared().settings;
        let limits = Limits { items: settings.stream_capacity, bytes: settings.stream_bytes };
        let state = Arc::new(State {
            fold: Mutex::new(phx_proto::Presence::with_config(config)),
            shown: Mutex::new(Shown {
                list: PresenceList::default(),
                status: PresenceStatus::Pending,
                feeds: SlotMap::with_key(),
            }),
            hooks: Mutex::new(PresenceHooks::default()),
            limits,
            topic: channel.topic().clone(),
            log: settings.log.clone(),
        });
        // Hooks run in the order of the events, so a join is known before its first message.
        let [joined, errored, closed, lost] = [(); 4].map(|()| Arc::clone(&state));
        let mut hooks = vec![
            channel.on_join(move |_, _| joined.begin_anew(phx_proto::Presence::handle_joined)),
            channel.on_error(move |_| errored.begin_anew(phx_proto::Presence::handle_errored)),
            channel.on_close(move |_| closed.begin_anew(phx_proto::Presence::handle_errored)),
            channel.socket().on_error(move |error| {
                if let SocketError::MessagesLost = error {
                    lost.mark_gap();
                }
            }),
        ];
        for event in events {
            let (state, name) = (Arc::clone(&state), event.clone());
            hooks.push(channel.on_event(event, move |payload| state.receive(&name, payload)));
        }
        let listening = Arc::new(Listening { channel, hooks });
        Presence { listening, state }
    }
}

impl<M, E> Presence<M, E> {
    /// Returns the presences in the order of their keys.
    #[must_use]
    pub fn list(&self) -> Vec<(ByteString, Arc<PresenceEntry<M, E>>)> {
        let list = self.state.list();
        list.iter().map(|(key, entry)| (key.clone(), Arc::clone(entry))).collect()
    }

    /// Maps each presence with `by`, in the order of their keys: phoenix.js's `list(by)`.
    ///
    /// `by` runs on a copy of the list, so it may take long.
    pub fn list_by<T>(&self, mut by: impl FnMut(&str, &PresenceEntry<M, E>) -> T) -> Vec<T> {
        self.list().iter().map(|(key, entry)| by(key, entry)).collect()
    }

    /// Returns the presence with this key.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<Arc<PresenceEntry<M, E>>> {
        self.state.list().get(key).cloned()
    }

    /// Returns the number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state.shown().list.len()
    }

    /// Returns true if the list is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how far the list is in step with the server.
    #[must_use]
    pub fn status(&self) -> PresenceStatus {
        self.state.shown().status
    }
}

impl<M, E> State<M, E> {
    fn fold(&self) -> MutexGuard<'_, phx_proto::Presence<M, E>> {
        self.fold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shown(&self) -> MutexGuard<'_, Shown<M, E>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hooks(&self) -> MutexGuard<'_, PresenceHooks<M, E>> {
        self.hooks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of the list, which can be read without the lock.
    fn list(&self) -> PresenceList<M, E> {
        self.shown().list.clone()
    }

    /// Runs in the driver, as [`receive`](Self::receive) does.
    fn begin_anew(&self, how: fn(&mut phx_proto::Presence<M, E>)) {
        let mut fold = self.fold();
        how(&mut fold);
        let now = (fold.snapshot(), fold.status());
        drop(fold);
        self.show(now, &Update::Changes(Vec::new()));
    }

    /// Runs in the driver. The transport has lost messages of the socket.
    fn mark_gap(&self) {
        let mut fold = self.fold();
        fold.handle_gap();
        let now = (fold.snapshot(), fold.status());
        drop(fold);
        self.show(now, &Update::Gap);
    }

    fn refused(&self, event: &str, error: &PresenceError) {
        self.log.lacks(&self.topic, Some(event), error.payload(), || {
            let why = match error {
                PresenceError::Payload(error) => undecodable(error),
                error => error.to_string(),
            };
            format!("a presence payload was refused: {why}")
        });
    }

    /// Updates the list that handles see, and sends the changes to the streams.
    fn show(&self, now: (PresenceList<M, E>, PresenceStatus), update: &Update<M, E>) {
        let (list, status) = now;
        let mut deferred = Deferred::default();
        let mut lost = Vec::new();
        let mut shown = self.shown();
        let old = std::mem::replace(&mut shown.list, list);
        shown.status = status;
        for (_, feed) in &mut shown.feeds {
            match update {
                Update::Changes(changes) => feed.change(self.limits, changes, &mut lost),
                Update::Refused(error) => feed.refuse(self.limits, error, &mut lost),
                Update::Gap => feed.mark_gap(self.limits, &mut lost),
            }
            deferred.wake(feed.take_waker());
        }
        drop(shown);
        drop((old, lost));
        deferred.run();
    }
}

/// What streams see of an event.
enum Update<M, E> {
    Changes(Vec<PresenceChange<M, E>>),
    Refused(Arc<PresenceError>),
    Gap,
}

impl<M: DeserializeOwned, E: DeserializeOwned> State<M, E> {
    /// Runs in the driver, with the socket's lock released.
    fn receive(&self, event: &str, payload: &Payload) {
        let mut fold = self.fold();
        let result = isolated("a presence's types", || fold.handle_event(event, payload));
        let now = (fold.snapshot(), fold.status());
        drop(fold);
        let update = match result {
            Some(Ok(changes)) => Update::Changes(changes.unwrap_or_default()),
            Some(Err(error)) => Update::Refused(Arc::new(error)),
            None => Update::Changes(Vec::new()),
        };
        self.show(now, &update);
        match update {
            Update::Changes(changes) => PresenceHooks::run(|| self.hooks(), &changes),
            Update::Refused(error) => self.refused(event, &error),
            Update::Gap => {}
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.hooks.drain(..).for_each(Subscription::off);
    }
}

impl<M, E> Clone for Presence<M, E> {
    fn clone(&self) -> Self {
        Presence { listening: Arc::clone(&self.listening), state: Arc::clone(&self.state) }
    }
}

impl<M, E> fmt::Debug for Presence<M, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presence")
            .field("topic", self.listening.channel.topic())
            .field("status", &self.status())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
