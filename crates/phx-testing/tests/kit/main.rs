//! The kit itself: servers in memory and behind a listener, scripts, simulations, faults, and what is proved with them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod wire;

#[cfg(feature = "deflate")]
mod compressed_client;
#[cfg(feature = "client")]
mod drop_at_every_poll;
#[cfg(feature = "listener")]
mod fault_proxy;
#[cfg(feature = "suite")]
mod first_errors;
#[cfg(all(feature = "suite", feature = "deflate"))]
mod https_proxy;
#[cfg(feature = "client")]
mod in_memory;
#[cfg(feature = "listener")]
mod listener;
#[cfg(feature = "client")]
mod long_poll;
#[cfg(feature = "suite")]
mod long_poll_over_tls;
mod recordings;
#[cfg(all(feature = "client", feature = "listener"))]
mod runtimes_that_end;
mod script;
mod server;
mod simulation;
#[cfg(feature = "suite")]
mod switches;
#[cfg(feature = "suite")]
mod tls_without_end;
#[cfg(all(unix, feature = "client", feature = "deflate"))]
mod ways_through;

/// Awaits what must come, with a deadline so that a defect fails instead of hanging.
#[cfg(feature = "listener")]
async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(std::time::Duration::from_secs(10), future)
        .await
        .expect("it took too long")
}
