//! The upgrade request as the server gets it.

use tokio::io::AsyncWriteExt;

use crate::common::{connect, listen, receive_head};

#[tokio::test]
async fn the_request_carries_path_query_headers_and_subprotocols() {
    let (listener, endpoint) = listen().await;
    let port = listener.local_addr().unwrap().port();
    let endpoint = endpoint.with_header("X-Client", "phx").unwrap().with_auth_token("token");
    let serve = async {
        let mut stream = listener.accept().await.unwrap().0;
        let head = receive_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        head
    };
    let (refused, head) = futures::join!(connect(&endpoint), serve);
    refused.unwrap_err();

    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("GET /socket/websocket?vsn=2.0.0 HTTP/1.1"));
    let headers: Vec<_> = lines.collect();
    let host = format!("Host: 127.0.0.1:{port}");
    let protocols = endpoint.request("2.0.0").protocols().join(", ");
    let protocols = format!("Sec-WebSocket-Protocol: {protocols}");
    for expected in [
        host.as_str(),
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "X-Client: phx",
        protocols.as_str(),
        concat!("User-Agent: phx/", env!("CARGO_PKG_VERSION")),
    ] {
        assert_eq!(headers.iter().filter(|line| **line == expected).count(), 1, "{expected}");
    }
    // A server checks the origin of requests that have one.
    assert!(!head.to_ascii_lowercase().contains("\norigin:"));
}

#[tokio::test]
async fn the_user_agent_can_be_replaced() {
    let (listener, endpoint) = listen().await;
    let endpoint = endpoint.with_header("user-agent", "mine/1").unwrap();
    let serve = async { receive_head(&mut listener.accept().await.unwrap().0).await };
    let (failed, head) = futures::join!(connect(&endpoint), serve);
    failed.unwrap_err();
    let head = head.to_ascii_lowercase();
    assert!(head.contains("\r\nuser-agent: mine/1\r\n"), "{head}");
    assert_eq!(head.matches("user-agent").count(), 1, "{head}");
}
