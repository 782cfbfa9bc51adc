//! Futures dropped at any of their await points: no other task misses a wake-up, nothing is left, and the outcomes of
//! other calls arrive.
//!
//! Each operation is repeated. Its future is dropped before its first poll, then after one poll, and so on until it
//! completes. It is also polled several times at each wake-up, as select loops do.

use std::future::Future;
use std::path::Path;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use allocation_counter::measure;
use futures::future::{poll_fn, ready};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use phx_client::{ChannelState, StreamItem};
use phx_testing::demo_server;
use phx_testing::in_memory::VirtualTime;
use serde_json::{Value, json};

mod operations;

use operations::{OPERATIONS, Operation, Running, World};

/// Polls `future` up to `times` times, `at_once` at each wake-up, and drops it. Returns true if it completed.
async fn polled(future: Running, times: u32, at_once: u32) -> bool {
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

/// Runs the operation on a new socket and drops it after this number of polls. Returns true if it completed.
fn life(operation: &Operation, polls: u32, at_once: u32) -> bool {
    let time = VirtualTime::new();
    let link = time.link(demo_server().build());
    link.set_latency(Duration::from_millis(10));
    let done = time.run(async {
        let socket = link.socket().seed(1).connect().await.unwrap();
        let room = socket.channel("room:a").join().await.unwrap();
        let mut bystander = room.on::<Value>("shout");
        let world = World {
            runtime: time.runtime(),
            link: link.clone(),
            socket: socket.clone(),
            room: room.clone(),
        };
        // The same operation in another task, which must complete whether or not the first one does.
        // Each of the two has a separate waker.
        let both = FuturesUnordered::<Pin<Box<dyn Future<Output = Option<bool>>>>>::new();
        let (first, second) = ((operation.run)(world.clone()), (operation.run)(world));
        both.push(Box::pin(polled(first, polls, at_once).map(Some)));
        both.push(Box::pin(second.map(|()| None)));
        let done = both.filter_map(ready).collect::<Vec<_>>().await == [true];

        // Nothing is stuck: other operations work, and their outcomes arrive once.
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
    // All handles are dropped: every task ends, and the server has no connections left.
    time.run(time.sleep(Duration::from_secs(60)));
    let left = link.with_server(|server, _| server.sockets().count());
    assert_eq!(left, 0, "connections of `{}` after {polls} polls", operation.name);
    done
}

/// Memory is freed as well, also memory that nothing could reach any more.
#[test]
fn any_future_can_be_dropped_at_any_poll() {
    for operation in OPERATIONS {
        let name = operation.name;
        // What is made once for the program isn't the life's.
        life(operation, u32::MAX, 1);
        for at_once in [1, 3] {
            let mut polls = 0;
            loop {
                let mut done = false;
                let left = measure(|| done = life(operation, polls, at_once));
                assert_eq!(
                    (left.count_current, left.bytes_current),
                    (0, 0),
                    "{name} leaves memory behind when it is dropped after {polls} polls"
                );
                if done {
                    break;
                }
                polls += 1;
                assert!(polls <= 100, "{name} doesn't end within {polls} polls");
            }
            assert!(polls > 0, "{name} was never dropped");
        }
    }
}

/// The same while the socket is kept: the hundredth dropped future takes no more memory than the tenth.
#[test]
fn a_living_socket_keeps_nothing_of_what_was_dropped() {
    let time = VirtualTime::new().with_limit(Duration::from_secs(86_400));
    let link = time.link(demo_server().build());
    link.set_latency(Duration::from_millis(10));
    let connected = async {
        let socket = link.socket().seed(1).connect().await.unwrap();
        let room = socket.channel("room:a").join().await.unwrap();
        World { runtime: time.runtime(), link: link.clone(), socket, room }
    };
    let world = time.run(connected);
    // Left out: a builder makes another socket, which the test's network keeps; and hooks stay when their handles are
    // dropped.
    let fits = |operation: &&Operation| {
        !operation.drops.iter().any(|it| it.starts_with("SocketBuilder"))
            && !operation.drops.is_empty()
    };
    let operations: Vec<_> = OPERATIONS.iter().filter(fits).collect();
    let round = || {
        time.run(async {
            for operation in &operations {
                for polls in 0..6 {
                    polled((operation.run)(world.clone()), polls, 1).await;
                    world.socket.connect().await.unwrap();
                }
            }
            // Until all is at rest: attempts, leaves, and the connections of other sockets.
            time.sleep(Duration::from_secs(60)).await;
        });
    };
    for _ in 0..3 {
        round();
    }
    let kept = measure(|| (0..12).for_each(|_| round()));
    // Refs have more digits as time goes by.
    assert!(kept.count_current == 0 && kept.bytes_current < 64, "{kept:?}");
}

/// The table of operations has every future and stream of the API.
#[test]
fn no_future_and_no_stream_of_the_api_is_missing() {
    // Attempts to connect, which the driver drops: `bytes/attempts_can_be_dropped.rs` of phx-client.
    const ATTEMPTS: [&str; 1] = ["websocket::upgrade"];
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../api/phx-client.txt");
    let api = std::fs::read_to_string(path).unwrap();
    let mut found = 0;
    for line in api.lines() {
        let is_async = line.starts_with("pub async fn ");
        let is_impl = line.starts_with("impl")
            && (line.contains("future::Future for ") || line.contains("stream::Stream for "));
        if !is_async && !is_impl {
            continue;
        }
        let (_, name) = line
            .split_once(if is_async { "fn phx_client::" } else { "for phx_client::" })
            .unwrap_or_else(|| panic!("{line}"));
        let name = name.split('(').next().unwrap();
        let generic_function = ATTEMPTS.iter().any(|attempt| name.starts_with(attempt));
        let dropped = OPERATIONS.iter().any(|operation| operation.drops.contains(&name));
        assert!(generic_function || dropped, "nothing drops {name}");
        found += 1;
    }
    assert!(found >= 20, "the text of the API is read wrongly: {found}");
}
