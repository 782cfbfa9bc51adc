//! Runtime for the servers' side, independent of the clients' runtimes.

use anyhow::Context as _;
use tokio::runtime::{Builder, Runtime};

/// A runtime with a separate thread: its tasks run in the background.
pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().context("no runtime")
}
