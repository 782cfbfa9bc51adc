//! TLS: trusted servers and clients, and the reports of failures.

use std::sync::Arc;

use phx_client::tls::rustls::client::WantsClientCert;
use phx_client::tls::rustls::{ClientConfig, ConfigBuilder};
use phx_client::websocket::WebSocketConfig;
use phx_client::{CloseCause, Endpoint, SocketBuilder, TlsCauseKind, tls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
use serde_json::json;

use super::host::{Running, any_port, compressing};
use super::server::{first_end, joined, with_short_delays};
use super::subject::Subject;
use crate::demo_server;
use crate::tls::{Authority, Identity};

/// Returns a configuration that trusts this authority alone.
fn trusting(authority: &Authority) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    tls::builder().with_root_certificates(authority.roots())
}

/// Returns a configuration with this certificate as the only given one.
fn given(identity: &Identity) -> ClientConfig {
    let given = [identity.certificate.der().clone()];
    tls::with_custom_roots(given).unwrap().with_no_client_auth()
}

/// Server behind TLS; the URL leads to it.
struct Secured {
    url: String,
    _running: Running,
}

impl Secured {
    /// A server with this certificate, which demands one of the clients of `clients`, if given.
    fn start(identity: &Identity, clients: Option<&Authority>) -> Self {
        // For clients that offer it; the others notice nothing.
        let running = Running::start(any_port(), compressing(demo_server()).build());
        let port = identity.terminate(clients, running.address(), running.runtime());
        Secured { url: format!("wss://localhost:{port}/socket"), _running: running }
    }

    fn client<S: Subject>(&self, tls: ClientConfig) -> SocketBuilder {
        let mut config = WebSocketConfig::default();
        config.tls = Arc::new(tls);
        let endpoint = Endpoint::parse(&self.url).unwrap();
        with_short_delays(S::socket_with(endpoint, config))
    }

    async fn lets_in<S: Subject>(&self, tls: ClientConfig) {
        let (socket, room) = joined::<S>(self.client::<S>(tls)).await;
        let reply: String = room.push("echo", &json!("secret")).await.unwrap();
        assert_eq!(reply, "secret");
        socket.disconnect().await;
    }

    async fn failure<S: Subject>(&self, tls: ClientConfig) -> (TlsCauseKind, String) {
        use TlsCauseKind::{BadCertificate, Expired, UnknownIssuer, WrongName};
        let end = first_end(self.client::<S>(tls)).await;
        match end.cause {
            CloseCause::Tls(failure) => {
                let is_final =
                    matches!(failure.kind, UnknownIssuer | WrongName | Expired | BadCertificate);
                assert_eq!(end.retry_in.is_none(), is_final, "{failure:?}");
                (failure.kind, failure.error)
            }
            other => panic!("no failure of TLS: {other:?}"),
        }
    }

    async fn failure_kind<S: Subject>(&self, tls: ClientConfig) -> TlsCauseKind {
        self.failure::<S>(tls).await.0
    }
}

pub(super) async fn a_server_that_a_root_vouches_for<S: Subject>() {
    let authority = Authority::new("known");
    let server = Secured::start(&authority.issue(|_| {}), None);
    server.lets_in::<S>(trusting(&authority).with_no_client_auth()).await;
}

pub(super) async fn a_server_that_no_root_vouches_for<S: Subject>() {
    let server = Secured::start(&Authority::new("unknown").issue(|_| {}), None);
    let other = trusting(&Authority::new("known")).with_no_client_auth();
    assert_eq!(server.failure_kind::<S>(other).await, TlsCauseKind::UnknownIssuer);
    let default = tls::with_webpki_roots().with_no_client_auth();
    assert_eq!(server.failure_kind::<S>(default).await, TlsCauseKind::UnknownIssuer);
}

pub(super) async fn a_certificate_for_another_name<S: Subject>() {
    let authority = Authority::new("known");
    let identity = authority.issue(|params| {
        *params = CertificateParams::new(["example.com".to_owned()]).unwrap();
    });
    let server = Secured::start(&identity, None);
    let client = trusting(&authority).with_no_client_auth();
    let failure = server.failure::<S>(client).await;
    let text = "the certificate is for `example.com`, not for `localhost`";
    assert_eq!(failure, (TlsCauseKind::WrongName, text.to_owned()));
}

