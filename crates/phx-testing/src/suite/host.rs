//! A server on a separate thread and runtime.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use futures::StreamExt;
use futures::channel::{mpsc, oneshot};
use phx_client::websocket::WebSocketConfig;
use phx_client::{Backoff, Closed, Endpoint, Payload, Socket, SocketBuilder, TransportKind};
use tokio::runtime::Handle;

use super::subject::Subject;
use crate::listener::Listener;
use crate::{Channel, Context, Handled, Reason, Server, demo_server};

/// Returns the delays of a schedule without jitter, for tests that wait.
pub(super) fn at_once() -> Backoff {
    Backoff::steps([Duration::from_millis(20)]).with_jitter_percent(0)
}

/// Returns a builder of a client with short delays.
pub(super) fn client<S: Subject>(url: &str) -> SocketBuilder {
    client_with::<S>(url, WebSocketConfig::default())
}

pub(super) fn client_with<S: Subject>(url: &str, config: WebSocketConfig) -> SocketBuilder {
    let endpoint = Endpoint::parse(url).expect("an endpoint");
    S::socket(endpoint, config).reconnect(at_once()).rejoin(at_once())
}

/// Connects a client and joins a room.
pub(super) async fn joined(builder: SocketBuilder) -> (Socket, phx_client::Channel) {
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

/// Starts a server whose channels `end:*` report their ends.
pub(super) fn with_ends() -> (Host, mpsc::UnboundedReceiver<Reason>) {
    let (sender, ends) = mpsc::unbounded();
    let server = demo_server().channel("end:*", move || Ends(sender.clone()));
    (Host::start(server.build()), ends)
}

struct Ends(mpsc::UnboundedSender<Reason>);

impl Channel for Ends {
    fn terminate(&mut self, _: &mut Context<'_>, reason: Reason) {
        let _ = self.0.unbounded_send(reason);
    }

    fn handle_in(&mut self, _: &mut Context<'_>, _: &str, _: Payload) -> Handled {
        Handled::NoReply
    }
}

/// Listener in the background; dropping the value ends it.
pub(super) struct Host {
    /// `None` once it is stopped.
    listener: Option<Arc<Listener>>,
    runtime: Handle,
    stop: Option<oneshot::Sender<oneshot::Sender<()>>>,
}

impl Host {
    pub(super) fn start(server: Server) -> Self {
        Host::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), server)
    }

    /// Starts a server on the address of an earlier one.
    pub(super) fn start_at(
        address: SocketAddr,
        #[cfg_attr(not(feature = "deflate"), expect(unused_mut, reason = "set with the feature"))]
        mut server: Server,
    ) -> Self {
        // Adapters that don't offer it notice nothing.
        #[cfg(feature = "deflate")]
        server.enable_compression();
        let (report, started) = channel();
        let (stop, stopping) = oneshot::channel::<oneshot::Sender<()>>();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime");
            let handle = runtime.handle().clone();
            runtime.block_on(async move {
                let listener = Arc::new(Listener::bind_to(address, server).await.expect("a port"));
                let _ = report.send((Arc::clone(&listener), handle));
                if let Ok(stopped) = stopping.await {
                    let listener = Arc::into_inner(listener).expect("the only handle");
                    listener.stop().await;
                    let _ = stopped.send(());
                }
            });
        });
        let (listener, runtime) = started.recv().expect("the server's thread ended");
        Host { listener: Some(listener), runtime, stop: Some(stop) }
    }

    /// Stops as [`Listener::stop`] does, and waits for it.
    pub(super) async fn stop(mut self) {
        self.listener = None;
        let (stopped, done) = oneshot::channel();
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(stopped);
        }
        let _ = done.await;
    }

    /// Ends all connections on the server's side, or all sessions, whose next polls find that out.
    pub(super) fn lose_clients<S: Subject>(&self) {
        // The next polls come after the end of the sessions, and find it sooner than those that wait.
        self.all().cut();
        if S::TRANSPORT == TransportKind::LongPoll {
            self.drop_connections();
        }
    }

    /// Returns the runtime of the server's tasks.
    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }
}

impl Deref for Host {
    type Target = Listener;

    fn deref(&self) -> &Listener {
        self.listener.as_ref().expect("it isn't stopped")
    }
}
