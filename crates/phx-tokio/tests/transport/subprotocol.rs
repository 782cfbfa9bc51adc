//! The server may name a subprotocol that was offered, or none, but no other.

use phx_tokio::CloseCause;

use crate::common::{Connection, answering, listen, switching};

/// Returns the outcome of a right answer with these further headers, for a client with or without a token.
async fn answered(token: Option<&str>, headers: &str) -> Result<Connection, CloseCause> {
    let (listener, mut endpoint) = listen().await;
    if let Some(token) = token {
        endpoint = endpoint.with_auth_token(token);
    }
    let answer = |head: &str| format!("{}{headers}\r\n", switching(head)).into_bytes();
    answering((listener, endpoint), answer).await
}

#[tokio::test]
async fn a_server_may_name_none() {
    let transport = answered(Some("token"), "").await.unwrap();
    assert!(transport.ignored_subprotocols());
    let transport = answered(None, "").await.unwrap();
    assert!(!transport.ignored_subprotocols(), "none was offered");
}

#[tokio::test]
async fn a_server_may_name_one_that_was_offered() {
    let named = "sec-websocket-protocol: phoenix\r\n";
    let transport = answered(Some("token"), named).await.unwrap();
    assert!(!transport.ignored_subprotocols());
}

#[tokio::test]
async fn a_server_may_not_name_another() {
    let wrong = CloseCause::io(
        "the server's answer 101 is wrong: it names a subprotocol that wasn't offered",
    );
    let unasked = answered(None, "Sec-WebSocket-Protocol: phoenix\r\n").await;
    assert_eq!(unasked.unwrap_err(), wrong);
    let other = answered(Some("token"), "Sec-WebSocket-Protocol: mqtt\r\n").await;
    assert_eq!(other.unwrap_err(), wrong);
}

#[tokio::test]
async fn a_server_may_not_name_two() {
    let twice = "Sec-WebSocket-Protocol: phoenix\r\nSec-WebSocket-Protocol: phoenix\r\n";
    let wrong =
        CloseCause::io("the server's answer 101 is wrong: it names more than one subprotocol");
    assert_eq!(answered(Some("token"), twice).await.unwrap_err(), wrong);
}
