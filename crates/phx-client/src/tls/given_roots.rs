//! Trust in given certificates: as roots, and as a server's certificate.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WantsClientCert, WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};

use super::cause::is_ca_as_end_entity;

/// Begins a configuration that trusts these certificates (DER) and no others; the next call adds a client
/// certificate or none.
///
/// A server is trusted if one of them signed its certificate, directly or through intermediates. It is trusted as
/// well if its certificate is one of them, byte for byte, regardless of its signer, and also if it is marked as a
/// CA's, as self-signed ones of `openssl req -x509` are. Name, dates, and the server's possession of the key are
/// checked in either case.
///
/// # Errors
///
/// If a certificate can't be read, or the list is empty.
///
/// # Examples
///
/// ```no_run
/// use std::sync::Arc;
/// use phx_client::tls::{self, rustls::pki_types::{CertificateDer, pem::PemObject}};
/// use phx_client::websocket::WebSocketConfig;
///
/// let given = CertificateDer::pem_file_iter("server.pem")?.collect::<Result<Vec<_>, _>>()?;
/// let mut config = WebSocketConfig::default();
/// config.tls = Arc::new(tls::with_custom_roots(given)?.with_no_client_auth());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn with_custom_roots(
    certificates: impl IntoIterator<Item = CertificateDer<'static>>,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, Error> {
    let given: Vec<_> = certificates.into_iter().collect();
    let mut roots = RootCertStore::empty();
    for certificate in &given {
        roots.add(certificate.clone())?;
    }
    let builder = super::builder();
    let provider = Arc::clone(builder.crypto_provider());
    let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|_| Error::General("no certificate was given".to_owned()))?;
    let verifier = Arc::new(GivenRoots { given, webpki });
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier))
}

/// webpki's verifier, except for a server whose certificate is one of the given ones.
#[derive(Debug)]
struct GivenRoots {
    given: Vec<CertificateDer<'static>>,
    webpki: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for GivenRoots {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verify = |intermediates| {
            self.webpki.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            )
        };
        if !self.given.iter().any(|given| given.as_ref() == end_entity.as_ref()) {
            return verify(intermediates);
        }
        // webpki checks the dates first, then whether this is a CA's certificate, then who issued it, then the name.
        // So the dates hold where it stops at one of the two in the middle, which a given certificate need not
        // pass. Without intermediates, since those that a server adds can cause other errors.
        match verify(&[]) {
            Err(Error::InvalidCertificate(error)) if is_about_issuer(&error) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

fn is_about_issuer(error: &CertificateError) -> bool {
    matches!(error, CertificateError::UnknownIssuer) || is_ca_as_end_entity(error)
}
