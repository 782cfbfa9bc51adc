//! Proxies and TLS between the client and the server.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use anyhow::anyhow;
use phx_client::StreamConnector;
use phx_client::dial::{ByteStream, Dialer};
use phx_client::websocket::WebSocketConfig;
use phx_client::{BoxFuture, CloseCause, SocketBuilder, tls};
use phx_testing::fault_proxy::FaultProxy;
use phx_testing::tls::Authority;
use tokio::runtime::Runtime;

use crate::adapters::Adapter;
use crate::background;

/// Proxies and TLS between the client and the server.
#[derive(Clone, Copy, Debug)]
pub(super) enum Between {
    Nothing,
    Proxy,
    /// The proxy, whose name is looked up each time.
    ProxyByName,
    /// The proxy, and TLS behind it.
    ProxyAndTls,
}

impl Between {
    /// Returns the proxy, without a target if nothing is between, and a client that reaches the server.
    pub(super) fn client<A: Adapter>(
        self,
        server: SocketAddr,
        name_fails: &Arc<AtomicBool>,
    ) -> anyhow::Result<(FaultProxy, SocketBuilder)> {
        if let Between::ProxyAndTls = self {
            return secured::<A>(server);
        }
        let proxy = FaultProxy::start(server)?;
        let client = match self {
            Between::ProxyByName => {
                let dialer = FlakyName { tcp: A::tcp(), fails: Arc::clone(name_fails) };
                let url = format!("ws://localhost:{}/socket", proxy.address().port());
                A::socket(&url).connector(StreamConnector::new(dialer))
            }
            Between::Nothing => A::socket(&format!("ws://{server}/socket")),
            _ => A::socket(&format!("ws://{}/socket", proxy.address())),
        };
        Ok((proxy, client))
    }
}

/// Dialer of an adapter that looks up the name, or one that can't exist (RFC 6761).
#[derive(Debug)]
struct FlakyName<D> {
    tcp: D,
    fails: Arc<AtomicBool>,
}

impl<D: Dialer<Stream = ByteStream>> Dialer for FlakyName<D> {
    type Stream = ByteStream;

    fn dial(&self, host: &str, port: u16) -> BoxFuture<Result<ByteStream, CloseCause>> {
        let fails = self.fails.load(Ordering::Relaxed);
        self.tcp.dial(if fails { "phoenix.invalid" } else { host }, port)
    }
}

/// Returns a client that trusts the authority of the TLS behind the proxy, which is made here.
fn secured<A: Adapter>(server: SocketAddr) -> anyhow::Result<(FaultProxy, SocketBuilder)> {
    let authority = Authority::new("faults");
    let runtime = RUNTIME.as_ref().map_err(|error| anyhow!("{error:#}"))?;
    let behind = authority.issue(|_| {}).terminate(None, server, runtime.handle());
    let roots = tls::builder().with_root_certificates(authority.roots());
    let mut config = WebSocketConfig::default();
    config.tls = Arc::new(roots.with_no_client_auth());
    let proxy = FaultProxy::start(([127, 0, 0, 1], behind).into())?;
    let url = format!("wss://localhost:{}/socket", proxy.address().port());
    let connector = StreamConnector::new(A::tcp()).with_config(config);
    Ok((proxy, A::socket(&url).connector(connector)))
}

/// Separate runtime for TLS, independent of the client's.
static RUNTIME: LazyLock<anyhow::Result<Runtime>> = LazyLock::new(background::runtime);
