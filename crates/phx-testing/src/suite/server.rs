//! A case's server by its commands, and clients with short delays.

use std::time::Duration;

use futures::StreamExt;
use futures::channel::mpsc;
use phx_client::{Backoff, CloseCode, Closed, Endpoint, Socket, SocketBuilder, TransportKind};

use super::order::{Answer, Connect, End, Order, ServerKind};
use super::stage::{Site, Stage};

/// Returns the delays of a schedule without jitter, for tests that wait.
pub(super) fn at_once() -> Backoff {
    Backoff::steps([Duration::from_millis(20)]).with_jitter_percent(0)
}

/// Returns a builder of a client with short delays.
pub(super) fn client<S: Stage>(url: &str) -> SocketBuilder {
    let endpoint = Endpoint::parse(url).expect("an endpoint");
    with_short_delays(S::socket(endpoint))
}

pub(super) fn with_short_delays(builder: SocketBuilder) -> SocketBuilder {
    builder.reconnect(at_once()).rejoin(at_once())
}

/// Connects a client and joins a room. Messages must be compressed if that was offered.
pub(super) async fn joined<S: Stage>(builder: SocketBuilder) -> (Socket, phx_client::Channel) {
    let (socket, room) = joined_to_script(builder).await;
    let headers = socket.response_headers();
    let agreed = headers.get("Sec-WebSocket-Extensions");
    let compresses = agreed.is_some_and(|value| value.starts_with(b"permessage-deflate"));
    assert_eq!(compresses, S::COMPRESSES, "{headers:?}");
    (socket, room)
}

/// Connects a client to a server that follows a script, and so compresses nothing, and joins a room.
pub(super) async fn joined_to_script(builder: SocketBuilder) -> (Socket, phx_client::Channel) {
    let socket = builder.connect().await.unwrap();
    let room = socket.channel("room:a").join().await.unwrap();
    (socket, room)
}

/// Returns a stream of the ends of a client's connections and attempts.
pub(super) fn closes(builder: SocketBuilder) -> (SocketBuilder, mpsc::UnboundedReceiver<Closed>) {
    let (sender, ends) = mpsc::unbounded();
    (builder.on_close(move |closed| drop(sender.unbounded_send(closed.clone()))), ends)
}

/// Returns the end of the first connection, or the failure of the first attempt.
pub(super) async fn first_end(builder: SocketBuilder) -> Closed {
    let (builder, mut ends) = closes(builder);
    let _socket = builder.spawn().expect("a socket");
    ends.next().await.expect("the socket is there")
}

/// A server of a case.
pub(super) struct Server<S: Stage>(S::Site);

impl<S: Stage> Server<S> {
    /// Starts [`ServerKind::Demo`].
    pub(super) async fn demo() -> Self {
        Server::start(ServerKind::Demo).await
    }

    pub(super) async fn start(kind: ServerKind) -> Self {
        Server(S::start(kind).await)
    }

    /// Returns a builder of a client with short delays.
    pub(super) fn client(&self) -> SocketBuilder {
        client::<S>(self.0.url())
    }

    pub(super) async fn broadcast(&self, event: &str, number: u32) {
        self.broadcast_numbers(event, number, 1).await;
    }

    /// Broadcasts `count` numbers from `first` on, to `room:a`.
    pub(super) async fn broadcast_numbers(&self, event: &str, first: u32, count: u32) {
        self.order(Order::Broadcast { event: event.to_owned(), first, count }).await;
    }

    pub(super) async fn close_because(&self, code: CloseCode, reason: &str) {
        self.order(Order::Close { code: code.as_u16(), reason: reason.to_owned() }).await;
    }

    /// Ends all connections on the server's side, or all sessions, whose next polls find that out.
    pub(super) async fn lose_clients(&self) {
        // The next polls come after the end of the sessions, and find it sooner than those that wait.
        self.order(Order::Cut).await;
        if S::TRANSPORT == TransportKind::LongPoll {
            self.order(Order::EndSessions).await;
        }
    }

    /// Waits for the end of a channel `end:*`.
    pub(super) async fn next_end(&self) -> End {
        match self.0.order(Order::AwaitEnd).await {
            Answer::End(end) => end,
            other => panic!("no end: {other:?}"),
        }
    }

    /// Returns what clients have connected with since the last call.
    pub(super) async fn take_connects(&self) -> Vec<Connect> {
        match self.0.order(Order::TakeConnects).await {
            Answer::Connects(connects) => connects,
            other => panic!("no connects: {other:?}"),
        }
    }

    /// Executes an order that only has to be done.
    pub(super) async fn order(&self, order: Order) {
        match self.0.order(order).await {
            Answer::Done => {}
            other => panic!("not done: {other:?}"),
        }
    }
}
