//! Proxies reached over TLS, with their own certificate.

use std::sync::Arc;

use phx_client::StreamConnector;
use phx_client::websocket::{Compression, WebSocketConfig};
use phx_client::{CloseCause, ConnectCause, SocketBuilder, TlsCauseKind, TransportKind, tls};
use phx_testing::demo_server;
use phx_testing::listener::Listener;
use phx_testing::tls::{Authority, Identity};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

use crate::within;

/// Starts an HTTP proxy behind TLS with this certificate, and returns its port.
async fn proxy(identity: &Identity) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut client = BufReader::new(client);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    client.read_line(&mut head).await.unwrap();
                }
                let server = head.split(' ').nth(1).unwrap().to_owned();
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let mut server = TcpStream::connect(server).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    identity.terminate(None, address, &Handle::current())
}

fn client(url: &str, port: u16, config: WebSocketConfig) -> SocketBuilder {
    let connector = StreamConnector::new(phx_tokio::TcpDialer::new()).with_config(config);
    let proxy = format!("https://ann:hush@localhost:{port}");
    phx_tokio::socket(url).connector(connector).proxy(&proxy)
}

#[tokio::test]
async fn its_certificate_is_checked_with_its_own_settings() {
    let (servers, proxies) = (Authority::new("servers"), Authority::new("proxies"));
    let trusting = |authority: &Authority| {
        Arc::new(tls::builder().with_root_certificates(authority.roots()).with_no_client_auth())
    };
    let listener = Listener::bind(demo_server().compress(true).build()).await.unwrap();
    let server = servers.issue(|_| {}).terminate(None, listener.address(), &Handle::current());
    let port = proxy(&proxies.issue(|_| {})).await;
    let mut config = WebSocketConfig::default();
    config.tls = trusting(&servers);
    config.proxy_tls = trusting(&proxies);
    // Without TLS in the tunnel, and with it.
    let secure = format!("wss://localhost:{server}/socket");
    for (url, transport, compresses) in [
        (listener.url(), TransportKind::WebSocket, false),
        (&*secure, TransportKind::WebSocket, false),
        (&*secure, TransportKind::WebSocket, true),
        (listener.url(), TransportKind::LongPoll, false),
        (&*secure, TransportKind::LongPoll, false),
    ] {
        let mut builder = client(url, port, config.clone()).transport(transport);
        if compresses {
            builder = builder.compression(Compression::new());
        }
        let socket = within(builder.connect()).await.unwrap();
        let room = within(socket.channel("room:lobby").join()).await.unwrap();
        let long = "x".repeat(100_000);
        let reply: String = within(room.push("echo", &json!(long))).await.unwrap();
        assert_eq!(reply, long);
        let wire = socket.wire_bytes();
        // It counts frames of WebSockets alone.
        let is_small = [wire.sent, wire.received].iter().all(|bytes| (1..20_000).contains(bytes));
        assert_eq!(is_small, compresses, "{wire:?}");
        within(socket.disconnect()).await;
    }

    // Trust in a server's certificate doesn't extend to a proxy.
    config.proxy_tls = trusting(&servers);
    let failed = within(client(listener.url(), port, config).connect()).await.unwrap_err();
    let shown = format!("{failed} {failed:?}");
    assert!(!shown.contains("hush"), "{shown}");
    let ConnectCause::Closed(CloseCause::Tls(failure)) = failed.cause else { panic!("{shown}") };
    assert_eq!(failure.kind, TlsCauseKind::UnknownIssuer);
    let begin = format!("the proxy https://localhost:{port}: the certificate isn't trusted");
    assert!(failure.error.starts_with(&begin), "{failure:?}");
}
