//! A runtime with virtual time, and a server whose every answer is written in the test.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code; every test file uses its own part of this, and is a crate of its own"
)]

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::task::AtomicWaker;
use phx_client::proto::{V2Server, events};
use phx_client::{
    BoxFuture, Channel, CloseCause, CloseCode, Connector, Frame, Message, Payload, Proxy, Received,
    Request, Serializer, Socket, SocketBuilder, Status, Transport, TransportKind,
    TransportProperties,
};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

pub mod log;
#[cfg(feature = "websocket")]
pub mod network;
mod runtime;

pub use runtime::TestRuntime;

/// A network with one server, which is the test.
pub struct Net {
    attempts: mpsc::UnboundedReceiver<Attempt>,
    pub runtime: Arc<TestRuntime>,
    connector: Arc<TestConnector>,
}

impl Net {
    pub fn new() -> Self {
        let (sender, attempts) = mpsc::unbounded_channel();
        let connector = Arc::new(TestConnector { attempts: sender, kinds: ALL_KINDS });
        Net { attempts, runtime: TestRuntime::new(), connector }
    }

    /// Returns a builder for a socket on this network.
    pub fn builder(&self) -> SocketBuilder {
        SocketBuilder::new("ws://server.test/socket")
            .runtime(self.runtime.clone())
            .connector(self.connector.clone())
            .seed(7)
    }

    pub fn connector(&self) -> Arc<dyn Connector> {
        self.connector.clone()
    }

    /// Returns a connected socket, and its server.
    pub async fn connected(&mut self) -> (Socket, Peer) {
        let builder = self.builder();
        self.connected_with(builder).await
    }

    pub async fn connected_with(&mut self, builder: SocketBuilder) -> (Socket, Peer) {
        let (socket, peer) =
            tokio::join!(builder.connect(), async { self.attempt().await.accept() });
        (socket.unwrap(), peer)
    }

    /// Returns a socket with a joined channel, and the server.
    pub async fn joined(&mut self) -> (Socket, Channel, Peer) {
        let builder = self.builder();
        self.joined_with(builder).await
    }

    pub async fn joined_with(&mut self, builder: SocketBuilder) -> (Socket, Channel, Peer) {
        let (socket, mut peer) = self.connected_with(builder).await;
        let (room, _) = tokio::join!(socket.channel("room:a").join(), peer.accept_join());
        (socket, room.unwrap(), peer)
    }

    /// Returns a socket with a channel that isn't joined, and the server.
    pub async fn unjoined(&mut self) -> (Socket, Channel, Peer) {
        let (socket, peer) = self.connected().await;
        let room = socket.channel("room:a").create().unwrap();
        (socket, room, peer)
    }

    /// Returns the client's next attempt to connect.
    pub async fn attempt(&mut self) -> Attempt {
        soon(self.attempts.recv()).await.expect("the connector is there")
    }
}

/// Waits for a future that must complete within virtual minutes.
pub async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(600), future).await.expect("it happens in time")
}

/// An attempt to connect, to be accepted or refused.
pub struct Attempt {
    pub request: Request,
    pub max_frame_size: usize,
    pub kind: TransportKind,
    answer: oneshot::Sender<Result<Pin<Box<dyn Transport>>, CloseCause>>,
    pub proxy: Option<Proxy>,
    #[cfg(feature = "deflate")]
    pub compression: Option<phx_client::websocket::Compression>,
}

impl Attempt {
    pub fn accept(self) -> Peer {
        let (to_server, received) = mpsc::unbounded_channel();
        let (to_client, frames) = mpsc::unbounded_channel();
        let gate = Arc::new(Gate::default());
        let properties = self.kind.properties();
        let transport = TestTransport { frames, to_server, gate: Arc::clone(&gate), properties };
        self.answer.send(Ok(Box::pin(transport))).expect("the client waits");
        Peer { to_client: Some(to_client), received, gate, answer_heartbeats: true }
    }

    pub fn refuse(self, cause: CloseCause) {
        let _ = self.answer.send(Err(cause));
    }

    /// Waits until the client has abandoned the attempt.
    pub async fn abandoned(mut self) {
        soon(self.answer.closed()).await;
    }
}

struct TestConnector {
    attempts: mpsc::UnboundedSender<Attempt>,
    kinds: &'static [TransportKind],
}

const ALL_KINDS: &[TransportKind] = &[TransportKind::WebSocket, TransportKind::LongPoll];

