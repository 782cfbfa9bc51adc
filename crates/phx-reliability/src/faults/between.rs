//! What stands between the client and the server.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use anyhow::anyhow;
use async_tungstenite::tokio::TokioAdapter;
use futures::{AsyncReadExt, future, io};
use futures_rustls::TlsAcceptor;
use phx_client::dial::{ByteStream, Dialer};
use phx_client::tls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use phx_client::tls::rustls::{RootCertStore, ServerConfig, crypto};
use phx_client::websocket::{WebSocketConfig, WebSocketConnector};
use phx_client::{BoxFuture, CloseCause, SocketBuilder, tls};
use phx_testing::fault_proxy::FaultProxy;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use crate::adapters::Adapter;
use crate::background;

/// What stands between the client and the server.
#[derive(Clone, Copy, Debug)]
pub(super) enum Between {
    Nothing,
    Proxy,
    /// The proxy, whose name is looked up each time.
    ProxyByName,
    /// The proxy, and behind it what ends TLS.
    ProxyAndTls,
}

impl Between {
    /// The proxy, which leads nowhere if nothing stands between, and a client that reaches the server.
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
                A::socket(&url).connector(WebSocketConnector::new(dialer))
            }
            Between::Nothing => A::socket(&format!("ws://{server}/socket")),
            _ => A::socket(&format!("ws://{}/socket", proxy.address())),
        };
        Ok((proxy, client))
    }
}

/// The dialer of an adapter that looks up the name, or one that there can't be (RFC 6761).
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

/// The client trusts the certificate of what ends TLS, which was made just now.
fn secured<A: Adapter>(server: SocketAddr) -> anyhow::Result<(FaultProxy, SocketBuilder)> {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let mut roots = RootCertStore::empty();
    roots.add(certified.cert.der().clone())?;
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let provider = Arc::new(crypto::ring::default_provider());
    let behind = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], PrivateKeyDer::from(key))?;
    let mut config = WebSocketConfig::default();
    config.tls = Arc::new(tls::builder().with_root_certificates(roots).with_no_client_auth());
    let proxy = FaultProxy::start(terminate(behind, server)?)?;
    let url = format!("wss://localhost:{}/socket", proxy.address().port());
    let connector = WebSocketConnector::new(A::tcp()).with_config(config);
    Ok((proxy, A::socket(&url).connector(connector)))
}

/// What ends TLS runs on a runtime of its own, whatever the client runs on.
static RUNTIME: LazyLock<anyhow::Result<Runtime>> = LazyLock::new(background::runtime);

/// Takes TLS connections, and passes on to the server what comes over them.
fn terminate(config: ServerConfig, server: SocketAddr) -> anyhow::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let runtime = RUNTIME.as_ref().map_err(|error| anyhow!("{error:#}"))?;
    runtime.spawn(async move {
        let Ok(listener) = TcpListener::from_std(listener) else { return };
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(pass_on(acceptor.clone(), stream, server));
        }
    });
    Ok(address)
}

/// Until one side ends, in whatever way.
async fn pass_on(acceptor: TlsAcceptor, client: TcpStream, server: SocketAddr) {
    let Ok(outside) = acceptor.accept(TokioAdapter::new(client)).await else { return };
    let Ok(inside) = TcpStream::connect(server).await else { return };
    let _ = inside.set_nodelay(true);
    let (mut from_client, mut to_client) = outside.split();
    let (mut from_server, mut to_server) = TokioAdapter::new(inside).split();
    let up = std::pin::pin!(io::copy(&mut from_client, &mut to_server));
    let down = std::pin::pin!(io::copy(&mut from_server, &mut to_client));
    future::select(up, down).await;
}
