//! TLS: which servers and clients are trusted, and how a failure is reported.

use std::sync::Arc;

use phx_client::tls::rustls::client::WantsClientCert;
use phx_client::tls::rustls::{ClientConfig, ConfigBuilder};
use phx_client::websocket::WebSocketConfig;
use phx_client::{CloseCause, SocketBuilder, TlsFailureKind, tls};
use rcgen::{CertificateParams, date_time_ymd};
use serde_json::json;

use super::Adapter;
use super::host::{Host, client_with, first_end};
use crate::demo_server;
use crate::tls::{Authority, Identity};

/// A client that trusts this authority alone.
fn trusting(authority: &Authority) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    tls::builder().with_root_certificates(authority.roots())
}

/// A server behind TLS; the URL leads to it.
struct Secured {
    url: String,
    _host: Host,
}

impl Secured {
    /// A server with this certificate, which demands one of the clients of `clients`, if given.
    fn start(identity: &Identity, clients: Option<&Authority>) -> Self {
        let host = Host::start(demo_server().build());
        let port = identity.terminate(clients, host.address(), host.runtime());
        Secured { url: format!("wss://localhost:{port}/socket"), _host: host }
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
        assert!(end.retry_in.is_some(), "certificates may be renewed: {end:?}");
        match end.cause {
            CloseCause::Tls(failure) => failure.kind,
            other => panic!("no failure of TLS: {other:?}"),
        }
    }
}

pub(super) async fn a_server_that_a_root_vouches_for<A: Adapter>() {
    let authority = Authority::new("known");
    let server = Secured::start(&authority.issue(|_| {}), None);
    server.lets_in::<A>(trusting(&authority).with_no_client_auth()).await;
}

pub(super) async fn a_server_that_no_root_vouches_for<A: Adapter>() {
    let server = Secured::start(&Authority::new("unknown").issue(|_| {}), None);
    let other = trusting(&Authority::new("known")).with_no_client_auth();
    assert_eq!(server.failure::<A>(other).await, TlsFailureKind::UnknownIssuer);
    let default = tls::with_webpki_roots().with_no_client_auth();
    assert_eq!(server.failure::<A>(default).await, TlsFailureKind::UnknownIssuer);
}

pub(super) async fn a_certificate_for_another_name<A: Adapter>() {
    let authority = Authority::new("known");
    let identity = authority.issue(|params| {
        *params = CertificateParams::new(["example.com".to_owned()]).unwrap();
    });
    let server = Secured::start(&identity, None);
    let client = trusting(&authority).with_no_client_auth();
    assert_eq!(server.failure::<A>(client).await, TlsFailureKind::WrongName);
}

pub(super) async fn a_certificate_out_of_its_time<A: Adapter>() {
    let authority = Authority::new("known");
    let expired = authority.issue(|params| params.not_after = date_time_ymd(2001, 1, 1));
    let early = authority.issue(|params| params.not_before = date_time_ymd(3000, 1, 1));
    for (identity, kind) in
        [(expired, TlsFailureKind::Expired), (early, TlsFailureKind::NotYetValid)]
    {
        let server = Secured::start(&identity, None);
        let client = trusting(&authority).with_no_client_auth();
        assert_eq!(server.failure::<A>(client).await, kind);
    }
}

pub(super) async fn a_client_certificate_that_is_demanded<A: Adapter>() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let server = Secured::start(&servers.issue(|_| {}), Some(&clients));

    let without = trusting(&servers).with_no_client_auth();
    assert_eq!(server.failure::<A>(without).await, TlsFailureKind::ClientCertificateRequired);

    let identity = clients.issue(|_| {});
    let chain = vec![identity.certificate.der().clone()];
    let with = trusting(&servers).with_client_auth_cert(chain, identity.key()).unwrap();
    server.lets_in::<A>(with).await;
}
