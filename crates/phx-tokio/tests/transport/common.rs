//! Both ends of a connection: the connector, and scripted servers.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::time::Duration;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tokio::{TokioAdapter, accept_async};
use phx_tokio::StreamConnector;
use phx_tokio::websocket::WebSocketConfig;
use phx_tokio::{
    AdapterRuntime, Attempt, CloseCause, CloseCode, Connector, Endpoint, Frame, Received,
    TcpDialer, Transport,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) type Connection = Pin<Box<dyn Transport>>;

pub(crate) type Server = WebSocketStream<TokioAdapter<TcpStream>>;

/// Awaits a future, with a deadline so that a defect fails the test instead of hanging it.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it takes too long")
}

/// Returns a listener and its endpoint.
pub(crate) async fn listen() -> (TcpListener, Endpoint) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/socket", listener.local_addr().unwrap());
    (listener, Endpoint::parse(&url).unwrap())
}

pub(crate) fn attempt(endpoint: &Endpoint) -> Attempt {
    Attempt::new(endpoint.request("2.0.0"), AdapterRuntime::current().unwrap())
}

pub(crate) fn connector(config: WebSocketConfig) -> StreamConnector<TcpDialer> {
    StreamConnector::new(TcpDialer::new()).with_config(config)
}

pub(crate) async fn connect(endpoint: &Endpoint) -> Result<Connection, CloseCause> {
    connect_with(endpoint, WebSocketConfig::default()).await
}

pub(crate) async fn connect_with(
    endpoint: &Endpoint,
    config: WebSocketConfig,
) -> Result<Connection, CloseCause> {
    within(connector(config).connect(attempt(endpoint))).await
}

pub(crate) async fn connect_limited(
    endpoint: &Endpoint,
    max_frame_size: usize,
) -> Result<Connection, CloseCause> {
    let connector = connector(WebSocketConfig::default());
    let mut attempt = attempt(endpoint);
    attempt.max_frame_size = max_frame_size;
    within(connector.connect(attempt)).await
}

/// Returns both ends of a connection to a WebSocket server.
pub(crate) async fn pair(config: WebSocketConfig) -> (Connection, Server) {
    let (listener, endpoint) = listen().await;
    let accept = async { accept_async(listener.accept().await.unwrap().0).await.unwrap() };
    let (client, server) = futures::join!(connect_with(&endpoint, config), accept);
    (client.unwrap(), server)
}

/// Connects to a server that answers the request's head by `answer`, and then ends the connection.
pub(crate) async fn answering(
    endpoint: (TcpListener, Endpoint),
    answer: impl FnOnce(&str) -> Vec<u8>,
) -> Result<Connection, CloseCause> {
    let (listener, endpoint) = endpoint;
    let serve = async {
        let mut stream = listener.accept().await.unwrap().0;
        let answer = answer(&receive_head(&mut stream).await);
        stream.write_all(&answer).await.unwrap();
    };
    futures::join!(connect(&endpoint), serve).0
}

/// Returns a connection with this limit, whose server sends `bytes` right behind its answer, and then reads.
pub(crate) async fn receiving(max_frame_size: usize, bytes: &[u8]) -> (Connection, TcpStream) {
    let (listener, endpoint) = listen().await;
    let serve = async {
        let mut stream = listener.accept().await.unwrap().0;
        let head = format!("{}\r\n", switching(&receive_head(&mut stream).await));
        stream.write_all(&[head.as_bytes(), bytes].concat()).await.unwrap();
        stream
    };
    let (client, stream) = futures::join!(connect_limited(&endpoint, max_frame_size), serve);
    (client.unwrap(), stream)
}

/// Reads the head of the request.
pub(crate) async fn receive_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// Returns the right answer to a request, without further headers and the empty line.
pub(crate) fn switching(head: &str) -> String {
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let accept =
        async_tungstenite::tungstenite::handshake::derive_accept_key(key.trim().as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: keep-alive, Upgrade\r\n\
         Upgrade: WebSocket\r\nSec-WebSocket-Accept: {accept}\r\n"
    )
}

pub(crate) async fn receive(connection: &mut Connection) -> Result<Frame, CloseCause> {
    match within(poll_fn(|cx| connection.as_mut().poll_receive(cx))).await? {
        Received::Frame(frame) => Ok(frame),
        Received::Gap => panic!("a WebSocket has no gaps"),
    }
}

pub(crate) async fn send(connection: &mut Connection, frame: Frame) {
    within(poll_fn(|cx| connection.as_mut().poll_ready(cx))).await.unwrap();
    connection.as_mut().start_send(frame).unwrap();
}

pub(crate) async fn flush(connection: &mut Connection) {
    within(poll_fn(|cx| connection.as_mut().poll_flush(cx))).await.unwrap();
}

pub(crate) async fn close(connection: &mut Connection, code: u16, reason: &str) -> CloseCause {
    let code = CloseCode::from_u16(code);
    within(poll_fn(|cx| connection.as_mut().poll_close(cx, code, reason))).await
}
