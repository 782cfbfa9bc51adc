//! A project in memory, and clients of it.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use phx_client::{SocketBuilder, StreamItem};
use phx_supabase::testing::{self, Command, RealtimeServer};
use phx_supabase::{Channel, Client, ClientBuilder};
use phx_testing::in_memory::{Link, VirtualTime};

pub(crate) const KEY: &str = "anon-key";

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A project with one network.
pub(crate) struct Project {
    pub(crate) time: VirtualTime,
    pub(crate) link: Link,
}

impl Project {
    pub(crate) fn new() -> Self {
        Project::of(RealtimeServer::new(KEY))
    }

    pub(crate) fn of(server: RealtimeServer) -> Self {
        let time = VirtualTime::new();
        let link = time.link(server.builder().build());
        Project { time, link }
    }

    pub(crate) fn builder() -> ClientBuilder {
        Client::builder("http://localhost", KEY)
    }

    pub(crate) fn client(&self) -> Client {
        self.spawn(Project::builder())
    }

    pub(crate) fn spawn(&self, builder: ClientBuilder) -> Client {
        let (runtime, link) = (self.time.runtime(), self.link.clone());
        let spawned = builder.spawn(move |endpoint| {
            SocketBuilder::new(endpoint).runtime(runtime).connector(link).seed(1)
        });
        spawned.unwrap()
    }

    pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
        self.time.run(future)
    }

    pub(crate) async fn soon<F: Future>(&self, future: F) -> F::Output {
        self.within(60, future).await
    }

    pub(crate) async fn within<F: Future>(&self, seconds: u32, future: F) -> F::Output {
        self.time.wait_for("it", SECOND * seconds, future).await
    }

    pub(crate) async fn seconds(&self, seconds: u32) {
        self.time.sleep(SECOND * seconds).await;
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.time.now().since_epoch()
    }

    /// A room that is joined.
    pub(crate) async fn room(&self) -> Channel {
        let room = self.client().channel("room").ack(true).broadcast_self(true).create().unwrap();
        room.join().await.unwrap();
        room
    }

    pub(crate) fn command(&self, command: &Command) {
        self.link.with_server(|server, now| testing::send(server, now, "realtime:room", command));
    }

    pub(crate) fn shutdown(&self, message: &str) {
        self.command(&Command::Shutdown(message.to_owned()));
    }
}

/// The message of an item.
pub(crate) fn message<T: std::fmt::Debug>(item: Option<StreamItem<T>>) -> T {
    match item {
        Some(StreamItem::Message(message)) => message,
        other => panic!("{other:?}"),
    }
}

/// Records what callbacks see.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T: Clone> Log<T> {
    pub(crate) fn new() -> Self {
        Log(Arc::default())
    }

    pub(crate) fn add(&self, entry: T) {
        self.0.lock().unwrap().push(entry);
    }

    pub(crate) fn all(&self) -> Vec<T> {
        self.0.lock().unwrap().clone()
    }
}
