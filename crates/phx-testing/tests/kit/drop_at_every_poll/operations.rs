//! Operations to drop: every future and stream of the client's API, alone and in the middle of others.

use std::pin::Pin;
use std::time::Duration;

use futures::future::{Either, select};
use phx_client::{
    Channel, ChannelState, Credentials, Payload, Socket, SocketBuilder, StreamOptions,
};
use phx_testing::in_memory::{Link, VirtualRuntime};
use serde_json::{Value, json};

/// Handles for an operation.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) runtime: VirtualRuntime,
    pub(crate) link: Link,
    pub(crate) socket: Socket,
    pub(crate) room: Channel,
}

impl World {
    fn moment(&self) -> impl Future<Output = ()> + Send + use<> {
        self.runtime.sleep(Duration::from_millis(7))
    }
}

pub(crate) type Running = Pin<Box<dyn Future<Output = ()>>>;

/// An operation of a program.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// The futures and streams that it drops, by their names in `api/phx-client.txt`.
    pub(crate) drops: &'static [&'static str],
    pub(crate) run: fn(World) -> Running,
}

macro_rules! operations {
    ($($name:literal [$($drops:literal),*] |$world:ident| $run:block)*) => {
        /// All operations.
        pub(crate) const OPERATIONS: &[Operation] = &[$(Operation {
            name: $name,
            drops: &[$($drops),*],
            run: |$world| Box::pin(async move $run),
        }),*];
    };
}

operations! {
    "connect with a builder" ["SocketBuilder::connect"] |world| {
        drop(world.link.new_client().socket().connect().await.unwrap());
    }
    "connect within a time" ["SocketBuilder::connect_with_timeout"] |world| {
        let builder: SocketBuilder = world.link.new_client().socket();
        drop(builder.connect_with_timeout(Duration::from_secs(5)).await.unwrap());
    }
    "connect with credentials" ["SocketBuilder::connect"] |world| {
        let runtime = world.runtime.clone();
        let builder = world.link.new_client().socket().credentials(move || {
            let moment = runtime.sleep(Duration::from_millis(7));
            async move {
                moment.await;
                Ok(Credentials::new().param("token", "fresh"))
            }
        });
        drop(builder.connect().await.unwrap());
    }
    "opened" ["Connecting"] |world| { world.socket.wait_connected().await.unwrap(); }
    "opened within a time" ["Connecting::with_timeout"] |world| {
        world.link.cut();
        // The attempts of the two lives may end each other's wait.
        let _ = world.socket.wait_connected().with_timeout(Duration::from_millis(1)).await;
        world.socket.wait_connected().with_timeout(Duration::from_secs(60)).await.unwrap();
    }
    "connect again" ["Connecting"] |world| {
        world.link.cut();
        world.socket.connect().await.unwrap();
    }
    "disconnect and connect" ["Disconnecting"] |world| {
        world.socket.disconnect().await;
        world.socket.connect().await.unwrap();
    }
    "ping" ["Ping"] |world| { let _ = world.socket.ping().await; }
    "ping, and a cut" ["Ping"] |world| {
        let ping = world.socket.ping();
        world.link.cut();
        let _ = ping.await;
        world.socket.connect().await.unwrap();
    }
    "join with a builder" ["ChannelBuilder::join"] |world| {
        let _ = world.socket.channel("room:b").join().await;
    }
    "join with params that take time" ["ChannelBuilder::join"] |world| {
        let again = world.clone();
        let joining = world.socket.channel("room:d").params_with(move || {
            let moment = again.moment();
            async move {
                moment.await;
                Ok(Payload::json(&json!({ "name": "ann" }))?)
            }
        });
        // The function holds the socket until its channel is closed.
        if let Ok(channel) = joining.join().await {
            let _ = channel.leave().await;
        }
    }
    "join and leave" ["Join", "Leave"] |world| {
        let Ok(other) = world.socket.channel("room:c").create() else { return };
        let _ = other.join().await;
        let _ = other.leave().await;
    }
    "join, and drop every handle" ["Join"] |world| {
        let Ok(other) = world.socket.channel("room:e").create() else { return };
        let (joining, mut messages) = (other.join(), other.messages());
        drop(other);
        drop(joining);
        world.moment().await;
        let _ = select(std::pin::pin!(messages.next()), std::pin::pin!(world.moment())).await;
    }
    "remove a channel while it joins" ["Join"] |world| {
        let Ok(other) = world.socket.channel("room:f").create() else { return };
        let joining = other.join();
        world.moment().await;
        world.socket.remove(&other);
        let _ = joining.await;
        assert_eq!(other.state(), ChannelState::Closed);
    }
    "push for a value" ["Push<R>"] |world| {
        let _: Result<u8, _> = world.room.push("echo", &1).await;
    }
    "push for any reply" ["PushReply"] |world| {
        let _ = world.room.push("echo", Payload::binary(vec![1, 2])).reply().await;
    }
    "push, wait, and cancel" ["Push<R>"] |world| {
        let mut push = world.room.push("echo", &1).acknowledged();
        let moment = world.moment();
        if let Either::Right(_) = select(&mut push, std::pin::pin!(moment)).await {
            push.cancel();
        }
    }
    "push after a cut" ["Push<R>"] |world| {
        world.link.cut();
        let _ = world.room.push("echo", &1).acknowledged().await;
    }
    "the next message" ["Messages<T>", "Messages<T>::next"] |world| {
        let mut messages = world.room.on::<Value>("shout");
        world.room.push("shout", &1).detach().unwrap();
        messages.next().await.unwrap();
    }
    "the next value of a full stream" ["Values<T>", "Values<T>::next"] |world| {
        let mut values = world.room.on_with::<Value>("shout", StreamOptions::new().capacity(1)).values();
        for number in 0..3 {
            world.room.push("shout", &number).detach().unwrap();
        }
        for _ in 0..3 {
            values.next().await.unwrap();
        }
    }
    "the next status" ["SocketStatus", "SocketStatus::next"] |world| {
        let mut status = world.socket.status();
        status.next().await.unwrap();
        world.link.cut();
        status.next().await.unwrap();
    }
    "the next state of a channel" ["ChannelStatus", "ChannelStatus::next"] |world| {
        let mut status = world.room.status();
        status.next().await.unwrap();
        world.link.cut();
        status.next().await.unwrap();
    }
    "the next change of a presence" ["PresenceChanges<M, E>", "PresenceChanges<M, E>::next"] |world| {
        let Ok(other) = world.socket.channel("room:g").params(&json!({ "name": "ann" })).create()
        else { return };
        let presence = other.presence::<Value>();
        let mut changes = presence.changes();
        let hook = presence.on_sync(|| {});
        let _ = other.join().await;
        let _ = changes.next().await;
        hook.off();
        let _ = changes.next().await;
    }
    "hooks that come and go" [] |world| {
        // One that held a handle would keep it until it is taken off, as its docs say.
        let hook = world.room.on_event("shout", |_| {});
        let opened = world.socket.on_open(|| {});
        world.room.push("shout", &1).detach().unwrap();
        world.moment().await;
        hook.off();
        world.moment().await;
        opened.off();
    }
}
