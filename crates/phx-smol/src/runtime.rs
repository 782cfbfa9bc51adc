//! Clock, timers, tasks and connections of smol.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::PathBuf;
use std::sync::LazyLock;
use std::task::Context;
use std::time::{self, Duration};

use phx_client::dial::{ByteStream, Network};
use phx_client::{BoxFuture, Instant, NoRuntimeError, Runtime, suspended};
use smol::net::{TcpStream, resolve};

/// Epoch of all sockets of the program, so that their timers go off together.
static EPOCH: LazyLock<time::Instant> = LazyLock::new(time::Instant::now);

/// smol as the client's runtime: clock, timers, tasks and connections.
///
/// Time is the standard library's; the time for which the machine is suspended is [added](Runtime). The epoch is
/// the moment at which the first value was made.
#[derive(Clone, Debug)]
pub struct AdapterRuntime {
    _private: (),
}

impl AdapterRuntime {
    /// Returns the runtime: smol has one for the whole program.
    ///
    /// # Errors
    ///
    /// Never fails here; the error is for the adapters' common API.
    pub fn current() -> Result<Self, NoRuntimeError> {
        Ok(AdapterRuntime { _private: () })
    }
}

/// Runs a future to its end on this thread, with the sockets that it makes: for the `main` of a program without a
/// runtime. Every adapter has this function.
///
/// # Errors
///
/// Never fails here; the error is for the adapters' common API.
///
/// # Examples
///
/// ```no_run
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     phx_smol::block_on(async {
///         let socket = phx_smol::socket("ws://localhost:4000/socket").connect().await?;
///         let room = socket.channel("room:lobby").join().await?;
///         room.push("shout", &"hello").acknowledged().await?;
///         Ok(())
///     })?
/// }
/// ```
pub fn block_on<F: Future>(future: F) -> io::Result<F::Output> {
    Ok(smol::block_on(future))
}

impl Runtime for AdapterRuntime {
    fn now(&self) -> Instant {
        Instant::from_epoch(EPOCH.elapsed())
    }

    fn suspended(&self) -> Option<Duration> {
        Some(suspended())
    }

    fn timer(&self, deadline: Instant) -> BoxFuture<()> {
        // A deadline beyond the range of the clock never comes.
        let at = EPOCH.checked_add(deadline.since_epoch());
        let timer = at.map_or_else(smol::Timer::never, smol::Timer::at);
        Box::pin(async move {
            timer.await;
        })
    }

    fn spawn(&self, task: BoxFuture<()>) {
        smol::spawn(task).detach();
    }

    /// Wakes the task at once: timers and sockets of smol are looked at by a thread of their own while tasks are busy.
    fn yield_now(&self, cx: &mut Context<'_>) {
        cx.waker().wake_by_ref();
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
        Ok(resolve((&*host, port)).await?.into_iter())
    }

    async fn connect_tcp(address: SocketAddr) -> io::Result<ByteStream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(ByteStream::new(stream))
    }

    #[cfg(unix)]
    async fn connect_unix(path: PathBuf) -> io::Result<ByteStream> {
        Ok(ByteStream::new(smol::net::unix::UnixStream::connect(path).await?))
    }
}
