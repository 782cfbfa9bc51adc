//! Faults of the TCP proxy, on plain bytes, as the client and the server see them.

use std::io::ErrorKind;
use std::time::Duration;

use futures::StreamExt;
use futures::channel::mpsc;
use phx_testing::Connectivity;
use phx_testing::fault_proxy::{Direction, Event, FaultProxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::within;

/// A server, a proxy to it, and the proxy's events.
struct Stage {
    server: TcpListener,
    proxy: FaultProxy,
    reported: mpsc::UnboundedReceiver<Event>,
}

impl Stage {
    async fn new() -> Self {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (tell, reported) = mpsc::unbounded();
        let watch = move |event| drop(tell.unbounded_send(event));
        let proxy = FaultProxy::start_watched(server.local_addr().unwrap(), watch).unwrap();
        Stage { server, proxy, reported }
    }

    /// Creates the same, with both ends of a connection.
    async fn connected() -> (Self, TcpStream, TcpStream) {
        let mut stage = Stage::new().await;
        let (client, server) = stage.connect().await;
        (stage, client, server)
    }

    /// Both ends of a connection.
    async fn connect(&mut self) -> (TcpStream, TcpStream) {
        let client = within(TcpStream::connect(self.proxy.address())).await.unwrap();
        let (server, _) = within(self.server.accept()).await.unwrap();
        // Earlier connections may still have events.
        while !matches!(self.reported().await, Event::Connected(_)) {}
        (client, server)
    }

    async fn reported(&mut self) -> Event {
        within(self.reported.next()).await.unwrap()
    }
}

async fn say(stream: &mut TcpStream, text: &str) {
    within(stream.write_all(text.as_bytes())).await.unwrap();
}

async fn hear(stream: &mut TcpStream, text: &str) {
    let mut heard = vec![0; text.len()];
    within(stream.read_exact(&mut heard)).await.unwrap();
    assert_eq!(heard, text.as_bytes());
}

/// Reads until the end. Returns the bytes, and true if the end was a reset.
async fn rest(stream: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut heard = Vec::new();
    match within(stream.read_to_end(&mut heard)).await {
        Ok(_) => (heard, false),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => (heard, true),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn without_faults_bytes_and_ends_pass() {
    let (mut stage, mut client, mut server) = Stage::connected().await;
    say(&mut client, "there").await;
    hear(&mut server, "there").await;
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut server).await, (vec![], false));
    // The other direction is still open.
    say(&mut server, "back").await;
    drop(server);
    assert_eq!(rest(&mut client).await, (b"back".to_vec(), false));
    assert!(matches!(stage.reported().await, Event::Ended(_)));
}

#[tokio::test]
async fn a_cut_resets_both_sides_of_one_connection() {
    let mut stage = Stage::new().await;
    let (mut ann, mut of_ann) = stage.connect().await;
    let (mut bob, mut of_bob) = stage.connect().await;
    let id = stage.proxy.connections()[0];
    stage.proxy.connection(id).cut();
    assert!(rest(&mut ann).await.1 && rest(&mut of_ann).await.1);
    assert_eq!(
        [stage.reported().await, stage.reported().await],
        [Event::Cut(id), Event::Ended(id)]
    );
    say(&mut bob, "still here").await;
    hear(&mut of_bob, "still here").await;
    assert_eq!(stage.proxy.connections().len(), 1);
}

#[tokio::test]
async fn a_cut_comes_after_as_many_bytes_as_were_said() {
    let (stage, mut client, mut server) = Stage::connected().await;
    say(&mut server, "before").await;
    hear(&mut client, "before").await;
    stage.proxy.all().cut_after(Direction::ToClient, 3);
    say(&mut client, "the other way is free").await;
    hear(&mut server, "the other way is free").await;
    say(&mut server, "abcdef").await;
    assert_eq!(rest(&mut client).await, (b"abc".to_vec(), true));
    assert!(rest(&mut server).await.1);
}

#[tokio::test]
async fn the_next_connection_has_its_faults_from_the_first_byte() {
    let mut stage = Stage::new().await;
    let (mut before, mut of_before) = stage.connect().await;
    stage.proxy.next().cut_after(Direction::ToServer, 2);
    let (mut client, mut server) = stage.connect().await;
    say(&mut client, "abc").await;
    assert_eq!(rest(&mut server).await, (b"ab".to_vec(), true));
    let (mut after, mut of_after) = stage.connect().await;
    for (client, server) in [(&mut before, &mut of_before), (&mut after, &mut of_after)] {
        say(client, "abc").await;
        hear(server, "abc").await;
    }
}

#[tokio::test]
async fn an_end_is_reported_to_both_sides() {
    let (stage, mut client, mut server) = Stage::connected().await;
    stage.proxy.all().end();
    assert_eq!(rest(&mut client).await, (vec![], false));
    assert_eq!(rest(&mut server).await, (vec![], false));
}

#[tokio::test]
async fn one_direction_can_be_swallowed() {
    let (stage, mut client, mut server) = Stage::connected().await;
    stage.proxy.all().swallow(Direction::ToServer);
    say(&mut client, "lost").await;
    say(&mut server, "heard").await;
    hear(&mut client, "heard").await;
    // Neither the bytes nor the end arrived, only the cut.
    drop(client);
    stage.proxy.all().cut();
    assert_eq!(rest(&mut server).await, (vec![], true));
}

#[tokio::test]
async fn of_a_half_open_connection_neither_side_learns_the_end() {
    let (stage, mut client, server) = Stage::connected().await;
    stage.proxy.all().half_open();
    say(&mut client, "lost").await;
    drop(server);
    // The proxy has seen the end of the server, and a cut is what the client sees.
    stage.proxy.all().cut();
    assert_eq!(rest(&mut client).await, (vec![], true));
}

#[tokio::test]
async fn a_stalled_connection_fills_the_buffers_and_loses_nothing() {
    static CHUNK: [u8; 64 * 1024] = [7; 64 * 1024];
    let (stage, mut client, mut server) = Stage::connected().await;
    stage.proxy.all().stall();
    let mut sent = 0;
    // The operating system takes some time to report a full buffer.
    let full = Duration::from_millis(200);
    while let Ok(written) = tokio::time::timeout(full, client.write(&CHUNK)).await {
        sent += written.unwrap();
        assert!(sent < 64 << 20, "nothing holds back");
    }
    stage.proxy.all().resume();
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut server).await.0.len(), sent);
}

