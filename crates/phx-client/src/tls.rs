//! TLS over any stream of bytes: rustls with ring.
//!
//! The client checks the server against the built-in roots of Mozilla, unless you give another [`ClientConfig`]:
//! [`with_custom_roots`] for certificates of yours, `with_platform_roots` for those of the operating system,
//! [`builder`] for all else. No process-wide default of rustls is read or set.

use std::io;
use std::sync::{Arc, LazyLock};

use futures::{AsyncRead, AsyncWrite};
use futures_rustls::TlsConnector;
use futures_rustls::client::TlsStream;
use phx_proto::{CloseCause, TlsCauseKind};
use rustls::client::WantsClientCert;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

mod cause;
mod given_roots;

pub(crate) use cause::failure;
pub use given_roots::with_custom_roots;

/// The version of rustls that this crate uses.
pub use rustls;

/// Returns the default configuration: the roots of Mozilla, TLS 1.2 and 1.3, no client certificate.
///
/// All callers share one configuration, and so its cache of sessions to resume.
#[must_use]
pub fn client_config() -> Arc<ClientConfig> {
    static DEFAULT: LazyLock<Arc<ClientConfig>> =
        LazyLock::new(|| Arc::new(with_webpki_roots().with_no_client_auth()));
    Arc::clone(&DEFAULT)
}

/// Begins a configuration with the default roots; the next call adds a client certificate or none.
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

/// Begins a configuration with the operating system's roots; the next call adds a client certificate or none.
///
/// Each call reads the roots, which takes some milliseconds: keep the configuration. The variables `SSL_CERT_FILE`
/// and `SSL_CERT_DIR`, if set, name the places of the roots.
///
/// # Errors
///
/// If there are no readable roots. Unreadable ones beside them are no error.
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

/// Begins a configuration with the cryptography of ring: the next calls choose the roots, then a client certificate
/// or none.
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
/// [`CloseCause::InvalidRequest`] if no certificate can be for such a host, or the configuration doesn't work;
/// [`CloseCause::Tls`] if TLS failed; [`CloseCause::Io`] if the stream failed.
///
/// Bytes are read as long as the stream has any ready; the caller meters the stream.
///
/// With TLS 1.3 a client has done its part before the server has looked at the client's certificate.
/// If the server refuses that, the first read from the stream fails.
pub(crate) async fn connect<S>(
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
                TlsCauseKind::Ended,
                "the server ended the connection during the handshake: does it speak `ws://` at this port?",
            ),
            _ => CloseCause::io(error.to_string()),
        })
    })
}
