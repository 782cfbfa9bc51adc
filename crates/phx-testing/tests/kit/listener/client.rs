//! A WebSocket client of the listener.

use async_tungstenite::WebSocketStream;
use async_tungstenite::tokio::{TokioAdapter, client_async};
use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::client::IntoClientRequest;
use async_tungstenite::tungstenite::error::Error;
use async_tungstenite::tungstenite::http::{HeaderValue, Response};
use futures::StreamExt;
use phx_testing::listener::Listener;
use phx_testing::{SocketId, demo_server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) use crate::within;

pub(crate) type Client = WebSocketStream<TokioAdapter<TcpStream>>;

pub(crate) const JOIN: &str = r#"["1","1","room:a","phx_join",{}]"#;

/// A request for an upgrade, by hand.
pub(crate) const UPGRADE: &str = "GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nconnection: upgrade\r\n\
                                  upgrade: websocket\r\nsec-websocket-key: X\r\n\
                                  sec-websocket-version: 13\r\n\r\n";

/// A listener with the small application.
pub(crate) async fn bind() -> Listener {
    Listener::bind(demo_server().build()).await.unwrap()
}

/// Returns the number of connections that the server knows.
pub(crate) fn open(listener: &Listener) -> usize {
    listener.with(|server, _| server.sockets().count())
}

/// Bytes of a connection after the answer to its upgrade.
pub(crate) async fn upgraded(listener: &Listener) -> TcpStream {
    let mut stream = TcpStream::connect(listener.address()).await.unwrap();
    stream.write_all(UPGRADE.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        assert_ne!(within(stream.read_buf(&mut head)).await.unwrap(), 0);
    }
    stream
}

/// A client that has joined, and the server's side of it.
pub(crate) async fn join(listener: &Listener) -> (Client, SocketId) {
    let mut client = within(connect(listener)).await.unwrap();
    send(&mut client, JOIN).await;
    let joined = r#"["1","1","room:a","phx_reply",{"response":{},"status":"ok"}]"#;
    assert_eq!(receive(&mut client).await, Message::text(joined));
    let socket = listener.with(|server, _| server.sockets().last()).unwrap();
    (client, socket)
}

pub(crate) async fn connect(listener: &Listener) -> Result<Client, Error> {
    connect_with(listener, "vsn=2.0.0", None).await.map(|(client, _)| client)
}

pub(crate) async fn connect_with(
    listener: &Listener,
    query: &str,
    protocols: Option<&'static str>,
) -> Result<(Client, Response<Option<Vec<u8>>>), Error> {
    let url = format!("{}/websocket?{query}", listener.url());
    let mut request = url.into_client_request()?;
    if let Some(protocols) = protocols {
        let value = HeaderValue::from_static(protocols);
        request.headers_mut().insert("sec-websocket-protocol", value);
    }
    let stream = TcpStream::connect(listener.address()).await?;
    client_async(request, stream).await
}

pub(crate) async fn send(client: &mut Client, text: &str) {
    within(client.send(Message::text(text))).await.expect("sent");
}

pub(crate) async fn receive(client: &mut Client) -> Message {
    within(client.next()).await.expect("a message").expect("no error")
}
