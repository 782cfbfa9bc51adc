//! `wss` in a program that was built without TLS is an error that names TLS.

#![cfg(not(feature = "tls"))]

use phx_async_std::{CloseCause, ConnectCause, ConnectError};

#[test]
fn wss_is_unusable() {
    let failed =
        async_std::task::block_on(phx_async_std::socket("wss://localhost:1/socket").connect());
    assert!(matches!(
        failed,
        Err(ConnectError { cause: ConnectCause::Closed(CloseCause::InvalidRequest { .. }), .. })
    ));
}
