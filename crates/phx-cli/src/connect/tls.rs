//! TLS options of the command line: roots, a client certificate, or no check at all.

use std::sync::Arc;

use clap::Args;
use phx_tokio::tls;
use phx_tokio::tls::rustls::client::WantsClientCert;
use phx_tokio::tls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use phx_tokio::tls::rustls::crypto::{
    CryptoProvider, verify_tls12_signature, verify_tls13_signature,
};
use phx_tokio::tls::rustls::pki_types::pem::{self, PemObject as _};
use phx_tokio::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use phx_tokio::tls::rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, SignatureScheme,
};

use crate::{terminal, value};

#[derive(Args, Debug)]
pub(super) struct Tls {
    /// Trust these certificates (PEM) instead of the system's roots: roots, or the server's own.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure", value_parser = value::path)]
    cacert: Option<String>,

    /// Client certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "key", value_parser = value::path)]
    cert: Option<String>,

    /// Private key for --cert (PEM).
    #[arg(long, value_name = "FILE", requires = "cert", value_parser = value::path)]
    key: Option<String>,

    /// Trust every certificate: anyone between here and the server can read and change everything.
    #[arg(long)]
    insecure: bool,
}

impl Tls {
    /// Returns whether any of the options is given.
    pub(super) fn is_said(&self) -> bool {
        self.insecure || self.cacert.is_some() || self.cert.is_some()
    }

    /// The configuration of TLS, or the error of a file.
    pub(super) fn config(&self) -> Result<ClientConfig, String> {
        if self.insecure {
            terminal::warning(
                "--insecure: certificates aren't checked, so anyone in between can read and change everything, secrets included",
            );
        }
        let builder = match &self.cacert {
            _ if self.insecure => insecure(),
            Some(path) => tls::with_custom_roots(certificates(path)?)
                .map_err(|error| format!("a certificate in {path}: {error}"))?,
            None => system_roots(),
        };
        let (Some(cert), Some(key)) = (&self.cert, &self.key) else {
            return Ok(builder.with_no_client_auth());
        };
        let secret = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| format!("no private key in {}", why(key, &error)))?;
        builder
            .with_client_auth_cert(certificates(cert)?, secret)
            .map_err(|error| format!("{cert} and {key} don't work: {error}"))
    }
}

/// Returns the system's roots, or Mozilla's if there are none.
pub(super) fn system_roots() -> ConfigBuilder<ClientConfig, WantsClientCert> {
    tls::with_platform_roots().unwrap_or_else(|_| tls::with_webpki_roots())
}

/// Returns the file's name and its error, without quoting its contents.
fn why(path: &str, error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => format!("{path}: {error}"),
        pem::Error::NoItemsFound => path.to_owned(),
        _ => format!("{path}: it isn't valid PEM"),
    }
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |error| format!("no certificates in {}", why(path, &error));
    let found = CertificateDer::pem_file_iter(path).map_err(unreadable)?;
    let certificates = found.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    if certificates.is_empty() {
        return Err(format!("no certificates in {path}"));
    }
    Ok(certificates)
}

fn insecure() -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let builder = tls::builder();
    let provider = Arc::clone(builder.crypto_provider());
    builder.dangerous().with_custom_certificate_verifier(Arc::new(TrustEverybody(provider)))
}

/// Accepts every certificate. The server must still prove that it has the key.
#[derive(Debug)]
struct TrustEverybody(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustEverybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