pub(super) async fn a_certificate_out_of_its_time<S: Subject>() {
    let authority = Authority::new("known");
    let expired = authority.issue(|params| params.not_after = date_time_ymd(2001, 1, 1));
    let early = authority.issue(|params| params.not_before = date_time_ymd(3000, 1, 1));
    for (identity, kind, text) in [
        (expired, TlsCauseKind::Expired, "the certificate expired on 2001-01-01"),
        (early, TlsCauseKind::NotYetValid, "the certificate isn't valid before 3000-01-01"),
    ] {
        let server = Secured::start(&identity, None);
        let client = trusting(&authority).with_no_client_auth();
        let failure = server.failure::<S>(client).await;
        assert_eq!(failure.0, kind);
        assert!(failure.1.starts_with(text), "{failure:?}");
    }
}

pub(super) async fn a_client_certificate_that_is_demanded<S: Subject>() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let server = Secured::start(&servers.issue(|_| {}), Some(&clients));

    let without = trusting(&servers).with_no_client_auth();
    let failure = server.failure_kind::<S>(without).await;
    assert_eq!(failure, TlsCauseKind::ClientCertificateRequired);

    let identity = clients.issue(|_| {});
    let chain = vec![identity.certificate.der().clone()];
    let with = trusting(&servers).with_client_auth_cert(chain, identity.key()).unwrap();
    server.lets_in::<S>(with).await;
}

pub(super) async fn a_certificate_that_was_given<S: Subject>() {
    // One as `openssl req -x509` makes it, and one that an unknown authority has signed.
    let signed = Authority::new("unknown").issue(|_| {});
    for identity in [Identity::self_signed(|_| {}), signed] {
        let server = Secured::start(&identity, None);
        server.lets_in::<S>(given(&identity)).await;
    }
    // One that a given certificate has signed.
    let authority = Authority::new("known");
    let given = [authority.certificate.der().clone()];
    let server = Secured::start(&authority.issue(|_| {}), None);
    server.lets_in::<S>(tls::with_custom_roots(given).unwrap().with_no_client_auth()).await;
}

pub(super) async fn a_certificate_that_was_not_given<S: Subject>() {
    use TlsCauseKind::{BadCertificate, Expired, NotYetValid, UnknownIssuer, WrongName};
    let own = Identity::self_signed(|_| {});
    // Another certificate of the same name, and one with the same key and other dates.
    let other = Identity::self_signed(|_| {});
    let twin = {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = date_time_ymd(3000, 1, 1);
        let key = KeyPair::try_from(own.key.serialize_der()).unwrap();
        Identity { certificate: params.self_signed(&key).unwrap(), key }
    };
    for identity in [other, twin] {
        let server = Secured::start(&identity, None);
        let failure = server.failure::<S>(given(&own)).await;
        assert_eq!(failure.0, UnknownIssuer, "{failure:?}");
        assert!(failure.1.contains("a CA's own (CA:TRUE, often self-signed)"), "{failure:?}");
    }

    // A given certificate is checked for all but its issuer.
    let expired = Identity::self_signed(|params| params.not_after = date_time_ymd(2001, 1, 1));
    let early = Identity::self_signed(|params| params.not_before = date_time_ymd(3000, 1, 1));
    let elsewhere = Identity::self_signed(|params| {
        *params = CertificateParams::new(["example.com".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    let nameless = Identity::self_signed(|params| params.subject_alt_names.clear());
    for (identity, kind) in
        [(expired, Expired), (early, NotYetValid), (elsewhere, WrongName), (nameless, WrongName)]
    {
        let server = Secured::start(&identity, None);
        let failure = server.failure::<S>(given(&identity)).await;
        assert_eq!(failure.0, kind, "{failure:?}");
    }

    // A server that shows a given certificate must have its key: all but the key is public.
    let server = Secured::start(&own.with_wrong_key(), None);
    let failure = server.failure::<S>(given(&own)).await;
    assert_eq!(failure.0, BadCertificate, "{failure:?}");
}
