//! Endpoints of a core without the feature `url`: with all other programs of this project the core has it.

use std::string::ToString as _;

use phx_proto::{Endpoint, EndpointError};

#[test]
fn a_plain_url_is_taken_as_it_is() {
    let endpoint = Endpoint::parse("https://phoenix.example:8443/socket/").unwrap();
    let endpoint = endpoint.with_param("name", "a b&c");
    let request = endpoint.request("2.0.0");
    assert_eq!(request.target(), "/socket/websocket?name=a%20b%26c&vsn=2.0.0");
    assert_eq!((request.host(), request.port(), request.is_tls()), ("phoenix.example", 8443, true));
    assert_eq!(request.to_string(), "wss://phoenix.example:8443/socket/websocket");
    let exact = endpoint.with_exact_path("/live").unwrap();
    assert_eq!(exact.request("2.0.0").target(), "/live?name=a%20b%26c&vsn=2.0.0");
    let parts = Endpoint::from_parts("10.0.0.1", "socket", None, false).unwrap();
    let request = parts.request("2.0.0");
    assert_eq!((request.host(), request.port(), request.is_tls()), ("10.0.0.1", 80, false));
    assert_eq!(request.target(), "/socket/websocket?vsn=2.0.0");
}

#[test]
fn what_needs_encoding_is_refused_by_its_part() {
    for (url, error) in [
        ("ws://B\u{fc}cher.example/socket", EndpointError::Host),
        ("ws://phoenix/a%20b", EndpointError::Path),
        ("ws://phoenix/socket?name=ann", EndpointError::Path),
        ("ws://[::1]/socket", EndpointError::Port),
    ] {
        assert_eq!(Endpoint::parse(url), Err(error), "{url}");
    }
    assert_eq!(
        Endpoint::from_parts("::1", "/socket", None, false).unwrap_err(),
        EndpointError::Host
    );
    let endpoint = Endpoint::parse("ws://phoenix/socket").unwrap();
    assert_eq!(endpoint.with_exact_path("/a b").unwrap_err(), EndpointError::Path);
}
