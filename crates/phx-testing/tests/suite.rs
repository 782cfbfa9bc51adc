//! The behaviour suite on every adapter of this workspace, with one table of the results.

#![expect(clippy::print_stdout, reason = "the table goes to standard output")]

use std::process::ExitCode;

#[cfg(feature = "deflate")]
use phx_client::websocket::Compression;
use phx_client::websocket::WebSocketConfig;
use phx_client::{Endpoint, SocketBuilder, StreamConnector, TransportKind};
use phx_testing::suite::{self, Adapter, Selection};

/// An adapter: its name, its crate, and how it runs a future.
macro_rules! adapter {
    ($type:ident, $name:literal, $crate_name:ident, $block_on:expr) => {
        struct $type;

        impl Adapter for $type {
            const NAME: &'static str = $name;
            const TRANSPORTS: &'static [TransportKind] =
                &[TransportKind::WebSocket, TransportKind::LongPoll];

            fn block_on<F: Future<Output = ()>>(future: F) {
                $block_on(future);
            }

            fn socket(endpoint: Endpoint, config: WebSocketConfig) -> SocketBuilder {
                let dialer = $crate_name::TcpDialer::new();
                let connector = StreamConnector::new(dialer).with_config(config);
                $crate_name::socket(endpoint).connector(connector)
            }
        }
    };
}

/// The same adapter, with compression; its settings are offered to a server that compresses.
#[cfg(feature = "deflate")]
macro_rules! compressed {
    ($type:ident, $of:ident, $name:literal, $compression:expr) => {
        struct $type;

        impl Adapter for $type {
            const NAME: &'static str = $name;
            const TRANSPORTS: &'static [TransportKind] = &[TransportKind::WebSocket];
            const COMPRESSES: bool = true;

            fn block_on<F: Future<Output = ()>>(future: F) {
                $of::block_on(future);
            }

            fn socket(endpoint: Endpoint, config: WebSocketConfig) -> SocketBuilder {
                $of::socket(endpoint, config).compression($compression)
            }
        }
    };
}

adapter!(Tokio, "phx-tokio", phx_tokio, on_tokio);
adapter!(Smol, "phx-smol", phx_smol, smol::block_on);
adapter!(AsyncStd, "phx-async-std", phx_async_std, async_std::task::block_on);

#[cfg(feature = "deflate")]
compressed!(TokioDeflate, Tokio, "phx-tokio-deflate", Compression::new().context_takeover(true));
#[cfg(feature = "deflate")]
compressed!(SmolDeflate, Smol, "phx-smol-deflate", Compression::new());
#[cfg(feature = "deflate")]
compressed!(AsyncStdDeflate, AsyncStd, "phx-async-std-deflate", Compression::new().threshold(1));

#[expect(clippy::expect_used, reason = "a test fails by panicking")]
fn on_tokio(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future);
}

fn main() -> ExitCode {
    let selection = Selection::from_args(std::env::args().skip(1));
    let mut reports = suite::run::<Tokio>(&selection);
    reports.extend(suite::run::<Smol>(&selection));
    reports.extend(suite::run::<AsyncStd>(&selection));
    #[cfg(feature = "deflate")]
    {
        reports.extend(suite::run::<TokioDeflate>(&selection));
        reports.extend(suite::run::<SmolDeflate>(&selection));
        reports.extend(suite::run::<AsyncStdDeflate>(&selection));
    }
    if !selection.list {
        println!("{}", suite::table(&reports));
    }
    let passed = reports.iter().all(suite::Report::passed);
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