#[tokio::test]
async fn latency_is_that_of_each_way() {
    let mut stage = Stage::new().await;
    let latency = Duration::from_millis(50);
    stage.proxy.set_latency(latency);
    let (mut client, mut server) = stage.connect().await;
    let began = Instant::now();
    say(&mut client, "there").await;
    hear(&mut server, "there").await;
    say(&mut server, "back").await;
    hear(&mut client, "back").await;
    assert!(began.elapsed() >= 2 * latency);
}

#[tokio::test]
async fn one_byte_is_altered() {
    let (mut stage, mut client, mut server) = Stage::connected().await;
    say(&mut server, "1").await;
    hear(&mut client, "1").await;
    stage.proxy.all().alter_after(Direction::ToClient, 1);
    say(&mut server, "234").await;
    let mut heard = [0; 3];
    within(client.read_exact(&mut heard)).await.unwrap();
    assert_eq!(heard, [b'2', b'3' ^ 0x80, b'4']);
    assert!(matches!(stage.reported().await, Event::Altered(_)));
}

#[tokio::test]
async fn an_offline_proxy_refuses_and_comes_back_at_the_same_port() {
    let (mut stage, mut client, mut server) = Stage::connected().await;
    stage.proxy.set_connectivity(Connectivity::Offline).unwrap();
    let refused = within(TcpStream::connect(stage.proxy.address())).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    say(&mut client, "still here").await;
    hear(&mut server, "still here").await;
    stage.proxy.set_connectivity(Connectivity::Online).unwrap();
    stage.connect().await;
}

#[tokio::test]
async fn a_silent_proxy_takes_and_says_nothing_until_it_is_over() {
    let mut stage = Stage::new().await;
    stage.proxy.set_connectivity(Connectivity::Silent).unwrap();
    let mut client = within(TcpStream::connect(stage.proxy.address())).await.unwrap();
    say(&mut client, "hello?").await;
    assert!(matches!(stage.reported().await, Event::Connected(_)));
    stage.proxy.set_connectivity(Connectivity::Online).unwrap();
    assert!(rest(&mut client).await.1);
    assert!(matches!(stage.reported().await, Event::Ended(_)));
    stage.connect().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_reset_and_another_can_take_its_place() {
    let mut stage = Stage::new().await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    stage.proxy.set_server(gone);
    // The reset may arrive before the event of the connection.
    if let Ok(mut client) = within(TcpStream::connect(stage.proxy.address())).await {
        assert_eq!(rest(&mut client).await, (vec![], true));
    }
    stage.proxy.set_server(stage.server.local_addr().unwrap());
    while !matches!(stage.reported().await, Event::Ended(_)) {}
    stage.connect().await;
}

#[tokio::test]
async fn a_dropped_proxy_resets_its_connections() {
    let (stage, mut client, mut server) = Stage::connected().await;
    say(&mut client, "there").await;
    hear(&mut server, "there").await;
    drop(stage.proxy);
    assert_eq!(
        (rest(&mut client).await, rest(&mut server).await),
        ((vec![], true), (vec![], true))
    );
}

#[tokio::test]
async fn an_upgrade_passes_and_its_frames_are_swallowed() {
    let mut stage = Stage::new().await;
    stage.proxy.swallow_frames(true);
    let (mut client, mut server) = stage.connect().await;
    say(&mut client, "GET / HTTP/1.1\r\nupgrade: websocket\r\n\r\n").await;
    hear(&mut server, "GET / HTTP/1.1\r\nupgrade: websocket\r\n\r\n").await;
    // The head comes in pieces, and the last has a frame behind it.
    say(&mut server, "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r").await;
    hear(&mut client, "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r").await;
    say(&mut server, "\nframe").await;
    hear(&mut client, "\n").await;
    say(&mut client, "frame").await;
    say(&mut server, "frame").await;
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut server).await, (vec![], false));
    server.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await, (vec![], false));

    // Other HTTP passes, also behind an answer.
    let (mut client, mut server) = stage.connect().await;
    for _ in 0..2 {
        say(&mut client, "GET / HTTP/1.1\r\n\r\n").await;
        hear(&mut server, "GET / HTTP/1.1\r\n\r\n").await;
        say(&mut server, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n101 ").await;
        hear(&mut client, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n101 ").await;
    }

    // A WebSocket that carried frames carries none once the command has come, and then some again.
    stage.proxy.swallow_frames(false);
    let (mut client, mut server) = stage.connect().await;
    say(&mut server, "HTTP/1.1 101 \r\n\r\nframe").await;
    hear(&mut client, "HTTP/1.1 101 \r\n\r\nframe").await;
    stage.proxy.swallow_frames(true);
    say(&mut server, "lost").await;
    client.shutdown().await.unwrap();
    // Behind the end of the other direction: what was sent before it has been read by now.
    assert_eq!(rest(&mut server).await, (vec![], false));
    server.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await, (vec![], false));
}
