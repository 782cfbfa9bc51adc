//! The entry makes sockets that run on smol, and says what is wrong with an endpoint.

use phx_smol::{ConnectFailed, Endpoint};

#[test]
fn no_runtime_has_to_be_entered_first() {
    let endpoint = Endpoint::from_parts("example.com", "/socket", None, true);
    phx_smol::socket(endpoint).spawn().unwrap();
}

#[test]
fn a_mistake_in_the_url_is_the_error_of_spawn() {
    let failed = phx_smol::socket("gopher://localhost/socket").spawn();
    assert!(matches!(failed, Err(ConnectFailed::Endpoint(_))));
}
