//! The client's handles against the server in memory, under virtual time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use phx_client::{
    Backoff, Channel, CloseCause, ConnectionState, PushCause, PushError, Socket, StreamItem,
};
use phx_proto::{CloseCode, Frame, Payload};
use phx_testing::in_memory::{Link, VirtualTime};
use phx_testing::{Connectivity, Handlers, Server, UpgradeRejection, demo_server};
use phx_tokio::AdapterRuntime;
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);

fn world() -> (VirtualTime, Link) {
    let time = VirtualTime::new();
    let link = time.link(demo_server().build());
    (time, link)
}

fn seconds(time: &VirtualTime) -> u64 {
    time.now().since_epoch().as_secs()
}

async fn open(socket: &Socket) {
    let mut status = socket.status();
    while status.next().await != Some(ConnectionState::Open) {}
}

/// Returns a joined channel, which keeps its socket.
async fn joined(link: &Link) -> Channel {
    let socket = link.socket().connect().await.unwrap();
    socket.channel("room:a").join().await.unwrap()
}

/// Returns the text of a panic.
fn panic_of(f: impl FnOnce()) -> String {
    let panicked = catch_unwind(AssertUnwindSafe(f)).unwrap_err();
    *panicked.downcast().unwrap()
}

#[test]
fn a_heartbeat_finds_a_half_open_connection() {
    let (time, link) = world();
    time.run(async {
        let closed = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&closed);
        let builder =
            link.socket().on_close(move |closed| notes.lock().unwrap().push(closed.cause.clone()));
        let socket = builder.connect().await.unwrap();
        link.half_open();
        let mut status = socket.status();
        while status.next().await == Some(ConnectionState::Open) {}
        // 30 s to the heartbeat, 10 s for its reply.
        assert_eq!(seconds(&time), 40);
        time.sleep(SECOND).await;
        assert_eq!(*closed.lock().unwrap(), [CloseCause::HeartbeatTimedOut]);
        time.wait_for("the reconnect", 10 * SECOND, open(&socket)).await;
    });
}

#[test]
fn the_reconnect_schedule_without_jitter() {
    let (time, link) = world();
    link.set_connectivity(Connectivity::Offline);
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let (notes, runtime) = (Arc::clone(&attempts), time.runtime());
    time.run(async {
        let _socket = link
            .socket()
            .reconnect(Backoff::phoenix_cr())
            .on_close(move |_| {
                let now = phx_client::Runtime::now(&runtime).since_epoch();
                notes.lock().unwrap().push(now.as_millis());
            })
            .spawn()
            .unwrap();
        time.sleep(40 * SECOND).await;
    });
    let steps = [0, 1_000, 3_000, 8_000, 18_000, 28_000, 38_000];
    assert_eq!(*attempts.lock().unwrap(), steps);
}

#[test]
fn an_attempt_that_is_never_answered_times_out() {
    let (time, link) = world();
    link.set_connectivity(Connectivity::Silent);
    time.run(async {
        let builder = link.socket().reconnect_policy(phx_client::ReconnectPolicy::never());
        builder.connect().await.unwrap_err();
    });
    assert_eq!(seconds(&time), 20);
}

#[test]
fn a_join_waits_for_a_slow_server() {
    let server = Server::builder().channel("slow", || {
        Handlers::new().join(|ctx, _| {
            ctx.sleep(Duration::from_secs(7));
            Ok(Payload::empty())
        })
    });
    let time = VirtualTime::new();
    let link = time.link(server.build());
    time.run(async {
        let socket = link.socket().connect().await.unwrap();
        let _slow = socket.channel("slow").join().await.unwrap();
        assert_eq!(seconds(&time), 7);
    });
}

#[test]
fn a_cut_fails_the_push_under_way_and_leaves_a_gap() {
    let (time, link) = world();
    time.run(async {
        let room = joined(&link).await;
        let mut shouts = room.on::<Value>("shout");
        link.stall();
        let push = room.push("echo", &1);
        time.sleep(SECOND).await;
        link.cut();
        assert!(matches!(
            push.reply().await,
            Err(PushError { cause: PushCause::Disconnected, .. })
        ));
        let gap = time.wait_for("the gap", 10 * SECOND, shouts.next()).await;
        assert!(matches!(gap, Some(StreamItem::Gap)));
    });
}

#[test]
fn what_a_stall_holds_back_arrives_after_it() {
    let (time, link) = world();
    time.run(async {
        let room = joined(&link).await;
        link.stall();
        let push = room.push("echo", &json!({ "n": 1 }));
        time.sleep(5 * SECOND).await;
        link.resume();
        let reply: Value = push.await.unwrap();
        assert_eq!((reply["n"].clone(), seconds(&time)), (json!(1), 5));
    });
}

#[test]
fn refusals_closes_and_garbage_on_command() {
    let (time, link) = world();
    time.run(async {
        link.refuse_next(UpgradeRejection::new(403));
        link.socket().connect().await.unwrap_err();

        let closed = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&closed);
        let builder = link.socket();
        let builder = builder.on_close(move |it| notes.lock().unwrap().push(it.cause.code()));
        let socket = builder.connect().await.unwrap();
        link.inject(Frame::text("garbage"));
        time.sleep(SECOND).await;
        assert_eq!(socket.counters().malformed, 1);
        link.close(CloseCode::from_u16(4_001));
        time.sleep(SECOND / 2).await;
        assert_eq!(*closed.lock().unwrap(), [CloseCode::from_u16(4_001)]);
    });
}

