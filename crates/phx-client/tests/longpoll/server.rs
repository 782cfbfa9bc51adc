//! A server whose every answer is written in the test, and the network to it.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use phx_client::dial::Dialer;
use phx_client::longpoll::LongPollConfig;
use phx_client::proto::V2Server;
use phx_client::websocket::WebSocketConfig;
use phx_client::{
    Attempt, BoxFuture, Channel, CloseCause, Connector, Endpoint, Frame, Message, Payload,
    Serializer, Socket, SocketBuilder, Status, StreamConnector, Transport, TransportKind,
};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::common::{TestRuntime, soon};

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<W: AsyncRead + AsyncWrite + Send + Unpin> Wire for W {}

/// A network with one server on it: the test.
pub(crate) struct Net {
    dialer: TestDialer,
    accepted: mpsc::UnboundedReceiver<Conn>,
}

/// Leads to the test, over a pipe or over TCP.
#[derive(Clone)]
pub(crate) struct TestDialer {
    is_tcp: bool,
    accepted: mpsc::UnboundedSender<Conn>,
    /// The dials that fail, and with what; `None` for one that never ends.
    refusals: Arc<Mutex<Vec<Option<CloseCause>>>>,
}

impl fmt::Debug for TestDialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TestDialer")
    }
}

impl Dialer for TestDialer {
    type Stream = Stream;

    fn dial(&self, _: &str, _: u16) -> BoxFuture<Result<Stream, CloseCause>> {
        let dialer = self.clone();
        Box::pin(async move {
            let refusal = dialer.refusals.lock().unwrap().pop();
            match refusal {
                Some(Some(cause)) => return Err(cause),
                Some(None) => std::future::pending().await,
                None => {}
            }
            let (ours, theirs): (Box<dyn Wire>, Box<dyn Wire>) = if dialer.is_tcp {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
                (Box::new(ours.unwrap()), Box::new(theirs.unwrap().0))
            } else {
                let (ours, theirs) = tokio::io::duplex(64 << 10);
                (Box::new(ours), Box::new(theirs))
            };
            let _ = dialer.accepted.send(Conn { wire: theirs, read: Vec::new() });
            Ok(Stream(ours))
        })
    }
}

impl Net {
    /// Pipes, which virtual time waits for.
    pub(crate) fn pipes() -> Self {
        Net::new(false)
    }

    pub(crate) fn new(is_tcp: bool) -> Self {
        let (sender, accepted) = mpsc::unbounded_channel();
        let dialer = TestDialer { is_tcp, accepted: sender, refusals: Arc::default() };
        Net { dialer, accepted }
    }

    /// Runs a test in pipes and over TCP.
    pub(crate) fn both<F: Future<Output = ()>>(test: impl Fn(Net) -> F) {
        for is_tcp in [false, true] {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().start_paused(!is_tcp).build().unwrap();
            runtime.block_on(async { test(Net::new(is_tcp)).await });
        }
    }

    /// The next attempts to dial fail.
    pub(crate) fn refuse(&self, causes: impl IntoIterator<Item = CloseCause>) {
        self.dialer.refusals.lock().unwrap().extend(causes.into_iter().map(Some));
    }

    /// The next attempt to dial never ends.
    pub(crate) fn swallow_dial(&self) {
        self.dialer.refusals.lock().unwrap().push(None);
    }

    pub(crate) fn connector(&self) -> StreamConnector<TestDialer> {
        StreamConnector::new(self.dialer.clone())
    }

    pub(crate) fn builder(&self) -> SocketBuilder {
        self.builder_with(LongPollConfig::default(), WebSocketConfig::default())
    }

    pub(crate) fn builder_with(
        &self,
        config: LongPollConfig,
        others: WebSocketConfig,
    ) -> SocketBuilder {
        let connector = self.connector().with_config(others).with_long_poll_config(config);
        SocketBuilder::new("ws://server.test/socket")
            .runtime(TestRuntime::new())
            .connector(connector)
            .transport(TransportKind::LongPoll)
            .seed(7)
    }

    /// An attempt to open a transport, without a socket.
    pub(crate) fn attempt(
        &self,
        url: &str,
    ) -> BoxFuture<Result<Pin<Box<dyn Transport>>, CloseCause>> {
        let request = Endpoint::parse(url).unwrap().request("2.0.0");
        let mut attempt = Attempt::new(request, TestRuntime::new());
        attempt.transport = TransportKind::LongPoll;
        self.connector().connect(attempt)
    }

    /// The client's next connection.
    pub(crate) async fn accept(&mut self) -> Conn {
        soon(self.accepted.recv()).await.expect("the dialer is there")
    }

    /// Returns true if the client has made no other connection.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.accepted.try_recv().is_err()
    }

    /// A socket whose first poll has come, and the connection that it came on.
    pub(crate) async fn connected(&mut self) -> (Socket, Conn) {
        let builder = self.builder();
        self.connected_with(builder).await
    }

    pub(crate) async fn connected_with(&mut self, builder: SocketBuilder) -> (Socket, Conn) {
        let (socket, mut polls) = tokio::join!(builder.connect(), async {
            let mut polls = self.accept().await;
            polls.create("").await;
            polls
        });
        polls.poll().await;
        (socket.unwrap(), polls)
    }

    /// A socket with a joined channel, and the connections for polls and for POSTs.
    pub(crate) async fn joined(&mut self) -> (Socket, Channel, Conn, Conn) {
        let builder = self.builder();
        self.joined_with(builder).await
    }

    pub(crate) async fn joined_with(
        &mut self,
        builder: SocketBuilder,
    ) -> (Socket, Channel, Conn, Conn) {
        let (socket, mut polls) = self.connected_with(builder).await;
        let (room, posts) = tokio::join!(socket.channel("room:a").join(), async {
            let mut posts = self.accept().await;
            let join = posts.post().await.remove(0);
            polls.messages(&[reply(&join, &json!({}))]).await;
            posts
        });
        polls.poll().await;
        (socket, room.unwrap(), polls, posts)
    }
}

