//! TLS: who is trusted, and what is said when nobody is. The certificates are made on the fly.

use std::sync::Arc;

use async_tungstenite::tokio::TokioAdapter;
use futures::{AsyncReadExt, future, io};
use futures_rustls::TlsAcceptor;
use phx_client::tls::rustls::client::WantsClientCert;
use phx_client::tls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use phx_client::tls::rustls::server::WebPkiClientVerifier;
use phx_client::tls::rustls::{self, ClientConfig, ConfigBuilder, RootCertStore, ServerConfig};
use phx_client::websocket::WebSocketConfig;
use phx_client::{CloseCause, SocketBuilder, TlsFailureKind, tls};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use super::Adapter;
use super::host::{Host, client_with, first_end};
use crate::demo_server;

/// A certificate authority.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
struct Identity {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Authority { certificate, issuer: Issuer::new(params, key) }
    }

    fn issue(&self, change: impl Fn(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Identity { certificate: params.signed_by(&key, &self.issuer).unwrap(), key }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        roots
    }

    /// A client that trusts this authority alone.
    fn trusted(&self) -> ConfigBuilder<ClientConfig, WantsClientCert> {
        tls::builder().with_root_certificates(self.roots())
    }
}

impl Identity {
    fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }

    /// A server with this certificate, which demands one of the clients of `clients`, if given.
    fn server(&self, clients: Option<&Authority>) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            Some(clients) => builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(Arc::new(clients.roots()), provider)
                    .build()
                    .unwrap(),
            ),
            None => builder.with_no_client_auth(),
        };
        let chain = vec![self.certificate.der().clone()];
        Arc::new(builder.with_single_cert(chain, self.key()).unwrap())
    }
}

/// A server behind TLS; the URL leads to it.
struct Secured {
    url: String,
    _host: Host,
}

impl Secured {
    fn start(server: Arc<ServerConfig>) -> Self {
        let host = Host::start(demo_server().build());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("wss://localhost:{}/socket", listener.local_addr().unwrap().port());
        let behind = host.address();
        host.runtime().spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = TlsAcceptor::from(Arc::clone(&server));
                tokio::spawn(async move {
                    // Clients that don't trust the server, or aren't trusted, end here.
                    let Ok(outside) = acceptor.accept(TokioAdapter::new(stream)).await else {
                        return;
                    };
                    let inside = TokioAdapter::new(TcpStream::connect(behind).await.unwrap());
                    let (mut from_client, mut to_client) = outside.split();
                    let (mut from_server, mut to_server) = inside.split();
                    let up = std::pin::pin!(io::copy(&mut from_client, &mut to_server));
                    let down = std::pin::pin!(io::copy(&mut from_server, &mut to_client));
                    future::select(up, down).await;
                });
            }
        });
        Secured { url, _host: host }
    }

    fn client<A: Adapter>(&self, tls: ClientConfig) -> SocketBuilder {
        let mut config = WebSocketConfig::default();
        config.tls = Arc::new(tls);
        client_with::<A>(&self.url, config)
    }

    async fn lets_in<A: Adapter>(&self, tls: ClientConfig) {
        let socket = self.client::<A>(tls).connect().await.unwrap();
        let room = socket.channel("room:a").join().await.unwrap();
        let reply: String = room.push("echo", &json!("secret")).await.unwrap();
        assert_eq!(reply, "secret");
        socket.disconnect().await;
    }

    async fn failure<A: Adapter>(&self, tls: ClientConfig) -> TlsFailureKind {
        let end = first_end(self.client::<A>(tls)).await;
        assert!(end.retry_in.is_some(), "certificates are mended: {end:?}");
        match end.cause {
            CloseCause::Tls(failure) => failure.kind,
            other => panic!("no failure of TLS: {other:?}"),
        }
    }
}

pub(super) async fn a_server_that_a_root_vouches_for<A: Adapter>() {
    let authority = Authority::new("known");
    let server = Secured::start(authority.issue(|_| {}).server(None));
    server.lets_in::<A>(authority.trusted().with_no_client_auth()).await;
}

pub(super) async fn a_server_that_no_root_vouches_for<A: Adapter>() {
    let server = Secured::start(Authority::new("unknown").issue(|_| {}).server(None));
    let other = Authority::new("known").trusted().with_no_client_auth();
    assert_eq!(server.failure::<A>(other).await, TlsFailureKind::UnknownIssuer);
    let default = tls::with_webpki_roots().with_no_client_auth();
    assert_eq!(server.failure::<A>(default).await, TlsFailureKind::UnknownIssuer);
}

pub(super) async fn a_certificate_for_another_name<A: Adapter>() {
    let authority = Authority::new("known");
    let identity = authority.issue(|params| {
        *params = CertificateParams::new(["example.com".to_owned()]).unwrap();
    });
    let server = Secured::start(identity.server(None));
    let client = authority.trusted().with_no_client_auth();
    assert_eq!(server.failure::<A>(client).await, TlsFailureKind::WrongName);
}

pub(super) async fn a_certificate_out_of_its_time<A: Adapter>() {
    let authority = Authority::new("known");
    let expired = authority.issue(|params| params.not_after = date_time_ymd(2001, 1, 1));
    let early = authority.issue(|params| params.not_before = date_time_ymd(3000, 1, 1));
    for (identity, kind) in
        [(expired, TlsFailureKind::Expired), (early, TlsFailureKind::NotYetValid)]
    {
        let server = Secured::start(identity.server(None));
        let client = authority.trusted().with_no_client_auth();
        assert_eq!(server.failure::<A>(client).await, kind);
    }
}

pub(super) async fn a_client_certificate_that_is_demanded<A: Adapter>() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let server = Secured::start(servers.issue(|_| {}).server(Some(&clients)));

    let without = servers.trusted().with_no_client_auth();
    assert_eq!(server.failure::<A>(without).await, TlsFailureKind::ClientCertificateRequired);

    let identity = clients.issue(|_| {});
    let chain = vec![identity.certificate.der().clone()];
    let with = servers.trusted().with_client_auth_cert(chain, identity.key()).unwrap();
    server.lets_in::<A>(with).await;
}
