//! The end of a long-poll session over TLS.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

use phx_client::tls::rustls::{ServerConnection, StreamOwned};
use phx_client::websocket::WebSocketConfig;
use phx_client::{StreamConnector, TransportKind, tls};
use phx_testing::tls::Authority;

use crate::within;

const CREATED: &str = r#"{"messages":[],"status":410,"token":"T1"}"#;

/// A server that sees the connection end without TLS's alert can't tell that from an attacker who cut it.
#[tokio::test]
async fn a_disconnect_ends_tls_in_order() {
    let authority = Authority::new("servers");
    let config = Arc::new(authority.issue(|_| {}).config(None));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::task::spawn_blocking(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
        let mut heard = Vec::new();
        let mut chunk = [0; 4096];
        while !heard.ends_with(b"\r\n\r\n") {
            let count = stream.read(&mut chunk).unwrap();
            heard.extend_from_slice(&chunk[..count]);
        }
        let answer =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{CREATED}", CREATED.len());
        stream.write_all(answer.as_bytes()).unwrap();
        // The poll, and then the end: an error without the alert.
        stream.read_to_end(&mut heard)
    });

    let mut config = WebSocketConfig::default();
    let roots = tls::builder().with_root_certificates(authority.roots());
    config.tls = Arc::new(roots.with_no_client_auth());
    let connector = StreamConnector::new(phx_tokio::TcpDialer::new()).with_config(config);
    let socket = phx_tokio::socket(format!("wss://localhost:{port}/socket"))
        .connector(connector)
        .transport(TransportKind::LongPoll);
    let socket = within(socket.connect()).await.unwrap();
    within(socket.disconnect()).await;
    assert!(within(server).await.unwrap().unwrap() > 0);
}
