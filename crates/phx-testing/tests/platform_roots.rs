//! The operating system's roots are trusted; the test gives them in a file.

#![cfg(feature = "suite")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use phx_client::tls;
use phx_testing::tls::Authority;
use tempfile::TempDir;

/// Variable that is set in the child process.
const CHILD: &str = "PHX_TEST_ROOTS";

#[test]
fn the_roots_of_the_platform_are_found() {
    if let Ok(expected) = std::env::var(CHILD) {
        assert_eq!(tls::with_platform_roots().is_ok().to_string(), expected);
        return;
    }
    let directory = TempDir::new().unwrap();
    let (root, empty) = (directory.path().join("root.pem"), directory.path().join("empty.pem"));
    std::fs::write(&root, Authority::new("platform").certificate.pem()).unwrap();
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
