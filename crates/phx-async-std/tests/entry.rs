//! The entry makes sockets that run on async-std, and says what is wrong with an endpoint.

use phx_async_std::{ConnectFailed, Endpoint};

#[test]
fn no_runtime_has_to_be_entered_first() {
    let endpoint = Endpoint::from_parts("example.com", "/socket", None, true);
    phx_async_std::socket(endpoint).spawn().unwrap();
}

#[test]
fn a_mistake_in_the_url_is_the_error_of_spawn() {
    let failed = phx_async_std::socket("gopher://localhost/socket").spawn();
    assert!(matches!(failed, Err(ConnectFailed::Endpoint(_))));
}
