//! Errors of unreachable hosts have the operating system's text.

use phx_tokio::{CloseCause, Endpoint};
use tokio::net::TcpSocket;

use crate::common::connect;

#[tokio::test]
async fn nobody_listens() {
    // The port stays taken, so that no other test comes to listen there.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let endpoint = Endpoint::parse(&format!("ws://{address}/socket")).unwrap();
    match connect(&endpoint).await {
        Err(CloseCause::Io { error, .. }) => {
            assert!(error.starts_with(&format!("{address}: ")), "{error}");
        }
        other => panic!("not lost: {other:?}"),
    }
}

#[tokio::test]
async fn there_is_no_such_host() {
    // No name server is asked for a label of more than 63 bytes.
    let host = "x".repeat(64);
    let endpoint = Endpoint::parse(&format!("ws://{host}/socket")).unwrap();
    match connect(&endpoint).await {
        Err(CloseCause::Io { error, .. }) => {
            assert!(error.starts_with(&format!("can't look up `{host}`: ")), "{error}");
        }
        other => panic!("not lost: {other:?}"),
    }
}
