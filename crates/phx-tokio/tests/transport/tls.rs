//! TLS: who is trusted, and what is said when nobody is.

use std::sync::Arc;

use async_tungstenite::accept_async;
use async_tungstenite::tokio::TokioAdapter;
use futures::StreamExt;
use futures_rustls::TlsAcceptor;
use phx_tokio::tls;
use phx_tokio::tls::rustls::client::WantsClientCert;
use phx_tokio::tls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use phx_tokio::tls::rustls::server::WebPkiClientVerifier;
use phx_tokio::tls::rustls::{self, ClientConfig, ConfigBuilder, RootCertStore, ServerConfig};
use phx_tokio::websocket::WebSocketConfig;
use phx_tokio::{CloseCause, Endpoint, Frame, TlsFailureKind};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::common::{Connection, close, connect_with, flush, receive, send};

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
}

/// A server with this certificate, which demands one of the clients of `clients`, if given.
fn server_config(identity: &Identity, clients: Option<&Authority>) -> Arc<ServerConfig> {
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
    let chain = vec![identity.certificate.der().clone()];
    Arc::new(builder.with_single_cert(chain, identity.key()).unwrap())
}

/// Connects with `client` to an echo server with `server`. The server sees the end of it all.
async fn connected(
    server: Arc<ServerConfig>,
    client: ClientConfig,
) -> Result<Connection, CloseCause> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let stream = TokioAdapter::new(listener.accept().await.unwrap().0);
        if let Ok(stream) = TlsAcceptor::from(server).accept(stream).await
            && let Ok(mut socket) = accept_async(stream).await
        {
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() {
                    socket.send(message).await.unwrap();
                }
            }
        }
    });
    connect_to(port, client).await
}

async fn connect_to(port: u16, client: ClientConfig) -> Result<Connection, CloseCause> {
    let mut config = WebSocketConfig::default();
    config.tls = Arc::new(client);
    let endpoint = Endpoint::parse(&format!("wss://localhost:{port}/socket")).unwrap();
    connect_with(&endpoint, config).await
}

#[tokio::test]
async fn a_server_that_a_root_vouches_for() {
    let authority = Authority::new("known");
    let server = server_config(&authority.issue(|_| {}), None);
    let client = authority.trusted().with_no_client_auth();
    let mut connection = connected(server, client).await.unwrap();
    send(&mut connection, Frame::text("secret")).await;
    flush(&mut connection).await;
    assert_eq!(receive(&mut connection).await, Ok(Frame::text("secret")));
    let cause = close(&mut connection, 1000, "").await;
    assert_eq!(cause, CloseCause::frame(phx_tokio::CloseCode::NORMAL, ""));
}

#[tokio::test]
async fn a_server_that_no_root_vouches_for() {
    let server = server_config(&Authority::new("unknown").issue(|_| {}), None);
    let unknown = CloseCause::tls(
        TlsFailureKind::UnknownIssuer,
        "none of the roots vouches for the server's certificate",
    );
    let other_root = Authority::new("known").trusted().with_no_client_auth();
    assert_eq!(connected(Arc::clone(&server), other_root).await.unwrap_err(), unknown);
    let default = tls::with_webpki_roots().with_no_client_auth();
    assert_eq!(connected(server, default).await.unwrap_err(), unknown);
}

#[tokio::test]
async fn a_certificate_for_another_name() {
    let authority = Authority::new("known");
    let identity = authority.issue(|params| {
        *params = CertificateParams::new(["example.com".to_owned()]).unwrap();
    });
    let client = authority.trusted().with_no_client_auth();
    let cause = connected(server_config(&identity, None), client).await.unwrap_err();
    assert_eq!(
        cause,
        CloseCause::tls(TlsFailureKind::WrongName, "the server's certificate is for another name")
    );
}

#[tokio::test]
async fn a_certificate_out_of_its_time() {
    let authority = Authority::new("known");
    let expired = authority.issue(|params| params.not_after = date_time_ymd(2001, 1, 1));
    let early = authority.issue(|params| params.not_before = date_time_ymd(3000, 1, 1));
    for (identity, kind, what) in [
        (expired, TlsFailureKind::Expired, "has expired"),
        (early, TlsFailureKind::NotYetValid, "is not valid yet"),
    ] {
        let client = authority.trusted().with_no_client_auth();
        let cause = connected(server_config(&identity, None), client).await.unwrap_err();
        assert_eq!(cause, CloseCause::tls(kind, format!("the server's certificate {what}")));
    }
}

#[tokio::test]
async fn a_client_certificate_that_is_demanded() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let server = server_config(&servers.issue(|_| {}), Some(&clients));

    let without = servers.trusted().with_no_client_auth();
    let cause = connected(Arc::clone(&server), without).await.unwrap_err();
    let demanded = TlsFailureKind::ClientCertificateRequired;
    assert_eq!(cause, CloseCause::tls(demanded, "the server demands a client certificate"));

    let stranger = servers.issue(|_| {});
    let unknown = servers
        .trusted()
        .with_client_auth_cert(vec![stranger.certificate.der().clone()], stranger.key())
        .unwrap();
    match connected(Arc::clone(&server), unknown).await {
        Err(CloseCause::Tls(failure)) => {
            assert_eq!(failure.kind, TlsFailureKind::ClientCertificateRefused, "{failure}");
        }
        other => panic!("not refused: {other:?}"),
    }

    let identity = clients.issue(|_| {});
    let with = servers
        .trusted()
        .with_client_auth_cert(vec![identity.certificate.der().clone()], identity.key())
        .unwrap();
    connected(server, with).await.unwrap();
}

#[tokio::test]
async fn a_server_that_speaks_no_tls() {
    for (answer, kind) in [
        ("HTTP/1.1 400 Bad Request\r\n\r\n", TlsFailureKind::Protocol),
        ("", TlsFailureKind::Ended),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = async {
            let mut stream = listener.accept().await.unwrap().0;
            stream.read_exact(&mut [0; 5]).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            // What is unread at the end would reset the connection.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        };
        let client = tls::with_webpki_roots().with_no_client_auth();
        match futures::join!(connect_to(port, client), serve).0 {
            Err(CloseCause::Tls(failure)) => assert_eq!(failure.kind, kind, "{failure}"),
            other => panic!("not a failure of TLS: {other:?}"),
        }
    }
}

/// The settings hold a client's key: what they show of themselves must not.
#[test]
fn debug_shows_nothing_of_the_tls_configuration() {
    let authority = Authority::new("known");
    let identity = authority.issue(|_| {});
    let mut config = WebSocketConfig::default();
    let chain = vec![identity.certificate.der().clone()];
    config.tls = authority.trusted().with_client_auth_cert(chain, identity.key()).unwrap().into();
    assert!(!format!("{config:?}").contains("tls"));
}
