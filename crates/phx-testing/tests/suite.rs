//! The behaviour suite on every adapter of this workspace, with one table of the results.

#![expect(clippy::print_stdout, reason = "the table goes to standard output")]

use std::process::ExitCode;

use phx_client::websocket::{WebSocketConfig, WebSocketConnector};
use phx_client::{Endpoint, SocketBuilder};
use phx_testing::suite::{self, Adapter, Selection};

/// An adapter: its name, its crate, and how it runs a future.
macro_rules! adapter {
    ($type:ident, $name:literal, $crate_name:ident, $block_on:expr) => {
        struct $type;

        impl Adapter for $type {
            const NAME: &'static str = $name;

            fn block_on<F: Future<Output = ()>>(future: F) {
                $block_on(future);
            }

            fn socket(endpoint: Endpoint, config: WebSocketConfig) -> SocketBuilder {
                let dialer = $crate_name::TcpDialer::new();
                let connector = WebSocketConnector::new(dialer).with_config(config);
                $crate_name::socket(endpoint).connector(connector)
            }
        }
    };
}

adapter!(Tokio, "phx-tokio", phx_tokio, on_tokio);
adapter!(Smol, "phx-smol", phx_smol, smol::block_on);
adapter!(AsyncStd, "phx-async-std", phx_async_std, async_std::task::block_on);

#[expect(clippy::expect_used, reason = "a test fails by panicking")]
fn on_tokio(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future);
}

fn main() -> ExitCode {
    let selection = Selection::from_args(std::env::args().skip(1));
    let reports = [
        suite::run::<Tokio>(&selection),
        suite::run::<Smol>(&selection),
        suite::run::<AsyncStd>(&selection),
    ];
    if !selection.list {
        println!("{}", suite::table(&reports.each_ref()));
    }
    let passed = reports.iter().all(suite::Report::passed);
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
