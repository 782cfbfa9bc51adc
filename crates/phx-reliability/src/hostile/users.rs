//! Users of the client while the server attacks.

use std::any::Any;
use std::collections::VecDeque;
use std::future::{IntoFuture, pending};

use anyhow::{Context as _, bail};
use futures::FutureExt;
use futures::future::{Either, join_all, select};
use phx_client::{Channel, Payload, PresenceConfig, Push, PushCause, PushError, Runtime, Socket};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::times::{PUSH_TIMEOUT, SLACK, sleep};

/// A kind of user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum User {
    /// Does nothing.
    Waits,
    /// Joins a channel.
    Joins,
    /// Joins a channel, and reads a stream of its messages.
    Reads,
    /// Joins a channel, and never reads its stream.
    ForgetsStream,
    /// Joins a channel, and never reads the changes of its presences, whose type is nothing.
    ForgetsPresence,
    /// Joins a channel, and watches its presences.
    WatchesPresence,
    /// Joins a channel, pushes a thousand times, and waits for the outcomes.
    Pushes,
    /// Joins a channel, pushes a hundred times, and looks at the outcomes much later.
    PushesAndForgets,
    /// Joins a channel, and pushes as much as is taken.
    PushesAlways,
    /// Joins a hundred channels.
    JoinsManyChannels,
}

/// Meta of a user-defined type.
#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "phx_ref")]
    _reference: String,
}

/// Everything that a user holds.
pub(super) struct Session<'a> {
    socket: &'a Socket,
    user: User,
    channels: Vec<Channel>,
    /// Streams and presences that aren't read.
    unread: Vec<Box<dyn Any>>,
    pushes: VecDeque<Push<Value>>,
}

const MANY: usize = 100;

impl<'a> Session<'a> {
    pub(super) fn new(socket: &'a Socket, user: User) -> Self {
        Session { socket, user, channels: Vec::new(), unread: Vec::new(), pushes: VecDeque::new() }
    }

    /// Does what this user does on a connection that is open.
    pub(super) async fn act(&mut self) -> anyhow::Result<()> {
        if self.user == User::Waits {
            return Ok(());
        }
        if self.user == User::JoinsManyChannels {
            return self.join_many().await;
        }
        let room = self.socket.channel("room:a").create()?;
        self.channels.push(room.clone());
        match self.user {
            User::ForgetsStream => self.unread.push(Box::new(room.on::<Value>("x"))),
            User::ForgetsPresence => {
                let config = PresenceConfig::default();
                let presence = room.presence_with::<IgnoredAny, IgnoredAny>(config)?;
                self.unread.push(Box::new(presence.changes()));
                self.unread.push(Box::new(presence));
            }
            _ => {}
        }
        let stream = (self.user == User::Reads).then(|| room.on::<Value>("x"));
        let presence = (self.user == User::WatchesPresence).then(|| room.presence::<Meta>());
        room.join().await.context("can't join")?;
        match self.user {
            User::Pushes => {
                self.push(&room, 1_000);
                return self.outcomes().await;
            }
            User::PushesAndForgets => self.push(&room, MANY),
            User::PushesAlways => return push_always(&room).await,
            _ => {}
        }
        if let Some(mut stream) = stream {
            while stream.next().await.is_some() {}
        }
        if let Some(presence) = presence {
            let mut changes = presence.changes();
            while changes.next().await.is_some() {
                // The list can have changed.
                let _ = presence.len();
            }
        }
        Ok(())
    }

    async fn join_many(&mut self) -> anyhow::Result<()> {
        for number in 0..MANY {
            let room = self.socket.channel(format!("room:{number}")).create()?;
            self.channels.push(room);
        }
        // Rejections are outcomes as well. Their payloads belong to the user, who drops them.
        join_all(self.channels.iter().map(|room| room.join().into_future().map(drop))).await;
        Ok(())
    }

    fn push(&mut self, room: &Channel, count: usize) {
        for number in 0..count {
            self.pushes.push_back(room.push("p", &json!({ "n": number })));
        }
    }

    /// Every push has an outcome.
    async fn outcomes(&mut self) -> anyhow::Result<()> {
        while let Some(push) = self.pushes.pop_front() {
            if let Err(PushError { cause: PushCause::InvalidState(refused), .. }) = push.await {
                bail!("a push was refused: {refused}");
            }
        }
        Ok(())
    }

    /// Waits after the end for the outcomes of all pushes.
    pub(super) async fn settle<R: Runtime>(&mut self, runtime: &R) -> anyhow::Result<()> {
        let left = self.pushes.len();
        let limit = sleep(runtime, PUSH_TIMEOUT + SLACK);
        let settled = select(Box::pin(self.outcomes()), limit).await;
        match settled {
            Either::Left((settled, _)) => settled,
            Either::Right(_) => bail!("of {left} pushes some have no outcome"),
        }
    }
}

/// Pushes a KiB at a time. A push that the buffer refuses is tried again later.
async fn push_always(room: &Channel) -> anyhow::Result<()> {
    let payload = Payload::json(&json!({ "text": "x".repeat(1_000) }))?;
    let mut waiting = VecDeque::new();
    loop {
        let push: Push<Value> = room.push("p", payload.clone());
        match push.accepted() {
            Ok(push) => waiting.push_back(push),
            Err(_) if waiting.is_empty() => pending::<()>().await,
            Err(_) => {
                if let Some(oldest) = waiting.pop_front() {
                    let _ = oldest.await;
                }
            }
        }
    }
}
