//! Dropping a future at any of its await points: nobody else misses a wake-up, nothing is left
//! behind, and what was promised to others comes.
//!
//! Each operation runs again and again; the first time its future is dropped before its first poll,
//! then after one poll, and so on until it gets to its end. It is also polled several times at each
//! wake-up, as select loops do.

#![cfg(feature = "client")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use futures::future::{poll_fn, ready};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use phx_client::{Builder, Channel, ChannelState, Payload, Socket, StreamItem};
use phx_testing::in_memory::{Link, VirtualTime};
use phx_testing::rooms;
use serde_json::{Value, json};

type Operation = fn(World) -> Pin<Box<dyn Future<Output = ()>>>;

/// Handles of one life, for an operation to use.
#[derive(Clone)]
struct World {
    link: Link,
    socket: Socket,
    room: Channel,
}

const OPERATIONS: [(&str, Operation); 14] = [
    ("connect with a builder", |world| {
        Box::pin(async move {
            drop(world.link.another().socket().connect().await.unwrap());
        })
    }),
    ("connect within a time", |world| {
        Box::pin(async move {
            let builder: Builder = world.link.another().socket();
            drop(builder.connect_within(Duration::from_secs(5)).await.unwrap());
        })
    }),
    ("opened", |world| Box::pin(async move { world.socket.opened().await.unwrap() })),
    ("connect again", |world| {
        Box::pin(async move {
            world.link.cut();
            world.socket.connect().await.unwrap();
        })
    }),
    ("disconnect and connect", |world| {
        Box::pin(async move {
            world.socket.disconnect().await;
            world.socket.connect().await.unwrap();
        })
    }),
    ("ping", |world| {
        Box::pin(async move {
            let _ = world.socket.ping().await;
        })
    }),
    ("join with a builder", |world| {
        Box::pin(async move {
            let _ = world.socket.channel("room:b").join().await;
        })
    }),
    ("join and leave", |world| {
        Box::pin(async move {
            let Ok(other) = world.socket.channel("room:c").create() else { return };
            let _ = other.join().await;
            let _ = other.leave().await;
        })
    }),
    ("push for a value", |world| {
        Box::pin(async move {
            let _: Result<u8, _> = world.room.push("echo", &1).await;
        })
    }),
    ("push for any reply", |world| {
        Box::pin(async move {
            let _ = world.room.push("echo", Payload::binary(vec![1, 2])).reply().await;
        })
    }),
    ("push after a cut", |world| {
        Box::pin(async move {
            world.link.cut();
            let _ = world.room.push("echo", &1).acknowledged().await;
        })
    }),
    ("the next message", |world| {
        Box::pin(async move {
            let mut messages = world.room.on::<Value>("shout");
            world.room.push("shout", &1).detach().unwrap();
            messages.next().await.unwrap();
        })
    }),
    ("the next status", |world| {
        Box::pin(async move {
            let mut status = world.socket.status();
            status.next().await.unwrap();
            world.link.cut();
            status.next().await.unwrap();
        })
    }),
    ("the next state of a channel", |world| {
        Box::pin(async move {
            let mut status = world.room.status();
            status.next().await.unwrap();
            world.link.cut();
            status.next().await.unwrap();
        })
    }),
];

/// Polls `future` so many times, `at_once` of them at each wake-up, and drops it; true if it got to
/// its end.
async fn polled(future: Pin<Box<dyn Future<Output = ()>>>, times: u32, at_once: u32) -> bool {
    let mut future = Some(future);
    let mut polls = 0;
    poll_fn(|cx| {
        for _ in 0..at_once {
            let Some(running) = future.as_mut().filter(|_| polls < times) else {
                future = None;
                return Poll::Ready(false);
            };
            polls += 1;
            if running.as_mut().poll(cx).is_ready() {
                return Poll::Ready(true);
            }
        }
        Poll::Pending
    })
    .await
}

/// One life in which the operation is dropped after so many polls; true if it wasn't.
fn life(operation: Operation, polls: u32, at_once: u32) -> bool {
    let time = VirtualTime::new();
    let link = time.link(rooms().build());
    link.set_latency(Duration::from_millis(10));
    let done = time.run(async {
        let socket = link.socket().seed(1).connect().await.unwrap();
        let room = socket.channel("room:a").join().await.unwrap();
        let mut bystander = room.on::<Value>("shout");
        let world = World { link: link.clone(), socket: socket.clone(), room: room.clone() };
        // The same operation by someone else, who gets to its end whatever becomes of the first.
        // Each of the two has a waker of its own.
        let both = FuturesUnordered::<Pin<Box<dyn Future<Output = Option<bool>>>>>::new();
        let (first, second) = (operation(world.clone()), operation(world));
        both.push(Box::pin(polled(first, polls, at_once).map(Some)));
        both.push(Box::pin(second.map(|()| None)));
        let done = both.filter_map(ready).collect::<Vec<_>>().await == [true];

        // Nothing is stuck: what everybody else does works, and comes once.
        let minute = Duration::from_secs(60);
        let after = async {
            socket.connect().await.unwrap();
            room.push("echo", &json!("after")).acknowledged().await
        };
        // A push that a cut of the operation took with it says so; the next one is answered.
        let mut answered = time.wait_for("a reply", minute, pin!(after)).await.is_ok();
        while !answered {
            let again = room.push("echo", &json!("again")).acknowledged();
            answered = time.wait_for("a reply", minute, again).await.is_ok();
        }
        assert_eq!(room.state(), ChannelState::Joined);
        room.push("shout", &json!("last")).detach().unwrap();
        let last = async {
            let mut values = 0;
            while let Some(item) = bystander.next().await {
                if let StreamItem::Message(message) = item {
                    values += u32::from(message == json!("last"));
                    if values == 1 {
                        return;
                    }
                }
            }
            panic!("the stream ended");
        };
        time.wait_for("the bystander's message", minute, pin!(last)).await;
        done
    });
    // All handles are gone: every task ends by itself, and the server has nobody left.
    time.run(time.sleep(Duration::from_secs(60)));
    link.with_server(|server, _| assert_eq!(server.sockets().count(), 0));
    done
}

#[test]
fn any_future_can_be_dropped_at_any_poll() {
    for (name, operation) in OPERATIONS {
        for at_once in [1, 3] {
            let mut polls = 0;
            while !life(operation, polls, at_once) {
                polls += 1;
                assert!(polls <= 100, "{name} doesn't end within {polls} polls");
            }
            assert!(polls > 0, "{name} was never dropped");
        }
    }
}
