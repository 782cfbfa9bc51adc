//! The entry makes sockets that run on the caller's runtime, and says what it lacks.

use phx_tokio::ConnectFailed;

#[test]
fn without_a_runtime_the_error_says_so() {
    let failed = phx_tokio::socket("ws://localhost/socket").spawn();
    assert!(matches!(failed, Err(ConnectFailed::Incomplete { missing: "runtime", .. })));
}

#[tokio::test]
async fn a_mistake_in_the_url_is_the_error_of_spawn() {
    let failed = phx_tokio::socket("gopher://localhost/socket").spawn();
    assert!(matches!(failed, Err(ConnectFailed::Endpoint(_))));
}
