//! What the operating system trusts is trusted; here a file says what that is.

#![cfg(feature = "suite")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use phx_client::tls;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use tempfile::TempDir;

/// Set in the child.
const CHILD: &str = "PHX_TEST_ROOTS";

#[test]
fn the_roots_of_the_platform_are_found() {
    if let Ok(expected) = std::env::var(CHILD) {
        assert_eq!(tls::with_platform_roots().is_ok().to_string(), expected);
        return;
    }
    let directory = TempDir::new().unwrap();
    let (root, empty) = (directory.path().join("root.pem"), directory.path().join("empty.pem"));
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    let text = STANDARD.encode(certificate.der());
    let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
    std::fs::write(&root, pem).unwrap();
    std::fs::write(&empty, "").unwrap();

    // A process reads where its roots are when it starts.
    for (file, expected) in [(root, "true"), (empty, "false")] {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_roots_of_the_platform_are_found"])
            .env(CHILD, expected)
            .env("SSL_CERT_FILE", file)
            .env_remove("SSL_CERT_DIR")
            .status();
        assert!(child.unwrap().success(), "{expected}");
    }
}
