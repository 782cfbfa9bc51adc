//! The adapters, as one trait.

use phx_client::dial::{ByteStream, Dialer};
use phx_client::{NoRuntimeError, Runtime, SocketBuilder};

/// Names of the adapters.
pub(crate) const ADAPTERS: [&str; 3] = [Tokio::NAME, Smol::NAME, AsyncStd::NAME];

/// Adapter under test: its name, its builder function, and its executor.
pub(crate) trait Adapter: Send + 'static {
    const NAME: &'static str;

    type Tcp: Dialer<Stream = ByteStream>;

    type Runtime: Runtime + Clone;

    /// Runs `future` to its end on the runtime, on the calling thread.
    fn block_on<F: Future<Output = ()>>(future: F);

    fn socket(url: &str) -> SocketBuilder;

    fn tcp() -> Self::Tcp;

    /// Returns the runtime that the calling future runs on.
    fn runtime() -> Result<Self::Runtime, NoRuntimeError>;
}

macro_rules! adapter {
    ($type:ident, $name:literal, $crate_name:ident, $block_on:expr) => {
        pub(crate) struct $type;

        impl Adapter for $type {
            const NAME: &'static str = $name;

            type Tcp = $crate_name::TcpDialer;

            type Runtime = $crate_name::AdapterRuntime;

            fn block_on<F: Future<Output = ()>>(future: F) {
                $block_on(future);
            }

            fn socket(url: &str) -> SocketBuilder {
                $crate_name::socket(url)
            }

            fn tcp() -> Self::Tcp {
                $crate_name::TcpDialer::new()
            }

            fn runtime() -> Result<Self::Runtime, NoRuntimeError> {
                $crate_name::AdapterRuntime::current()
            }
        }
    };
}

adapter!(Tokio, "phx-tokio", phx_tokio, on_tokio);
adapter!(Smol, "phx-smol", phx_smol, smol::block_on);
adapter!(AsyncStd, "phx-async-std", phx_async_std, async_std::task::block_on);

#[expect(clippy::expect_used, reason = "without a runtime there is nothing to show")]
fn on_tokio(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(future);
    // A lookup that is still under way is abandoned.
    runtime.shutdown_background();
}
