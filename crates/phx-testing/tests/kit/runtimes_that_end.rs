//! A socket whose driver ends with its runtime, or by a panic, says so on every adapter, over real sockets.

use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use futures::{FutureExt, StreamExt};
use phx_client::{
    Channel, ChannelState, ConnectCause, ConnectError, ConnectionState, DecodeError, EncodeError,
    Frame, Message, PushCause, PushError, Serializer, Socket, SocketBuilder, V2,
};
use phx_testing::demo_server;
use phx_testing::listener::Listener;
use tokio::runtime::{self, Runtime};

/// V2, but for an event that panics the driver.
#[derive(Debug)]
struct Panics;

impl Serializer for Panics {
    fn vsn(&self) -> &str {
        "2.0.0"
    }

    fn check(&self, message: &Message) -> Result<(), EncodeError> {
        V2.check(message)
    }

    fn encode(&self, message: &Message) -> Result<Frame, EncodeError> {
        assert!(message.event != "panic", "this event makes encoding panic");
        V2.encode(message)
    }

    fn decode(&self, frame: Frame) -> Result<Message, DecodeError> {
        V2.decode(frame)
    }
}

/// A server on a runtime of its own, which outlives that of the client.
fn server() -> (Runtime, Listener) {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.unwrap();
    let listener = runtime.block_on(Listener::bind(demo_server().build())).unwrap();
    (runtime, listener)
}

type Reported = Arc<Mutex<Vec<String>>>;

async fn joined(builder: SocketBuilder) -> (Socket, Channel, Reported) {
    let reported = Reported::default();
    let note = |reported: &Reported| {
        let reported = Arc::clone(reported);
        move |text: String| reported.lock().unwrap().push(text)
    };
    let (errors, closes, channel) = (note(&reported), note(&reported), note(&reported));
    let builder = builder
        .serializer(Panics)
        .on_error(move |error| errors(error.to_string()))
        .on_close(move |closed| closes(format!("{}, {}", closed.cause, closed.was_open)));
    let socket = builder.connect().await.unwrap();
    let room = socket.channel("room:a").join().await.unwrap();
    drop(room.on_close(move |cause| channel(format!("{cause:?}"))));
    (socket, room, reported)
}

/// What everybody says once the driver has ended.
fn has_ended(socket: &Socket, room: &Channel, reported: &Reported) {
    assert_eq!((socket.state(), room.state()), (ConnectionState::Closed, ChannelState::Closed));
    let states = block_on(socket.status().collect::<Vec<_>>());
    assert_eq!(states, [ConnectionState::Closed]);
    assert_eq!(block_on(room.status().collect::<Vec<_>>()), [ChannelState::Closed]);
    assert!(matches!(
        block_on(socket.connect()),
        Err(ConnectError { cause: ConnectCause::Stopped, .. })
    ));
    assert!(block_on(room.on_raw("shout").next()).is_none());
    let ended = "the socket's driver has ended";
    let reported = reported.lock().unwrap();
    assert_eq!(reported[..], ["Stopped", ended, &format!("{ended}, true")]);
}

#[test]
fn a_tokio_runtime_that_is_dropped() {
    let (servers, listener) = server();
    for threads in [0, 2] {
        let client = match threads {
            0 => runtime::Builder::new_current_thread().enable_all().build(),
            _ => runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build(),
        };
        let client = client.unwrap();
        let (socket, room, reported) =
            client.block_on(async { joined(phx_tokio::socket(listener.url())).await });
        let push = room.push("whisper", &1).acknowledged();
        let mut shouts = room.on_raw("shout");
        assert!(shouts.next().now_or_never().is_none());
        drop(client);
        assert!(matches!(block_on(push), Err(PushError { cause: PushCause::Stopped, .. })));
        assert!(block_on(shouts.next()).is_none());
        has_ended(&socket, &room, &reported);
    }
    drop(servers);
}

/// As a program that panics in `main`: the executor's own future unwinds, and its tasks are dropped with it.
#[test]
fn a_tokio_executor_that_panics() {
    let (servers, listener) = server();
    let kept = Mutex::new(None);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let client = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        client.block_on(async {
            *kept.lock().unwrap() = Some(joined(phx_tokio::socket(listener.url())).await);
            panic!("the executor's future panics");
        });
    }));
    assert!(panicked.is_err());
    let (socket, room, reported) = kept.lock().unwrap().take().unwrap();
    has_ended(&socket, &room, &reported);
    drop(servers);
}

/// The panic of a driver on each adapter's executor.
async fn panics(builder: SocketBuilder) {
    let (socket, room, reported) = joined(builder).await;
    let waits = room.push::<()>("whisper", &1);
    let panics = room.push::<()>("panic", &1);
    assert!(matches!(panics.await, Err(PushError { cause: PushCause::Stopped, .. })));
    assert!(matches!(waits.await, Err(PushError { cause: PushCause::Stopped, .. })));
    has_ended(&socket, &room, &reported);
}

#[test]
fn a_driver_that_panics_on_tokio() {
    let (_servers, listener) = server();
    let client = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    client.unwrap().block_on(async { panics(phx_tokio::socket(listener.url())).await });
}

#[test]
fn a_driver_that_panics_on_smol() {
    let (_servers, listener) = server();
    smol::block_on(panics(phx_smol::socket(listener.url())));
    // The executor goes on.
    smol::block_on(panics(phx_smol::socket(listener.url())));
}

#[test]
fn a_driver_that_panics_on_async_std() {
    let (_servers, listener) = server();
    async_std::task::block_on(panics(phx_async_std::socket(listener.url())));
    async_std::task::block_on(panics(phx_async_std::socket(listener.url())));
}
