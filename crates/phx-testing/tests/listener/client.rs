//! A WebSocket client of the listener.

use std::time::Duration;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tokio::{TokioAdapter, client_async};
use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::client::IntoClientRequest;
use async_tungstenite::tungstenite::error::Error;
use async_tungstenite::tungstenite::http::{HeaderValue, Response};
use futures::StreamExt;
use phx_testing::listener::Listener;
use tokio::net::TcpStream;

pub(crate) type Client = WebSocketStream<TokioAdapter<TcpStream>>;

pub(crate) const JOIN: &str = r#"["1","1","room:a","phx_join",{}]"#;

pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("it took too long")
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
