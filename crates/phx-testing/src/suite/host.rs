//! Servers in this program, each on a separate thread and runtime.

use std::net::SocketAddr;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use futures::StreamExt;
use futures::channel::{mpsc, oneshot};
use phx_client::{CloseCode, Frame, Payload};
use tokio::net::TcpSocket;
use tokio::runtime::Handle;

use super::order::{Answer, Connect, End, Order, ServerKind};
use super::raw;
use super::stage::Site;
use crate::listener::Listener;
use crate::{
    Channel, Connectivity, Context, Handled, PhoenixVersion, Reason, Server, ServerBuilder,
    UpgradeRejection, demo_server,
};

/// Server of a case in this program. Dropping it ends it, but for a flood's, which ends with the program.
#[derive(Debug)]
pub struct Host {
    url: String,
    kind: ServerKind,
    compresses: bool,
    notes: Notes,
    ends: futures::lock::Mutex<mpsc::UnboundedReceiver<End>>,
    /// `None` where no listener of this crate serves, or while it is stopped.
    running: Mutex<Option<Running>>,
    /// Port on which nobody listens; it stays taken, so that no other test does.
    _taken: Option<TcpSocket>,
}

/// What the server's callbacks note.
#[derive(Clone, Debug)]
struct Notes {
    connects: Arc<Mutex<Vec<Connect>>>,
    ends: mpsc::UnboundedSender<End>,
}

/// Listener in the background.
#[derive(Debug)]
pub(super) struct Running {
    listener: Arc<Listener>,
    runtime: Handle,
    /// Dropped, it ends the listener.
    stop: oneshot::Sender<oneshot::Sender<()>>,
}

impl Host {
    /// Starts a server.
    ///
    /// # Panics
    ///
    /// If the operating system has no port or thread for it.
    #[must_use]
    pub fn start(kind: ServerKind) -> Self {
        Host::start_with(kind, false)
    }

    /// Starts a server that compresses or not, as [`Stage::COMPRESSES`](super::Stage::COMPRESSES) says. A browser offers it
    /// always, so the server decides.
    pub(super) fn start_with(kind: ServerKind, compresses: bool) -> Self {
        let (sender, ends) = mpsc::unbounded();
        let notes = Notes { connects: Arc::default(), ends: sender };
        let (url, running, taken) = match kind {
            ServerKind::Nobody => {
                let taken = TcpSocket::new_v4().expect("a socket");
                taken.bind(any_port()).expect("a port");
                let address = taken.local_addr().expect("an address");
                (format!("ws://{address}/socket"), None, Some(taken))
            }
            ServerKind::Flooding(flood) => (raw::serve(move |raw| flood.run(raw)), None, None),
            ServerKind::Demo | ServerKind::Version(..) | ServerKind::Refusing(_) => {
                let running = Running::start(any_port(), notes.server(kind, compresses));
                (running.listener.url().to_owned(), Some(running), None)
            }
        };
        let (ends, running) = (futures::lock::Mutex::new(ends), Mutex::new(running));
        Host { url, kind, compresses, notes, ends, running, _taken: taken }
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        lock(&self.running)
    }

    /// Calls the listener.
    fn with(&self, f: impl FnOnce(&Listener)) -> Answer {
        f(&self.running().as_ref().expect("a server that obeys orders").listener);
        Answer::Done
    }
}

impl Site for Host {
    fn url(&self) -> &str {
        &self.url
    }

    async fn order(&self, order: Order) -> Answer {
        match order {
            Order::Broadcast { event, first, count } => self.with(|listener| {
                for number in (first..).take(count as usize) {
                    let payload = Payload::json(&number).expect("a number is JSON");
                    listener.broadcast("room:a", event.as_str(), payload);
                }
            }),
            Order::Close { code, reason } => self.with(|listener| {
                listener.all().close_because(CloseCode::from_u16(code), reason);
            }),
            Order::Cut => self.with(|listener| listener.all().cut()),
            Order::HalfOpen => self.with(|listener| listener.all().half_open()),
            Order::InjectText(text) => {
                self.with(|listener| listener.all().inject(&Frame::text(text)))
            }
            Order::InjectBinary(bytes) => {
                self.with(|listener| listener.all().inject(&Frame::binary(bytes)))
            }
            Order::EndSessions => self.with(Listener::drop_connections),
            Order::GoOffline => {
                self.with(|listener| listener.set_connectivity(Connectivity::Offline))
            }
            Order::FallSilent => {
                self.with(|listener| listener.set_connectivity(Connectivity::Silent))
            }
            Order::GoOnline => {
                self.with(|listener| listener.set_connectivity(Connectivity::Online))
            }
            Order::Delay(latency) => self.with(|listener| listener.set_latency(latency)),
            Order::Stop => {
                let running = self.running().take().expect("a server that runs");
                running.stop().await;
                Answer::Done
            }
            Order::Restart => {
                let address = self.url.trim_start_matches("ws://").trim_end_matches("/socket");
                let address = address.parse().expect("an address");
                let server = self.notes.server(self.kind, self.compresses);
                *self.running() = Some(Running::start(address, server));
                Answer::Done
            }
            Order::AwaitEnd => {
                Answer::End(self.ends.lock().await.next().await.expect("`notes` has a sender"))
            }
            Order::TakeConnects => {
                Answer::Connects(std::mem::take(&mut *lock(&self.notes.connects)))
            }
        }
    }
}

impl Notes {
    /// Returns the server of a kind.
    fn server(&self, kind: ServerKind, compresses: bool) -> Server {
        let ends = self.ends.clone();
        let demo = if compresses { compressing(demo_server()) } else { demo_server() };
        let builder = demo.channel("end:*", move || Ends(ends.clone()));
        match kind {
            ServerKind::Refusing(status) => {
                let refusal = UpgradeRejection::new(status).with_body("banned");
                builder.connect(move |_| Err(refusal.clone())).build()
            }
            ServerKind::Version(major, minor, patch) => {
                builder.version(PhoenixVersion::new(major, minor, patch)).build()
            }
            _ => {
                let connects = Arc::clone(&self.connects);
                let builder = builder.connect(move |info| {
                    lock(&connects).push(Connect {
                        params: info.params().clone(),
                        x_headers: info.x_headers().to_vec(),
                        auth_token: info.auth_token().map(str::to_owned),
                    });
                    Ok(None)
                });
                builder.build()
            }
        }
    }
}

/// Lets a server compress for clients that offer it; without the feature `deflate` none does.
pub(super) fn compressing(builder: ServerBuilder) -> ServerBuilder {
    #[cfg(feature = "deflate")]
    let builder = builder.compress(true);
    builder
}

struct Ends(mpsc::UnboundedSender<End>);

impl Channel for Ends {
    fn terminate(&mut self, _: &mut Context<'_>, reason: Reason) {
        let end = match reason {
            Reason::Left => End::Left,
            Reason::Closed => End::Closed,
            _ => End::Other,
        };
        let _ = self.0.unbounded_send(end);
    }

    fn handle_in(&mut self, _: &mut Context<'_>, _: &str, _: Payload) -> Handled {
        Handled::NoReply
    }
}

impl Running {
    pub(super) fn start(address: SocketAddr, server: Server) -> Self {
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
        Running { listener, runtime, stop }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Returns the runtime of the server's tasks.
    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Stops as [`Listener::stop`] does, and waits for it.
    async fn stop(self) {
        drop(self.listener);
        let (stopped, done) = oneshot::channel();
        let _ = self.stop.send(stopped);
        let _ = done.await;
    }
}

pub(super) fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
