//! First errors of a new program: each says what failed, where, and what to do. `Debug`, which a `main` that returns the
//! error prints, has the same text.

use std::time::Duration;

use phx_client::StreamConnector;
use phx_client::tls::rustls::RootCertStore;
use phx_client::websocket::WebSocketConfig;
use phx_client::{SocketBuilder, tls};
use phx_testing::listener::Listener;
use phx_testing::tls::{Authority, Identity};
use phx_testing::{UpgradeRejection, demo_server};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use crate::within;

/// Text of the operating system.
const REFUSED: &str = "Connection refused (os error 111)";

/// The program of README.md.
async fn program(socket: SocketBuilder, topic: &str, event: &str) -> Result<(), String> {
    let run = async {
        let socket = socket.param("token", "s3cret");
        let socket = socket.connect_with_timeout(Duration::from_millis(700)).await?;
        let room = socket.channel(topic).params(&json!({ "name": "ann" })).create()?;
        room.join().await?;
        let _reply: Value = room.push(event, &json!({ "body": "hello" })).await?;
        Ok::<(), Box<dyn std::error::Error>>(())
    };
    within(run).await.map_err(|error| {
        let text = error.to_string();
        assert_eq!(format!("{error:?}"), text, "what `main` prints");
        assert!(error.source().is_none(), "the text has it all");
        assert!(!text.contains("s3cret"), "{text}");
        text
    })
}

/// Returns the error text of a program whose `connect` fails.
async fn connect(socket: SocketBuilder) -> String {
    program(socket, "room:lobby", "new_msg").await.unwrap_err()
}

async fn server() -> Listener {
    Listener::bind(demo_server().build()).await.unwrap()
}

/// Returns a builder with these roots instead of the default ones.
fn trusting(url: &str, roots: RootCertStore) -> SocketBuilder {
    let mut config = WebSocketConfig::default();
    config.tls =
        std::sync::Arc::new(tls::builder().with_root_certificates(roots).with_no_client_auth());
    let dialer = phx_tokio::TcpDialer::new();
    phx_tokio::socket(url).connector(StreamConnector::new(dialer).with_config(config))
}

#[tokio::test]
async fn no_server() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let text = connect(phx_tokio::socket(format!("ws://127.0.0.1:{port}/socket"))).await;
    assert_eq!(
        text,
        format!(
            "can't connect to ws://127.0.0.1:{port}/socket/websocket: no connection in time; the last attempt failed: \
             127.0.0.1:{port}: {REFUSED}; is the server running?"
        )
    );
}

#[tokio::test]
async fn wrong_host() {
    let text = connect(phx_tokio::socket("ws://nosuch.invalid/socket")).await;
    let start = "can't connect to ws://nosuch.invalid/socket/websocket: no connection in time; the last attempt failed: \
                 can't look up `nosuch.invalid`: ";
    assert!(text.starts_with(start), "{text}");
    assert!(text.ends_with("; is the name right?"), "{text}");
}

#[tokio::test]
async fn wrong_path() {
    let server = server().await;
    let url = format!("ws://{}/sockets", server.address());
    assert_eq!(
        connect(phx_tokio::socket(url)).await,
        format!(
            "can't connect to ws://{}/sockets/websocket: the server refused the connection with HTTP status 404 (is this \
             the socket's path? It is the one in `socket \"/socket\"` of the endpoint, where long-poll needs `longpoll: true`)",
            server.address()
        )
    );
}

#[tokio::test]
async fn refused_token() {
    let refuses = demo_server().connect(|_| Err(UpgradeRejection::new(403)));
    let server = Listener::bind(refuses.build()).await.unwrap();
    assert_eq!(
        connect(phx_tokio::socket(server.url())).await,
        format!(
            "can't connect to {}/websocket: the server refused the connection with HTTP status 403 (is the token right? \
             `connect/3`, `check_origin` or a web firewall refused it)",
            server.url()
        )
    );
}

#[tokio::test]
async fn wrong_topic() {
    let server = server().await;
    let text = program(phx_tokio::socket(server.url()), "rooms:x", "new_msg").await.unwrap_err();
    assert_eq!(
        text,
        "join of `rooms:x` rejected: unmatched topic (no `channel` of the server's socket has such a topic)"
    );
}

#[tokio::test]
async fn crashed_channel() {
    let server = server().await;
    let text = program(phx_tokio::socket(server.url()), "room:x", "nosuch").await.unwrap_err();
    assert_eq!(
        text,
        "`nosuch` crashed the channel `room:x`, or another push did that waited for its reply; the server's log says why"
    );
}

#[tokio::test]
async fn self_signed_tls() {
    let server = server().await;
    let port = Identity::self_signed(|_| {}).terminate(None, server.address(), &Handle::current());
    let other = Authority::new("another").roots();
    let text = connect(trusting(&format!("wss://localhost:{port}/socket"), other)).await;
    assert_eq!(
        text,
        format!(
            "can't connect to wss://localhost:{port}/socket/websocket: TLS: the certificate isn't trusted: it is a CA's \
             own (CA:TRUE, often self-signed), which counts only if it was itself given as a root"
        )
    );
}

#[tokio::test]
async fn tls_to_a_plain_port() {
    let server = server().await;
    let url = format!("wss://{}/socket", server.address());
    let text = connect(trusting(&url, Authority::new("any").roots())).await;
    assert_eq!(
        text,
        format!(
            "can't connect to {url}/websocket: no connection in time; the last attempt failed: TLS: the server ended the \
             connection during the handshake: does it speak `ws://` at this port?"
        )
    );
}

#[tokio::test]
async fn plain_to_a_tls_port() {
    let server = server().await;
    let port = Identity::self_signed(|_| {}).terminate(None, server.address(), &Handle::current());
    let text = connect(phx_tokio::socket(format!("ws://localhost:{port}/socket"))).await;
    assert_eq!(
        text,
        format!(
            "can't connect to ws://localhost:{port}/socket/websocket: no connection in time; the last attempt failed: the \
             server speaks TLS at this port: is it `wss://`?"
        )
    );
}
