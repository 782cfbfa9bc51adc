//! The entry makes sockets that run on async-std, and says what is wrong with an endpoint.

use phx_async_std::ConnectFailed;

#[test]
fn no_runtime_has_to_be_entered_first() {
    // Nothing has to listen there: the socket is there before its connection.
    phx_async_std::socket("ws://127.0.0.1:1/socket").spawn().unwrap();
}

#[test]
fn a_mistake_in_the_url_is_the_error_of_spawn() {
    let failed = phx_async_std::socket("gopher://localhost/socket").spawn();
    assert!(matches!(failed, Err(ConnectFailed::Endpoint(_))));
}
