//! Runtimes on which a scenario can run, and the port of its server.

use std::time::Duration;

use anyhow::{Context as _, bail};
use phx_tokio::SocketBuilder;

/// An adapter and its runtime.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Runtime {
    Tokio,
    AsyncStd,
    Smol,
}

impl Runtime {
    pub(crate) fn parse(name: &str) -> anyhow::Result<Self> {
        Ok(match name {
            "tokio" => Runtime::Tokio,
            "async-std" => Runtime::AsyncStd,
            "smol" => Runtime::Smol,
            _ => bail!("no runtime `{name}`: tokio, async-std and smol"),
        })
    }

    pub(crate) fn client(self) -> &'static str {
        match self {
            #[cfg(feature = "recorder")]
            Runtime::Tokio => crate::recorder::client(),
            #[cfg(not(feature = "recorder"))]
            Runtime::Tokio => "phx-tokio",
            Runtime::AsyncStd => "phx-async-std",
            Runtime::Smol => "phx-smol",
        }
    }

    /// Runs `main` to its end as a task on one thread, as most programs do. A caller that waits outside the task
    /// would have to be woken as well, and on two of the runtimes that is another thread.
    pub(crate) fn run<T: Send + 'static>(
        self,
        main: impl Future<Output = anyhow::Result<T>> + Send + 'static,
    ) -> anyhow::Result<T> {
        match self {
            Runtime::Tokio => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(runtime.spawn(main))?
            }
            Runtime::AsyncStd => futures::executor::block_on(async_std::task::spawn(main)),
            Runtime::Smol => futures::executor::block_on(smol::spawn(main)),
        }
    }

    pub(crate) fn spawn(self, task: impl Future<Output = ()> + Send + 'static) {
        match self {
            Runtime::Tokio => drop(tokio::spawn(task)),
            Runtime::AsyncStd => drop(async_std::task::spawn(task)),
            Runtime::Smol => smol::spawn(task).detach(),
        }
    }

    pub(crate) async fn sleep(self, time: Duration) {
        match self {
            Runtime::Tokio => tokio::time::sleep(time).await,
            Runtime::AsyncStd => async_std::task::sleep(time).await,
            Runtime::Smol => drop(smol::Timer::after(time).await),
        }
    }

    /// Returns a builder of a socket to the server on `PERF_PORT`, as a program would make it.
    pub(crate) fn socket(self) -> anyhow::Result<SocketBuilder> {
        let url = format!("ws://127.0.0.1:{}/socket", server_port()?);
        let builder = match self {
            Runtime::Tokio => phx_tokio::socket(url),
            Runtime::AsyncStd => phx_async_std::socket(url),
            Runtime::Smol => phx_smol::socket(url),
        };
        #[cfg(feature = "recorder")]
        let builder = crate::recorder::on(builder)?;
        Ok(builder)
    }
}

/// Returns the port on which clients and floors find their server.
pub(crate) fn server_port() -> anyhow::Result<u16> {
    match std::env::var("PERF_PORT") {
        Ok(port) => port.parse().context("PERF_PORT isn't a port"),
        Err(_) => Ok(4900),
    }
}