impl fmt::Debug for TestConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TestConnector")
    }
}

impl Connector for TestConnector {
    fn supports(&self, kind: TransportKind) -> bool {
        self.kinds.contains(&kind)
    }

    fn connect(
        &self,
        asked: phx_client::Attempt,
    ) -> BoxFuture<Result<Pin<Box<dyn Transport>>, CloseCause>> {
        let (answer, answered) = oneshot::channel();
        #[cfg(feature = "deflate")]
        let compression = asked.compression;
        let phx_client::Attempt { request, max_frame_size, proxy, transport: kind, .. } = asked;
        let sent = self.attempts.send(Attempt {
            request,
            max_frame_size,
            kind,
            proxy,
            #[cfg(feature = "deflate")]
            compression,
            answer,
        });
        Box::pin(async move {
            match sent {
                Ok(()) => answered.await.unwrap_or_else(|_| Err(CloseCause::io("no answer"))),
                Err(_) => Err(CloseCause::io("no server")),
            }
        })
    }
}

/// Shared state of a transport.
#[derive(Debug, Default)]
pub struct Gate {
    shut: AtomicBool,
    hangs_on_close: AtomicBool,
    waker: AtomicWaker,
    pub flushes: AtomicUsize,
    /// Number of calls of `prepare_send`.
    pub prepared: AtomicUsize,
}

enum FromClient {
    Frame(Frame),
    Close(CloseCode, String),
}

struct TestTransport {
    frames: mpsc::UnboundedReceiver<Result<Received, CloseCause>>,
    properties: TransportProperties,
    to_server: mpsc::UnboundedSender<FromClient>,
    gate: Arc<Gate>,
}

impl fmt::Debug for TestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TestTransport")
    }
}

impl Transport for TestTransport {
    fn properties(&self) -> TransportProperties {
        self.properties
    }

    fn prepare_send(self: Pin<&mut Self>, _: &mut Context<'_>) {
        self.gate.prepared.fetch_add(1, Ordering::SeqCst);
    }

