//! Faults below TLS. The proxy stands before what ends TLS, and the server behind it.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use anyhow::{anyhow, ensure};
use async_tungstenite::tokio::TokioAdapter;
use futures::{AsyncReadExt, future, io};
use futures_rustls::TlsAcceptor;
use phx_client::tls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use phx_client::tls::rustls::{RootCertStore, ServerConfig, crypto};
use phx_client::websocket::{WebSocketConfig, WebSocketConnector};
use phx_client::{CloseCause, tls};
use phx_testing::Connectivity;
use phx_testing::fault_proxy::Direction;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use super::Times;
use super::attempts::{cut_at_each, fails};
use super::stage::{Expect, Stage};
use crate::adapters::Adapter;
use crate::background;

pub(super) async fn tls_reset<A: Adapter>() -> anyhow::Result<Times> {
    let mut stage = secured::<A>().await?;
    stage.push(20, Expect::Anything);
    let fault = Instant::now();
    stage.proxy.all().cut();
    let (noticed, cause) = stage.lost(fault).await?;
    ensure!(matches!(cause, CloseCause::Lost { .. }), "it was {cause}");
    stage.push(20, Expect::Reply);
    stage.recover(noticed).await
}

pub(super) async fn tls_garbled<A: Adapter>() -> anyhow::Result<Times> {
    let mut stage = secured::<A>().await?;
    stage.push(20, Expect::Anything);
    let fault = Instant::now();
    stage.proxy.all().alter_after(Direction::ToClient, 10);
    let (noticed, cause) = stage.lost(fault).await?;
    ensure!(matches!(cause, CloseCause::Tls(_)), "it was {cause}");
    stage.push(20, Expect::Reply);
    stage.recover(noticed).await
}

/// In the client's hello, and at several places of the server's answer.
pub(super) async fn tls_handshake_cut<A: Adapter>() -> anyhow::Result<Times> {
    let mut stage = secured::<A>().await?;
    let places = [
        (Direction::ToServer, 0),
        (Direction::ToServer, 100),
        (Direction::ToClient, 0),
        (Direction::ToClient, 3),
        (Direction::ToClient, 300),
    ];
    let is_lost = |cause: &CloseCause| matches!(cause, CloseCause::Lost { .. });
    let noticed = cut_at_each(&mut stage, &places, is_lost).await?;
    stage.recover(noticed).await
}

pub(super) async fn tls_handshake_unanswered<A: Adapter>() -> anyhow::Result<Times> {
    let mut stage = secured::<A>().await?;
    stage.proxy.set_connectivity(Connectivity::Silent)?;
    stage.proxy.all().cut();
    let noticed = fails(&mut stage, |cause| *cause == CloseCause::ConnectTimedOut).await?;
    stage.proxy.set_connectivity(Connectivity::Online)?;
    stage.recover(noticed).await
}

/// A stage whose client trusts the server's certificate, which was made just now.
async fn secured<A: Adapter>() -> anyhow::Result<Stage> {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let mut roots = RootCertStore::empty();
    roots.add(certified.cert.der().clone())?;
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let provider = Arc::new(crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], PrivateKeyDer::from(key))?;
    let mut config = WebSocketConfig::default();
    config.tls = Arc::new(tls::builder().with_root_certificates(roots).with_no_client_auth());
    Stage::set_behind(
        |server_process| terminate(server, server_process),
        |proxy| {
            let connector = WebSocketConnector::new(A::tcp()).with_config(config);
            A::socket(&format!("wss://localhost:{}/socket", proxy.port())).connector(connector)
        },
    )
    .await
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
