//! The behaviour suite on every adapter of this workspace, with one table of the results.

#![expect(clippy::print_stdout, reason = "the table goes to standard output")]
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::process::ExitCode;

use phx_client::websocket::{WebSocketConfig, WebSocketConnector};
use phx_client::{Builder, Endpoint};
use phx_testing::suite::{self, Adapter, Selection};

/// An adapter, its crate and how a future is run to its end on its runtime.
macro_rules! adapter {
    ($adapter:ident, $name:literal, $krate:ident, $block_on:expr) => {
        struct $adapter;

        impl Adapter for $adapter {
            const NAME: &'static str = $name;

            fn block_on<F: Future<Output = ()>>(future: F) {
                $block_on(future);
            }

            fn socket(endpoint: Endpoint, config: WebSocketConfig) -> Builder {
                let connector = WebSocketConnector::new($krate::TcpDialer::new());
                $krate::socket(endpoint).connector(connector.with_config(config))
            }
        }
    };
}

adapter!(Tokio, "phx-tokio", phx_tokio, |future| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future);
});
adapter!(AsyncStd, "phx-async-std", phx_async_std, async_std::task::block_on);
adapter!(Smol, "phx-smol", phx_smol, smol::block_on);

fn main() -> ExitCode {
    let selection = Selection::from_args(std::env::args().skip(1));
    let reports = [
        suite::run::<Tokio>(&selection),
        suite::run::<AsyncStd>(&selection),
        suite::run::<Smol>(&selection),
    ];
    // The step `test` skips all of it.
    let ran = reports.iter().any(|report| !report.verdicts.is_empty());
    if ran {
        println!("{}", suite::table(&reports.each_ref()));
    }
    let passed = reports.iter().all(suite::Report::passed);
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
