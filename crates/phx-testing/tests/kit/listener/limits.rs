//! What a client sends takes no more memory than the limits say.

use std::io;
use std::time::Duration;

use allocation_counter::measure;
use phx_testing::demo_server;
use phx_testing::listener::Listener;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::client::{bind, join, upgraded, within};

const LIMIT: usize = 1_000;

const TEXT: u8 = 0x01;
const CONTINUATION: u8 = 0x00;
const PING: u8 = 0x09;
const FINAL: u8 = 0x80;

/// A frame's header, masked with zeros, that announces `length` bytes.
fn header(first: u8, length: u64) -> Vec<u8> {
    let mut header = vec![first];
    match u16::try_from(length) {
        Ok(length @ ..126) => header.push(0x80 | length as u8),
        Ok(length) => {
            header.push(0x80 | 126);
            header.extend(length.to_be_bytes());
        }
        Err(_) => {
            header.push(0x80 | 127);
            header.extend(length.to_be_bytes());
        }
    }
    header.extend([0; 4]);
    header
}

/// Returns the code of the next close frame.
async fn close_code(stream: &mut TcpStream) -> u16 {
    let mut frame = [0; 4];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[..2], [0x88, 2], "a close frame with a code and no reason");
    u16::from_be_bytes([frame[2], frame[3]])
}

/// Returns the code with which the listener closes a connection whose client sends these bytes.
async fn code_after(listener: &Listener, bytes: &[u8]) -> u16 {
    let refused = async {
        let mut stream = upgraded(listener).await;
        stream.write_all(bytes).await.unwrap();
        close_code(&mut stream).await
    };
    within(refused).await
}

async fn refuses_a_frame_that_announces(length: u64) {
    let listener = Listener::bind(demo_server().max_frame_size(LIMIT).build()).await.unwrap();
    for first in [FINAL | TEXT, TEXT, FINAL | PING] {
        // Nothing follows: a listener that waited for the rest would never answer.
        assert_eq!(code_after(&listener, &header(first, length)).await, 1009, "{length} bytes");
    }
    join(&listener).await;
}

/// The listener reserves no memory for an announced length: client and listener run on this thread, whose memory is measured.
#[test]
fn a_frame_is_refused_once_its_header_announces_too_much() {
    const MOST: u64 = 512 << 10;
    for length in [LIMIT as u64 + 1, 1 << 20, 8 << 30, 1 << 40, 1 << 62, i64::MAX as u64] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let memory = measure(|| runtime.block_on(refuses_a_frame_that_announces(length)));
        assert!(memory.bytes_max < MOST, "{length} bytes: {memory:?}");
    }
}

/// A frame of zeros.
fn zeros(first: u8, length: usize) -> Vec<u8> {
    let mut frame = header(first, length as u64);
    frame.resize(frame.len() + length, 0);
    frame
}

#[tokio::test]
async fn fragments_are_refused_once_they_are_too_large_together() {
    let listener = Listener::bind(demo_server().max_frame_size(LIMIT).build()).await.unwrap();
    let fragments = [zeros(TEXT, 501), zeros(CONTINUATION, 501)].concat();
    assert_eq!(code_after(&listener, &fragments).await, 1009);
}

#[tokio::test]
async fn who_still_sends_what_was_refused_reads_why() {
    let listener = Listener::bind(demo_server().max_frame_size(LIMIT).build()).await.unwrap();
    assert_eq!(code_after(&listener, &zeros(FINAL | TEXT, 1 << 24)).await, 1009);
}

#[tokio::test]
async fn a_control_frame_has_125_bytes_at_the_most() {
    let listener = bind().await;
    assert_eq!(code_after(&listener, &zeros(FINAL | PING, 126)).await, 1002);
}

#[tokio::test]
async fn pongs_that_are_not_read_do_not_pile_up() {
    let listener = bind().await;
    let mut stream = within(upgraded(&listener)).await;
    let pings = zeros(FINAL | PING, 125).repeat(8_000);
    // The buffers of the kernel in each direction, twice.
    let most = 4 * (16 << 20) / pings.len();
    for _ in 0..most {
        if timeout(Duration::from_secs(2), stream.write_all(&pings)).await.is_err() {
            return;
        }
    }
    panic!("it reads on while its pongs wait");
}

/// Sends a head without an end until the listener ends the connection, and returns the number of bytes it took.
async fn endless_head(listener: &Listener, line: &[u8]) -> usize {
    let mut stream = TcpStream::connect(listener.address()).await.unwrap();
    let mut taken = 0;
    let sent: io::Result<()> = async {
        stream.write_all(b"GET /socket/websocket HTTP/1.1\r\n").await?;
        loop {
            stream.write_all(line).await?;
            taken += line.len();
        }
    }
    .await;
    assert!(sent.is_err());
    taken
}

#[tokio::test]
async fn a_head_without_an_end_is_refused() {
    let listener = bind().await;
    let long = [b"a: ".as_slice(), &[b'b'; 4_000], b"\r\n"].concat();
    for line in [long.as_slice(), b"a: b\r\n", &[b'a'; 1_000]] {
        within(endless_head(&listener, line)).await;
    }
    join(&listener).await;
}

#[tokio::test]
async fn a_listener_has_a_largest_limit() {
    for limit in [(1 << 30) + 1, usize::MAX] {
        let bound = Listener::bind(demo_server().max_frame_size(limit).build()).await;
        assert_eq!(bound.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
    Listener::bind(demo_server().max_frame_size(1 << 30).build()).await.unwrap();
}
