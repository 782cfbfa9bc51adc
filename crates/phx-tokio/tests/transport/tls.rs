//! TLS with servers that have none. The suite in `phx-testing` tests trust.

use std::sync::Arc;

use phx_tokio::tls::{self, rustls::ClientConfig};
use phx_tokio::websocket::WebSocketConfig;
use phx_tokio::{CloseCause, Endpoint, TlsCauseKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::common::{Connection, connect_with};

async fn connect_to(port: u16, client: ClientConfig) -> Result<Connection, CloseCause> {
    let mut config = WebSocketConfig::default();
    config.tls = Arc::new(client);
    let endpoint = Endpoint::parse(&format!("wss://localhost:{port}/socket")).unwrap();
    connect_with(&endpoint, config).await
}

#[tokio::test]
async fn a_server_that_speaks_no_tls() {
    let protocol = ("HTTP/1.1 400 Bad Request\r\n\r\n", TlsCauseKind::Protocol);
    for (answer, kind) in [protocol, ("", TlsCauseKind::Ended)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = async {
            let mut stream = listener.accept().await.unwrap().0;
            stream.read_exact(&mut [0; 5]).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            // Unread bytes at the end would reset the connection.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        };
        let client = tls::with_webpki_roots().with_no_client_auth();
        match futures::join!(connect_to(port, client), serve).0 {
            Err(CloseCause::Tls(failure)) => assert_eq!(failure.kind, kind),
            other => panic!("no failure of TLS: {other:?}"),
        }
    }
}

/// The settings may have a client's key, which `Debug` must not show.
#[test]
fn debug_shows_nothing_of_the_tls_configuration() {
    assert!(!format!("{:?}", WebSocketConfig::default()).contains("tls"));
}