    fn poll_receive(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Received, CloseCause>> {
        self.frames
            .poll_recv(cx)
            .map(|frame| frame.unwrap_or_else(|| Err(CloseCause::io("the server is gone"))))
    }

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), CloseCause>> {
        self.gate.waker.register(cx.waker());
        if self.gate.shut.load(Ordering::SeqCst) { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn start_send(self: Pin<&mut Self>, frame: Frame) -> Result<(), CloseCause> {
        let sent = self.to_server.send(FromClient::Frame(frame));
        sent.map_err(|_| CloseCause::io("the server is gone"))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), CloseCause>> {
        self.gate.flushes.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(Ok(()))
    }

    fn poll_close(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        code: CloseCode,
        reason: &str,
    ) -> Poll<CloseCause> {
        let _ = self.to_server.send(FromClient::Close(code, reason.to_owned()));
        if self.gate.hangs_on_close.load(Ordering::SeqCst) {
            return Poll::Pending;
        }
        Poll::Ready(CloseCause::frame(CloseCode::NORMAL, ""))
    }
}

/// Server's end of a connection.
pub struct Peer {
    to_client: Option<mpsc::UnboundedSender<Result<Received, CloseCause>>>,
    received: mpsc::UnboundedReceiver<FromClient>,
    pub gate: Arc<Gate>,
    pub answer_heartbeats: bool,
}

impl Peer {
    /// Returns the client's next message. Heartbeats are answered and skipped.
    pub async fn receive(&mut self) -> Message {
        loop {
            match soon(self.received.recv()).await.expect("the client is there") {
                FromClient::Frame(frame) => {
                    let message = V2Server.decode(frame).unwrap();
                    if message.event != events::HEARTBEAT {
                        return message;
                    }
                    if self.answer_heartbeats {
                        self.reply(&message, "ok", &json!({}));
                    }
                }
                FromClient::Close(code, reason) => panic!("the client closed: {code} {reason}"),
            }
        }
    }

    /// Returns the client's next heartbeat, which the test answers.
    pub async fn receive_heartbeat(&mut self) -> Message {
        match soon(self.received.recv()).await.expect("the client is there") {
            FromClient::Frame(frame) => {
                let message = V2Server.decode(frame).unwrap();
                assert_eq!(message.event, events::HEARTBEAT);
                message
            }
            FromClient::Close(code, reason) => panic!("the client closed: {code} {reason}"),
        }
    }

    /// Returns the client's next message; `None` if it closes the connection instead.
    pub async fn receive_or_close(&mut self) -> Option<Message> {
        match soon(self.received.recv()).await? {
            FromClient::Frame(frame) => Some(V2Server.decode(frame).unwrap()),
            FromClient::Close(..) => None,
        }
    }

    /// Returns the client's next message if it has arrived.
    pub fn try_receive(&mut self) -> Option<Message> {
        match self.received.try_recv().ok()? {
            FromClient::Frame(frame) => Some(V2Server.decode(frame).unwrap()),
            FromClient::Close(code, reason) => panic!("the client closed: {code} {reason}"),
        }
    }

    /// Returns the code and reason of the client's close. Frames before it are skipped.
    pub async fn receive_close(&mut self) -> (CloseCode, String) {
        loop {
            if let FromClient::Close(code, reason) =
                soon(self.received.recv()).await.expect("the client closes")
            {
                return (code, reason);
            }
        }
    }

    pub async fn accept_join(&mut self) -> Message {
        let join = self.receive().await;
        assert_eq!(join.event, events::JOIN);
        self.reply(&join, "ok", &json!({}));
        join
    }

    /// Joins a channel that was created without a join.
    pub async fn join(&mut self, room: &Channel) {
        let (joined, _) = tokio::join!(room.join(), self.accept_join());
        joined.unwrap();
    }

    /// Accepts the leave of a channel.
    pub async fn leave(&mut self, room: &Channel) {
        let (left, ()) = tokio::join!(room.leave(), async {
            let leave = self.receive().await;
            self.reply(&leave, "ok", &json!({}));
        });
        left.unwrap();
    }

    pub fn reply(&self, to: &Message, status: &str, response: &Value) {
        let reply = Message::reply(
            to.topic.clone(),
            to.reference.clone(),
            Status::from(status),
            Payload::json(response).unwrap(),
        );
        self.send(&reply.with_join_ref(to.join_ref.clone()));
    }

    pub fn broadcast(&self, event: &str, payload: &Value) {
        self.send(&Message::new("room:a", event, Payload::json(payload).unwrap()));
    }

    pub fn send(&self, message: &Message) {
        self.send_frame(V2Server.encode(message).unwrap());
    }

    pub fn send_frame(&self, frame: Frame) {
        if let Some(to_client) = &self.to_client {
            let _ = to_client.send(Ok(frame.into()));
        }
    }

    /// The transport loses messages.
    pub fn gap(&self) {
        if let Some(to_client) = &self.to_client {
            let _ = to_client.send(Ok(Received::Gap));
        }
    }

    /// Ends the connection with a close frame, or without one.
    pub fn close(&mut self, cause: CloseCause) {
        if let Some(to_client) = self.to_client.take() {
            let _ = to_client.send(Err(cause));
        }
    }

    /// Sets if the transport takes frames.
    pub fn takes_frames(&self, takes: bool) {
        self.gate.shut.store(!takes, Ordering::SeqCst);
        self.gate.waker.wake();
    }

    /// Returns true if the client has dropped its end.
    pub fn is_dropped(&self) -> bool {
        self.received.is_closed()
    }

    pub fn hang_on_close(&self) {
        self.gate.hangs_on_close.store(true, Ordering::SeqCst);
    }
}

/// A list that hooks write to.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    pub fn note(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }

    pub fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// A future that hooks poll, to see if it resolved before the hook ran.
pub struct Watched<T>(Mutex<Option<Pin<Box<dyn Future<Output = T> + Send>>>>);

impl<T> Watched<T> {
    pub fn new() -> Arc<Self> {
        Arc::new(Watched(Mutex::new(None)))
    }

    pub fn set(&self, future: impl Future<Output = T> + Send + 'static) {
        *self.0.lock().unwrap() = Some(Box::pin(future));
    }

    /// Polls the future, as another thread may at any time.
    pub fn is_resolved(&self) -> bool {
        let mut future = self.0.lock().unwrap();
        future.as_mut().is_some_and(|future| future.now_or_never().is_some())
    }

    pub fn take(&self) -> Pin<Box<dyn Future<Output = T> + Send>> {
        self.0.lock().unwrap().take().unwrap()
    }
}

/// Returns a runtime on this thread, with virtual time.
pub fn paused() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap()
}

/// Lets all tasks run until they wait, without time passing.
pub async fn settle() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}
