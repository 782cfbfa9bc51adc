//! `wss` in a program that was built without TLS is an error that names TLS.

#![cfg(not(feature = "tls"))]

use phx_smol::{CloseCause, ConnectCause, ConnectError};

#[test]
fn wss_is_unusable() {
    let failed = smol::block_on(phx_smol::socket("wss://localhost:1/socket").connect());
    assert!(matches!(
        failed,
        Err(ConnectError { cause: ConnectCause::Closed(CloseCause::InvalidRequest { .. }), .. })
    ));
}
