//! The server may name a subprotocol that was offered, or none, but no other.

use phx_tokio::{CloseCause, Endpoint};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::common::{Connection, connect, listen, receive_head, switching};

/// What comes of a proper answer with these further headers.
async fn answered(
    listener: &TcpListener,
    endpoint: &Endpoint,
    headers: &str,
) -> Result<Connection, CloseCause> {
    let serve = async {
        let mut stream = listener.accept().await.unwrap().0;
        let answer = format!("{}{headers}\r\n", switching(&receive_head(&mut stream).await));
        stream.write_all(answer.as_bytes()).await.unwrap();
    };
    futures::join!(connect(endpoint), serve).0
}

#[tokio::test]
async fn a_server_may_name_none() {
    let (listener, endpoint) = listen().await;
    let transport = answered(&listener, &endpoint.with_auth_token("token"), "").await.unwrap();
    assert!(transport.ignored_subprotocols());
    let (listener, endpoint) = listen().await;
    let transport = answered(&listener, &endpoint, "").await.unwrap();
    assert!(!transport.ignored_subprotocols(), "none was offered");
}

#[tokio::test]
async fn a_server_may_name_one_that_was_offered() {
    let (listener, endpoint) = listen().await;
    let endpoint = endpoint.with_auth_token("token");
    let named = "sec-websocket-protocol: phoenix\r\n";
    let transport = answered(&listener, &endpoint, named).await.unwrap();
    assert!(!transport.ignored_subprotocols());
}

#[tokio::test]
async fn a_server_may_not_name_another() {
    let wrong = CloseCause::lost(
        "the server's answer 101 is wrong: it names a subprotocol that wasn't offered",
    );
    let (listener, endpoint) = listen().await;
    let unasked = answered(&listener, &endpoint, "Sec-WebSocket-Protocol: phoenix\r\n").await;
    assert_eq!(unasked.unwrap_err(), wrong);
    let endpoint = endpoint.with_auth_token("token");
    let other = answered(&listener, &endpoint, "Sec-WebSocket-Protocol: mqtt\r\n").await;
    assert_eq!(other.unwrap_err(), wrong);
}

#[tokio::test]
async fn a_server_may_not_name_two() {
    let (listener, endpoint) = listen().await;
    let endpoint = endpoint.with_auth_token("token");
    let twice = "Sec-WebSocket-Protocol: phoenix\r\nSec-WebSocket-Protocol: phoenix\r\n";
    let wrong =
        CloseCause::lost("the server's answer 101 is wrong: it names more than one subprotocol");
    assert_eq!(answered(&listener, &endpoint, twice).await.unwrap_err(), wrong);
}