#[test]
fn links_fail_apart() {
    let (time, ann) = world();
    let bob = ann.new_client();
    time.run(async {
        let anns = ann.socket().connect().await.unwrap();
        let bobs = bob.socket().connect().await.unwrap();
        ann.set_connectivity(Connectivity::Offline);
        ann.cut();
        time.sleep(SECOND).await;
        assert_ne!(anns.state(), ConnectionState::Open);
        assert_eq!(bobs.state(), ConnectionState::Open);
    });
}

#[test]
fn dropped_sockets_leave_the_server() {
    let (time, link) = world();
    time.run(async {
        let _room = joined(&link).await;
        assert!(link.server_socket().is_some());
    });
    assert!(link.server_socket().is_none());
    assert_eq!(link.with_server(|server, _| server.sockets().count()), 0);
}

#[test]
fn dropping_the_time_drops_tasks_and_server() {
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let server = Server::builder().channel("room:*", move || {
        let _ = &held;
        Handlers::new()
    });
    let time = VirtualTime::new();
    let link = time.link(server.build());
    let sleep = time.runtime();
    let builder = link.socket();
    // A task with a separate socket that never ends, and one that never begins.
    phx_client::Runtime::spawn(
        &time.runtime(),
        Box::pin(async move {
            let socket = builder.connect().await.unwrap();
            loop {
                sleep.sleep(SECOND).await;
                assert_eq!(socket.state(), ConnectionState::Open);
            }
        }),
    );
    time.run(time.sleep(60 * SECOND));
    let (runtime, never) = (time.runtime(), link.clone());
    phx_client::Runtime::spawn(
        &time.runtime(),
        Box::pin(async move {
            runtime.sleep(SECOND).await;
            drop(never);
        }),
    );
    drop(link);
    assert_eq!(Arc::strong_count(&alive), 2);
    drop(time);
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[test]
fn many_sockets_hear_a_broadcast() {
    let (time, link) = world();
    time.run(async {
        let mut streams = Vec::new();
        for _ in 0..500 {
            let room = joined(&link.new_client()).await;
            streams.push(room.on::<u32>("news"));
        }
        time.sleep(300 * SECOND).await;
        let news = Payload::json(&7).unwrap();
        link.with_server(|server, now| server.broadcast(now, "room:a", "news", news));
        for stream in &mut streams {
            assert!(matches!(stream.next().await, Some(StreamItem::Message(7))));
        }
    });
}

#[test]
fn a_wait_that_takes_too_long_says_what_for() {
    let (time, link) = world();
    let text = panic_of(|| {
        time.run(async {
            let room = joined(&link).await;
            let mut shouts = room.on::<u32>("shout");
            link.half_open();
            time.wait_for("ann's shout", 5 * SECOND, shouts.next()).await;
        });
    });
    assert!(text.contains("waited 5s for ann's shout, at "), "{text}");
    assert!(text.contains("in_memory.rs"), "{text}");
    assert!(text.contains("open, half-open, joined: [room:a]"), "{text}");
}

#[test]
fn a_run_has_a_limit() {
    let time = VirtualTime::new().with_limit(60 * SECOND);
    let link = time.link(demo_server().build());
    let text = panic_of(|| {
        time.run(async {
            let _socket = link.socket().connect().await.unwrap();
            std::future::pending::<()>().await;
        });
    });
    assert!(text.contains("isn't done after 60s of virtual time"), "{text}");
    assert_eq!(seconds(&time), 60);
}

#[test]
fn a_wait_without_any_timer_fails_at_once() {
    let time = VirtualTime::new();
    let text = panic_of(|| time.run(std::future::pending::<()>()));
    assert!(text.contains("can't happen any more"));
}

/// Returns the times at which a socket with jitter reconnects after several cuts.
fn returns() -> Vec<Duration> {
    let (time, link) = world();
    time.run(async {
        let mut returns = Vec::new();
        let sockets =
            [link.socket().connect().await.unwrap(), link.socket().connect().await.unwrap()];
        for _ in 0..5 {
            link.cut();
            time.sleep(SECOND / 10).await;
            for socket in &sockets {
                open(socket).await;
                returns.push(time.now().since_epoch());
            }
        }
        returns
    })
}

#[test]
fn equal_programs_give_equal_runs() {
    assert_eq!(returns(), returns());
}

#[tokio::test(start_paused = true)]
async fn the_same_link_on_tokio_with_paused_time() {
    let started = tokio::time::Instant::now();
    let link = Link::new(demo_server().build(), AdapterRuntime::current().unwrap());
    let room = joined(&link).await;
    let mut shouts = room.on::<Value>("shout");
    link.half_open();
    assert!(matches!(shouts.next().await, Some(StreamItem::Gap)));
    assert!((40..45).contains(&started.elapsed().as_secs()));
    link.set_latency(SECOND);
    let asked = tokio::time::Instant::now();
    let reply: u32 = room.push("echo", &1).await.unwrap();
    assert_eq!((reply, asked.elapsed().as_secs()), (1, 2));
}
