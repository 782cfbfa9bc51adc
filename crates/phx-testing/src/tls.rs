//! TLS in front of a server, with certificates made on the fly. For the tests of this workspace.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code, which fails by panicking")]

use std::net::SocketAddr;
use std::sync::Arc;

use async_tungstenite::tokio::TokioAdapter;
use futures::{AsyncReadExt as _, future, io};
use futures_rustls::TlsAcceptor;
use futures_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use futures_rustls::rustls::server::WebPkiClientVerifier;
use futures_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use futures_rustls::rustls::{RootCertStore, ServerConfig, crypto};
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

/// A certificate authority.
#[derive(Debug)]
#[non_exhaustive]
pub struct Authority {
    pub certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
#[derive(Debug)]
#[non_exhaustive]
pub struct Identity {
    pub certificate: Certificate,
    pub key: KeyPair,
}

impl Authority {
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Authority { certificate, issuer: Issuer::new(params, key) }
    }

    /// Signs a certificate for `localhost`, after `change` has had its parameters.
    pub fn issue(&self, change: impl Fn(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Identity { certificate: params.signed_by(&key, &self.issuer).unwrap(), key }
    }

    #[must_use]
    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        roots
    }
}

impl Identity {
    /// A certificate for `localhost` that signed itself and is marked as a CA's, as those of `openssl req -x509`;
    /// after `change` has had its parameters.
    pub fn self_signed(change: impl Fn(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Identity { certificate: params.self_signed(&key).unwrap(), key }
    }

    /// A thief's: this certificate with another key.
    #[must_use]
    pub fn with_wrong_key(&self) -> Self {
        Identity { certificate: self.certificate.clone(), key: KeyPair::generate().unwrap() }
    }

    #[must_use]
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }

    /// Ends TLS on a new port of this machine with this certificate, and passes on to `server` what comes
    /// over it, until `runtime` ends. Clients need a certificate of `clients`, if given. Returns the port.
    #[must_use]
    pub fn terminate(
        &self,
        clients: Option<&Authority>,
        server: SocketAddr,
        runtime: &Handle,
    ) -> u16 {
        let acceptor = TlsAcceptor::from(Arc::new(self.config(clients)));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(acceptor.clone(), client, server));
            }
        });
        port
    }

    /// A server with this certificate. Clients need one of `clients`, if given.
    #[must_use]
    pub fn config(&self, clients: Option<&Authority>) -> ServerConfig {
        let provider = Arc::new(crypto::ring::default_provider());
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
        // Not `with_single_cert`, which refuses a key that isn't the certificate's.
        let key = crypto::ring::sign::any_supported_type(&self.key()).unwrap();
        let shown = CertifiedKey::new(vec![self.certificate.der().clone()], key);
        builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)))
    }
}

/// Passes bytes on both ways until one side ends, in whatever way.
async fn pass_on(acceptor: TlsAcceptor, client: TcpStream, server: SocketAddr) {
    // Clients that don't trust the server, or aren't trusted, end here.
    let Ok(outside) = acceptor.accept(TokioAdapter::new(client)).await else { return };
    let Ok(inside) = TcpStream::connect(server).await else { return };
    let _ = inside.set_nodelay(true);
    let (mut from_client, mut to_client) = outside.split();
    let (mut from_server, mut to_server) = TokioAdapter::new(inside).split();
    let up = std::pin::pin!(io::copy(&mut from_client, &mut to_server));
    let down = std::pin::pin!(io::copy(&mut from_server, &mut to_client));
    future::select(up, down).await;
}
