//! The adapters' entries: sockets on the caller's runtime, and errors.

use phx_tokio::{ConnectCause, ConnectError, SocketBuilder};

/// Entry of each adapter.
const ENTRIES: [fn(&'static str) -> SocketBuilder; 3] =
    [|url| phx_tokio::socket(url), |url| phx_smol::socket(url), |url| phx_async_std::socket(url)];

#[test]
fn without_a_runtime_the_error_says_so() {
    let failed = phx_tokio::socket("ws://localhost/socket").spawn();
    assert!(matches!(
        failed,
        Err(ConnectError { cause: ConnectCause::Incomplete { missing: "runtime", .. }, .. })
    ));
}

#[test]
fn smol_and_async_std_need_no_runtime_to_be_entered_first() {
    // No listener is needed: the socket exists before its connection.
    phx_smol::socket("ws://127.0.0.1:1/socket").spawn().unwrap();
    phx_async_std::socket("ws://127.0.0.1:1/socket").spawn().unwrap();
}

#[tokio::test]
async fn a_mistake_in_the_url_is_the_error_of_spawn() {
    for socket in ENTRIES {
        let failed = socket("gopher://localhost/socket").spawn();
        assert!(matches!(failed, Err(ConnectError { cause: ConnectCause::Endpoint(_), .. })));
    }
}