/// The server's end of a connection.
pub(crate) struct Conn {
    wire: Box<dyn Wire>,
    read: Vec<u8>,
}

/// A request.
#[derive(Debug)]
pub(crate) struct Req {
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Req {
    /// The values of all headers of this name.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The messages of a POST's lines.
    pub(crate) fn messages(&self) -> Vec<Message> {
        let lines = self.body.split(|&byte| byte == b'\n');
        lines.map(|line| V2Server.decode(Frame::text(line.to_vec())).unwrap()).collect()
    }
}

impl Conn {
    pub(crate) async fn request(&mut self) -> Req {
        self.try_request().await.expect("the client sends a request")
    }

    /// The next request; `None` if the client closes the connection instead.
    pub(crate) async fn try_request(&mut self) -> Option<Req> {
        let end = loop {
            if let Some(end) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            if !self.read_more().await {
                assert!(self.read.is_empty(), "the client ends a request in the middle");
                return None;
            }
        };
        let head = String::from_utf8(self.read.drain(..end + 4).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let line = lines.next().unwrap().to_owned();
        let headers: Vec<_> = lines
            .map(|line| line.split_once(": ").expect("a header has a value"))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut request = Req { line, headers, body: Vec::new() };
        let len = request.values("content-length").first().map_or(0, |len| len.parse().unwrap());
        while self.read.len() < len {
            assert!(self.read_more().await, "the client ends a body in the middle");
        }
        request.body = self.read.drain(..len).collect();
        Some(request)
    }

    /// Reads some bytes of the next request. Returns false at the end.
    pub(crate) async fn read_more(&mut self) -> bool {
        matches!(soon(self.wire.read_buf(&mut self.read)).await, Ok(1..))
    }

    /// Waits until the client has closed the connection.
    pub(crate) async fn closed(&mut self) {
        assert!(self.try_request().await.is_none());
    }

    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        // The client may have gone.
        let _ = soon(self.wire.write_all(bytes.as_ref())).await;
        let _ = self.wire.flush().await;
    }

    /// Answers 200 with this body.
    pub(crate) async fn answer(&mut self, body: &Value) {
        self.say(answer("", body)).await;
    }

    /// Creates the session T1. The answer has these headers too, each with a line end.
    pub(crate) async fn create(&mut self, headers: &str) -> Req {
        let request = self.request().await;
        self.say(answer(headers, &json!({ "status": 410, "token": "T1", "messages": [] }))).await;
        request
    }

    /// The next request, which polls session T1.
    pub(crate) async fn poll(&mut self) -> Req {
        let poll = self.request().await;
        assert_eq!(poll.line, "GET /socket/longpoll?vsn=2.0.0 HTTP/1.1");
        assert_eq!(poll.values("x-phoenix-longpoll-token"), ["T1"]);
        poll
    }

    /// Answers a poll with messages.
    pub(crate) async fn messages(&mut self, messages: &[Message]) {
        self.answer(&json!({ "status": 200, "token": "T1", "messages": texts(messages) })).await;
    }

    /// The messages of the next request, a POST, which is answered.
    pub(crate) async fn post(&mut self) -> Vec<Message> {
        let post = self.request().await;
        assert_eq!(post.line, "POST /socket/longpoll?vsn=2.0.0 HTTP/1.1");
        assert_eq!(post.values("x-phoenix-longpoll-token"), ["T1"]);
        assert_eq!(post.values("content-type"), ["application/x-ndjson"]);
        self.answer(&json!({ "status": 200 })).await;
        post.messages()
    }
}

/// An answer 200 with these headers too.
pub(crate) fn answer(headers: &str, body: &Value) -> String {
    with_status("200 OK", headers, &body.to_string())
}

pub(crate) fn with_status(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

pub(crate) fn texts(messages: &[Message]) -> Vec<String> {
    let encode = |message| match V2Server.encode(message).unwrap() {
        Frame::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
        Frame::Binary(_) => panic!("the payload is binary"),
    };
    messages.iter().map(encode).collect()
}

pub(crate) fn reply(to: &Message, response: &Value) -> Message {
    let payload = Payload::json(response).unwrap();
    let reply = Message::reply(to.topic.clone(), to.reference.clone(), Status::from("ok"), payload);
    reply.with_join_ref(to.join_ref.clone())
}

pub(crate) fn broadcast(event: &str, payload: &Value) -> Message {
    Message::new("room:a", event, Payload::json(payload).unwrap())
}

/// The client's end.
pub(crate) struct Stream(Box<dyn Wire>);

impl futures::AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        Pin::new(&mut self.0).poll_read(cx, &mut buffer).map_ok(|()| buffer.filled().len())
    }
}

impl futures::AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
