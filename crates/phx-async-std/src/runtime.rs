//! Clock, timers, tasks and connections of async-std.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::PathBuf;
use std::sync::LazyLock;
use std::task::Context;
use std::time::{self, Duration};

use async_std::net::{TcpStream, ToSocketAddrs};
use async_std::task;
use phx_client::dial::{ByteStream, Network};
use phx_client::{BoxFuture, Instant, NoRuntimeError, Runtime, suspended};

/// Epoch of all sockets of the program, so that their timers go off together.
static EPOCH: LazyLock<time::Instant> = LazyLock::new(time::Instant::now);

/// async-std as the client's runtime: clock, timers, tasks and connections.
///
/// Time is the standard library's; the time for which the machine is suspended is [added](Runtime). The epoch is
/// the moment at which the first value was made.
#[derive(Clone, Debug)]
pub struct AdapterRuntime {
    _private: (),
}

impl AdapterRuntime {
    /// Returns the runtime: async-std has one for the whole program.
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
///     phx_async_std::block_on(async {
///         let socket = phx_async_std::socket("ws://localhost:4000/socket").connect().await?;
///         let room = socket.channel("room:lobby").join().await?;
///         room.push("shout", &"hello").acknowledged().await?;
///         Ok(())
///     })?
/// }
/// ```
pub fn block_on<F: Future>(future: F) -> io::Result<F::Output> {
    Ok(task::block_on(future))
}

impl Runtime for AdapterRuntime {
    fn now(&self) -> Instant {
        Instant::from_epoch(EPOCH.elapsed())
    }

    fn suspended(&self) -> Option<Duration> {
        Some(suspended())
    }

    fn timer(&self, deadline: Instant) -> BoxFuture<()> {
        Box::pin(task::sleep(deadline.saturating_duration_since(self.now())))
    }

    fn spawn(&self, task: BoxFuture<()>) {
        drop(task::spawn(task));
    }

    /// Wakes the task at once: timers and sockets of async-std are looked at by a thread of their own while tasks are busy.
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
        (&*host, port).to_socket_addrs().await
    }

    async fn connect_tcp(address: SocketAddr) -> io::Result<ByteStream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(ByteStream::new(stream))
    }

    #[cfg(unix)]
    async fn connect_unix(path: PathBuf) -> io::Result<ByteStream> {
        Ok(ByteStream::new(async_std::os::unix::net::UnixStream::connect(path).await?))
    }
}
