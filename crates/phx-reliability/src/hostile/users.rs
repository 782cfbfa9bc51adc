//! What the client's user does while the server attacks.

use std::collections::VecDeque;
use std::future::{IntoFuture, pending};

use anyhow::{Context as _, bail};
use futures::FutureExt;
use futures::future::{Either, join_all, select};
use phx_client::{
    Channel, Messages, Payload, Presence, PresenceChanges, PresenceConfig, Push, PushCause,
    PushError, Runtime, Socket,
};
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

/// A user's own type for metas.
#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "phx_ref")]
    _reference: String,
}

type Changes = PresenceChanges<IgnoredAny, IgnoredAny>;

/// Everything that a user holds.
pub(super) struct Session<'a> {
    socket: &'a Socket,
    user: User,
    channels: Vec<Channel>,
    stream: Option<Messages<Value>>,
    presence: Option<Presence<Meta>>,
    changes: Option<(Presence<IgnoredAny, IgnoredAny>, Changes)>,
    pushes: VecDeque<Push<Value>>,
}

const MANY: usize = 100;

impl<'a> Session<'a> {
    pub(super) fn new(socket: &'a Socket, user: User) -> Self {
        Session {
            socket,
            user,
            channels: Vec::new(),
            stream: None,
            presence: None,
            changes: None,
            pushes: VecDeque::new(),
        }
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
            User::ForgetsStream | User::Reads => self.stream = Some(room.on("x")),
            User::WatchesPresence => self.presence = Some(room.presence()),
            User::ForgetsPresence => {
                let presence = room.presence_with(PresenceConfig::default())?;
                let changes = presence.changes();
                self.changes = Some((presence, changes));
            }
            _ => {}
        }
        room.join().await.context("can't join")?;
        match self.user {
            User::Reads => self.read().await,
            User::WatchesPresence => self.watch_presence().await,
            User::Pushes => {
                self.push(&room, 1_000);
                self.outcomes().await
            }
            User::PushesAndForgets => {
                self.push(&room, MANY);
                Ok(())
            }
            User::PushesAlways => push_always(&room).await,
            _ => Ok(()),
        }
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        let stream = self.stream.as_mut().context("no stream")?;
        while stream.next().await.is_some() {}
        Ok(())
    }

    /// Looks at the list whenever it can have changed.
    async fn watch_presence(&mut self) -> anyhow::Result<()> {
        let presence = self.presence.as_ref().context("no presence")?;
        let mut changes = presence.changes();
        while changes.next().await.is_some() {
            let _ = presence.len();
        }
        Ok(())
    }

    async fn join_many(&mut self) -> anyhow::Result<()> {
        for number in 0..MANY {
            let room = self.socket.channel(format!("room:{number}")).create()?;
            self.channels.push(room);
        }
        // Rejections are outcomes, too. What came with them is the user's, who drops it.
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

    /// After the end: what was pushed has its outcome by now, or will have it in time.
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

/// Pushes a KiB at a time; what isn't taken is tried again when there may be room.
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
