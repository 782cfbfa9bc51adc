//! A server that sends without end below TLS doesn't block the executor: a poll reads a limited number of bytes, then
//! wakes its task and is pending.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use async_tungstenite::tungstenite::handshake::derive_accept_key;
use futures::{AsyncRead, AsyncWrite};
use phx_client::StreamConnector;
use phx_client::dial::Dialer;
use phx_client::tls::rustls::ServerConnection;
use phx_client::websocket::WebSocketConfig;
use phx_client::{
    Attempt, BoxFuture, CloseCause, CloseCode, Connector, Endpoint, Proxy, ProxyCause, tls,
};
use phx_testing::in_memory::VirtualTime;
use phx_testing::tls::Authority;

/// Largest number of reads and bytes in one poll: 32 and 16 KiB, and twice that in the poll in which one step ends and
/// the next begins.
const MAX: (usize, usize) = (2 * 32, 2 * (16 << 10));

/// The server, and the bytes that the client's poll has read.
#[derive(Clone)]
struct Server(Arc<Mutex<State>>);

struct State {
    connection: ServerConnection,
    heard: Vec<u8>,
    upgraded: bool,
    /// Bytes to send.
    records: Vec<u8>,
    /// Bytes that it sends after the upgrade, each time in a record.
    again: &'static [u8],
    reads: usize,
    bytes: usize,
}

impl Server {
    /// Creates a server that sends this number of session tickets after its handshake.
    fn new(tickets: usize, again: &'static [u8]) -> (Self, WebSocketConfig) {
        let authority = Authority::new("endless");
        let mut server = authority.issue(|_| {}).config(None);
        server.send_tls13_tickets = tickets;
        let mut connection = ServerConnection::new(Arc::new(server)).unwrap();
        connection.set_buffer_limit(None);
        let (heard, records, upgraded) = (Vec::new(), Vec::new(), false);
        let state = State { connection, heard, upgraded, records, again, reads: 0, bytes: 0 };
        let mut config = WebSocketConfig::default();
        config.tls = Arc::new(
            tls::builder().with_root_certificates(authority.roots()).with_no_client_auth(),
        );
        (Server(Arc::new(Mutex::new(state))), config)
    }

    /// Polls a future while it wakes itself, and checks the limits of each poll.
    fn in_turns<F: Future>(&self, max_polls: usize, future: F) -> (Option<F::Output>, usize) {
        let mut future = pin!(future);
        for polls in 1..=max_polls {
            let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
            let waker = Waker::from(Arc::clone(&wakes));
            {
                let mut state = self.0.lock().unwrap();
                (state.reads, state.bytes) = (0, 0);
            }
            let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
            let state = self.0.lock().unwrap();
            assert!(state.reads <= MAX.0, "{} reads in one poll", state.reads);
            assert!(state.bytes <= MAX.1, "{} bytes in one poll", state.bytes);
            match polled {
                Poll::Ready(output) => return (Some(output), polls),
                Poll::Pending => assert!(wakes.0.load(Ordering::Relaxed) > 0, "it waits"),
            }
        }
        (None, max_polls)
    }
}

struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl State {
    fn hear(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            self.connection.read_tls(&mut bytes).unwrap();
            self.connection.process_new_packets().unwrap();
        }
        let _ = self.connection.reader().read_to_end(&mut self.heard);
        if !self.upgraded && self.heard.ends_with(b"\r\n\r\n") {
            let head = String::from_utf8(self.heard.clone()).unwrap();
            let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
            let answer = match key {
                Some(key) => format!(
                    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Accept: {}\r\n\r\n\x01\0",
                    derive_accept_key(key.as_bytes())
                ),
                None => "HTTP/1.1 200 OK\r\nX: ".to_owned(),
            };
            self.connection.writer().write_all(answer.as_bytes()).unwrap();
            self.upgraded = true;
        }
    }

    fn say(&mut self) {
        if self.upgraded && self.records.is_empty() && !self.connection.wants_write() {
            for byte in self.again.iter().cycle().take(300 * self.again.len()) {
                self.connection.writer().write_all(&[*byte]).unwrap();
            }
        }
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.records).unwrap();
        }
    }
}

impl AsyncRead for Server {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock().unwrap();
        state.say();
        let count = buffer.len().min(state.records.len());
        if count == 0 {
            return Poll::Pending;
        }
        buffer[..count].copy_from_slice(&state.records[..count]);
        state.records.drain(..count);
        state.reads += 1;
        state.bytes += count;
        assert!(state.bytes < 4 << 20, "one poll has no end");
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Server {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.lock().unwrap().hear(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

/// A dialer with the server as its stream, also as a proxy.
impl Dialer for Server {
    type Stream = Server;

    fn dial(&self, _: &str, _: u16) -> BoxFuture<Result<Server, CloseCause>> {
        let server = self.clone();
        Box::pin(async { Ok(server) })
    }
}

/// Bytes of a proxy below TLS are limited as those of a server.
#[test]
fn a_proxy_without_end() {
    for tickets in [0, 500] {
        let (proxy, mut config) = Server::new(tickets, b"xxxxxxxx");
        config.proxy_tls = config.tls.clone();
        let request = Endpoint::parse("ws://server.test/socket").unwrap().request("2.0.0");
        let mut attempt = Attempt::new(request, VirtualTime::new().runtime());
        attempt.proxy = Some(Proxy::parse("https://localhost").unwrap());
        let connector = StreamConnector::new(proxy.clone()).with_config(config);
        let (ended, polls) = proxy.in_turns(10_000, connector.connect(attempt));
        let cause = ended.expect("it ends").map(drop).unwrap_err();
        assert_eq!(cause, CloseCause::Proxy(ProxyCause::Malformed));
        assert!(polls > 1, "{polls} polls");
    }
}

/// Opens a connection, receives nothing, and closes without an answer. Returns the polls of the first step.
fn open_and_receive(tickets: usize, again: &'static [u8]) -> usize {
    let (server, config) = Server::new(tickets, again);
    let request = Endpoint::parse("wss://localhost/socket").unwrap().request("2.0.0");
    let attempt = Attempt::new(request, VirtualTime::new().runtime());
    let connector = StreamConnector::new(server.clone()).with_config(config);
    let (opened, polls) = server.in_turns(10_000, connector.connect(attempt));
    let mut client = opened.expect("it opens").unwrap();
    let received = server.in_turns(100, poll_fn(|cx| client.as_mut().poll_receive(cx))).0;
    assert_eq!(received, None);
    let closing = poll_fn(|cx| client.as_mut().poll_close(cx, CloseCode::NORMAL, ""));
    assert_eq!(server.in_turns(100, closing).0, None);
    polls
}

/// Each has one byte, of fragments of a message that never ends.
#[test]
fn records_without_end() {
    open_and_receive(0, &[0x00, 0x00]);
    open_and_receive(0, &[0x00, 0x01, b'x']);
}

/// They have no data for the layer above, which doesn't notice them.
#[test]
fn session_tickets_without_end() {
    let polls = open_and_receive(500, &[0x00, 0x00]);
    assert!(polls > 1, "{polls} polls");
}
