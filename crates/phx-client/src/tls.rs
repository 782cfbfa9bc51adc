//! TLS over any stream of bytes: rustls with ring.
//!
//! The server is checked against the roots of Mozilla, which are built in, unless a
//! [`ClientConfig`] of one's own says otherwise. No process-wide default of rustls is read or set.

use std::io;
use std::sync::{Arc, LazyLock};

use futures::{AsyncRead, AsyncWrite};
use futures_rustls::TlsConnector;
use futures_rustls::client::TlsStream;
use phx_proto::{CloseCause, TlsFailureKind};
use rustls::client::WantsClientCert;
use rustls::pki_types::ServerName;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ConfigBuilder, Error, RootCertStore,
    WantsVerifier,
};

/// The rustls whose types these are.
pub use rustls;

/// How TLS is done by default: the roots of Mozilla, TLS 1.2 and 1.3, no client certificate.
///
/// All callers share one configuration, and so its cache of sessions to resume.
#[must_use]
pub fn client_config() -> Arc<ClientConfig> {
    static DEFAULT: LazyLock<Arc<ClientConfig>> =
        LazyLock::new(|| Arc::new(with_webpki_roots().with_no_client_auth()));
    Arc::clone(&DEFAULT)
}

/// The beginning of a configuration of one's own that keeps the default roots: a client certificate
/// remains to be said.
///
/// # Examples
///
/// ```
/// let config = phx_client::tls::with_webpki_roots().with_no_client_auth();
/// ```
#[must_use]
pub fn with_webpki_roots() -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    builder().with_root_certificates(roots)
}

/// The beginning of a configuration of one's own that trusts what the operating system trusts: a client
/// certificate remains to be said.
///
/// The roots are read anew at each call, which takes some milliseconds: keep the configuration. Where
/// the variables `SSL_CERT_FILE` or `SSL_CERT_DIR` are set, they say where the roots are.
///
/// # Errors
///
/// If there are no roots, or none that can be read. Some that can't are no error.
///
/// # Examples
///
/// ```no_run
/// use std::sync::Arc;
/// use phx_client::websocket::WebSocketConfig;
///
/// let mut config = WebSocketConfig::default();
/// config.tls = Arc::new(phx_client::tls::with_platform_roots()?.with_no_client_auth());
/// # Ok::<(), std::io::Error>(())
/// ```
#[cfg(feature = "platform-roots")]
pub fn with_platform_roots() -> io::Result<ConfigBuilder<ClientConfig, WantsClientCert>> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map_or("none was found".to_owned(), ToString::to_string);
        return Err(io::Error::other(format!("the system has no usable roots: {why}")));
    }
    Ok(builder().with_root_certificates(roots))
}

/// The beginning of a configuration of one's own, with the cryptography of ring: the roots and a
/// client certificate remain to be said.
///
/// # Examples
///
/// ```
/// use phx_client::tls::{builder, rustls::RootCertStore};
///
/// let mut roots = RootCertStore::empty();
/// // roots.add(certificate)?;
/// let config = builder().with_root_certificates(roots).with_no_client_auth();
/// ```
#[must_use]
#[expect(clippy::expect_used, clippy::missing_panics_doc, reason = "ring has suites for both")]
pub fn builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for TLS 1.2 and 1.3")
}

/// Does the TLS handshake with `host` over `stream`.
///
/// `host` is a DNS name or an IP address, without brackets. There is no time limit; dropping the
/// future drops the stream.
///
/// # Errors
///
/// [`CloseCause::InvalidRequest`] if no certificate can be for such a host, or the configuration doesn't
/// work; [`CloseCause::Tls`] if it is TLS that failed; [`CloseCause::Io`] if it is the stream.
///
/// Bytes are read as long as the stream has any ready: [`websocket::open`](crate::websocket::open) limits that for the streams that it makes.
///
/// With TLS 1.3 a client has done its part before the server has looked at the client's certificate.
/// If the server refuses that, the first read from the stream fails.
pub async fn connect<S>(
    stream: S,
    host: &str,
    config: Arc<ClientConfig>,
) -> Result<TlsStream<S>, CloseCause>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let name = ServerName::try_from(host.to_owned()).map_err(|_| {
        CloseCause::invalid_request(format!(
            "TLS: `{host}` is neither a DNS name nor an IP address"
        ))
    })?;
    TlsConnector::from(config).connect(name, stream).await.map_err(|error| {
        failure(&error).unwrap_or_else(|| match error.kind() {
            io::ErrorKind::UnexpectedEof => CloseCause::tls(
                TlsFailureKind::Ended,
                "the server ended the connection during the handshake",
            ),
            _ => CloseCause::io(error.to_string()),
        })
    })
}

/// What is said about a stream that failed, if it is TLS that failed and not the connection below.
pub(crate) fn failure(error: &io::Error) -> Option<CloseCause> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    Some(match error {
        Error::InvalidCertificate(error) => certificate_failure(error),
        Error::AlertReceived(alert) => alert_failure(*alert),
        Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerMisbehaved(_)
        | Error::PeerIncompatible(_) => {
            CloseCause::tls(TlsFailureKind::Protocol, error.to_string())
        }
        error => CloseCause::tls(TlsFailureKind::Other, error.to_string()),
    })
}

fn certificate_failure(error: &CertificateError) -> CloseCause {
    let (kind, text) = match error {
        CertificateError::UnknownIssuer => (
            TlsFailureKind::UnknownIssuer,
            "none of the roots vouches for the server's certificate",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            (TlsFailureKind::WrongName, "the server's certificate is for another name")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            (TlsFailureKind::Expired, "the server's certificate has expired")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            (TlsFailureKind::NotYetValid, "the server's certificate is not valid yet")
        }
        CertificateError::Revoked => {
            (TlsFailureKind::Revoked, "the server's certificate has been revoked")
        }
        error => {
            let text = format!("the server's certificate is not accepted: {error}");
            return CloseCause::tls(TlsFailureKind::BadCertificate, text);
        }
    };
    CloseCause::tls(kind, text)
}

/// The alerts about certificates that a server sends are about the client's.
fn alert_failure(alert: AlertDescription) -> CloseCause {
    match alert {
        AlertDescription::CertificateRequired => CloseCause::tls(
            TlsFailureKind::ClientCertificateRequired,
            "the server demands a client certificate",
        ),
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::DecryptError => CloseCause::tls(
            TlsFailureKind::ClientCertificateRefused,
            format!("the server refused the client's certificate with the alert {alert:?}"),
        ),
        AlertDescription::ProtocolVersion => CloseCause::tls(
            TlsFailureKind::Protocol,
            "the server supports none of the client's versions of TLS",
        ),
        alert => CloseCause::tls(
            TlsFailureKind::Refused,
            format!("the server refused with the alert {alert:?}"),
        ),
    }
}
