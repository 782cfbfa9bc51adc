//! Clock, timers, tasks and connections of tokio.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::PathBuf;
use std::pin::pin;
use std::task::Context;
use std::time::Duration;

use async_tungstenite::tokio::TokioAdapter;
use phx_client::dial::{ByteStream, Network};
use phx_client::{BoxFuture, Instant, NoRuntimeError, Runtime, suspended};
use tokio::net::{TcpStream, lookup_host};
use tokio::runtime::{Builder, Handle};
use tokio::{task, time};

/// tokio as the client's runtime: clock, timers, tasks and connections.
///
/// Time is tokio's, so that `tokio::time::pause` and `advance` govern the client as well; the time for which the
/// machine is suspended is [added](Runtime). The epoch is the moment at which the value was made.
#[derive(Clone, Debug)]
pub struct AdapterRuntime {
    handle: Handle,
    epoch: time::Instant,
}

impl AdapterRuntime {
    /// Returns the runtime that the calling code runs on, or has entered.
    ///
    /// # Errors
    ///
    /// If the calling code is outside of a runtime.
    pub fn current() -> Result<Self, NoRuntimeError> {
        let handle = Handle::try_current().map_err(|_| NoRuntimeError::new())?;
        Ok(AdapterRuntime { handle, epoch: time::Instant::now() })
    }
}

/// Runs a future to its end on this thread, with the sockets that it makes: for the `main` of a program without a
/// runtime. Every adapter has this function.
///
/// # Errors
///
/// If the calling code runs on a runtime already (await there instead), or tokio can't create one.
///
/// # Examples
///
/// ```no_run
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     phx_tokio::block_on(async {
///         let socket = phx_tokio::socket("ws://localhost:4000/socket").connect().await?;
///         let room = socket.channel("room:lobby").join().await?;
///         room.push("shout", &"hello").acknowledged().await?;
///         Ok(())
///     })?
/// }
/// ```
pub fn block_on<F: Future>(future: F) -> io::Result<F::Output> {
    if Handle::try_current().is_ok() {
        return Err(io::Error::other("the calling code runs on a runtime already: await instead"));
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(future))
}

impl Runtime for AdapterRuntime {
    fn now(&self) -> Instant {
        Instant::from_epoch(time::Instant::now().saturating_duration_since(self.epoch))
    }

    fn suspended(&self) -> Option<Duration> {
        Some(suspended())
    }

    fn timer(&self, deadline: Instant) -> BoxFuture<()> {
        // A deadline beyond the range of tokio's clock never comes.
        const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);
        let at = self.epoch.checked_add(deadline.since_epoch());
        let _entered = self.handle.enter();
        Box::pin(time::sleep_until(at.unwrap_or_else(|| time::Instant::now() + FAR)))
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.handle.spawn(task);
    }

    /// Has tokio wake the task after it has looked at timers and sockets: a task that wakes itself runs up to 61 times
    /// (tokio's `event_interval`) before that.
    fn yield_now(&self, cx: &mut Context<'_>) {
        // Its first poll leaves the waker with tokio; dropping it takes nothing back.
        let _pending = pin!(task::yield_now()).poll(cx);
    }
}

impl Network for AdapterRuntime {
    fn current() -> Result<Self, NoRuntimeError> {
        AdapterRuntime::current()
    }

    async fn resolve(
        host: String,
        port: u16,
    ) -> io::Result<impl Iterator<Item = SocketAddr> + Send> {
        Ok(lookup_host((&*host, port)).await?.collect::<Vec<_>>().into_iter())
    }

    async fn connect_tcp(address: SocketAddr) -> io::Result<ByteStream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(ByteStream::new(TokioAdapter::new(stream)))
    }

    #[cfg(unix)]
    async fn connect_unix(path: PathBuf) -> io::Result<ByteStream> {
        Ok(ByteStream::new(TokioAdapter::new(tokio::net::UnixStream::connect(path).await?)))
    }
}
