//! The client's codec, against servers of `ws` and `websockets` that send each message back.

use std::collections::VecDeque;

use phx_websocket::{Agreed, Bytes, Codec, Event, Message, Offer, key};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::judge::{Judge, messages};

/// Bytes of messages that may wait for their echoes: less than the buffers of both sockets.
const MAX_WAITING: usize = 64 * 1024;

/// Options of `ws` as a server, and of `websockets`.
const WS: [&str; 3] = [
    "{}",
    r#"{"serverNoContextTakeover":true,"clientNoContextTakeover":true}"#,
    r#"{"serverMaxWindowBits":10,"clientMaxWindowBits":9}"#,
];
const WEBSOCKETS: [&str; 3] = [
    "{}",
    r#"{"server_no_context_takeover":true,"client_no_context_takeover":true}"#,
    r#"{"server_max_window_bits":10,"client_max_window_bits":9}"#,
];

/// Offers of the client. Each meets all settings.
fn offers() -> [Offer; 4] {
    [
        Offer::new(),
        Offer::new().context_takeover(true),
        Offer::new().context_takeover(true).window_bits(9),
        Offer::new().window_bits(12),
    ]
}

/// A connection of the codec.
pub(crate) struct Client {
    stream: TcpStream,
    pub(crate) codec: Codec<fn() -> [u8; 4]>,
    input: Vec<u8>,
    /// Bytes behind the handshake.
    pub(crate) read: u64,
    pub(crate) written: u64,
}

/// Connects with an offer; `None` if the server refused it.
pub(crate) async fn connect_to(port: u16, path: &str, offer: &Offer) -> Option<Client> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-key: {}\r\nsec-websocket-version: 13\r\nsec-websocket-extensions: {}\r\n\r\n",
        key([7; 16]),
        offer.header(),
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    if head.starts_with("http/1.1 400 ") {
        // `ws` refuses a smaller window than its setting.
        return None;
    }
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    let mut lines = head.lines();
    let answer = lines.find_map(|line| line.strip_prefix("sec-websocket-extensions: "));
    let agreed: Agreed = offer.check(answer).unwrap()?;
    let mask: fn() -> [u8; 4] = || fastrand::u32(..).to_ne_bytes();
    let codec = Codec::new(1 << 20, mask).with_deflate(agreed, 1);
    Some(Client { stream, codec, input: Vec::new(), read: 0, written: 0 })
}

impl Client {
    pub(crate) async fn flush(&mut self) {
        while !self.codec.step() {}
        let output = self.codec.output();
        self.stream.write_all(output).await.unwrap();
        let length = output.len();
        self.written += length as u64;
        self.codec.advance(length);
    }

    /// Returns the next event but pings, which are answered.
    pub(crate) async fn next(&mut self) -> Event {
        loop {
            let mut rest = &self.input[..];
            let event = self.codec.receive(&mut rest).unwrap();
            let taken = self.input.len() - rest.len();
            self.input.drain(..taken);
            match event {
                Some(Event::Ping) => self.flush().await,
                Some(event) => return event,
                None if self.codec.is_congested() => self.flush().await,
                None if self.codec.has_more() || !self.input.is_empty() => {}
                None => {
                    self.input.reserve(16 * 1024);
                    let read = self.stream.read_buf(&mut self.input).await.unwrap();
                    assert_ne!(read, 0, "the server ended the connection");
                    self.read += read as u64;
                }
            }
        }
    }
}

/// Returns a text that compresses about as English does, bytes of chance, or a run of one letter.
fn random(rng: &mut fastrand::Rng) -> Message {
    let length = if rng.u8(..50) == 0 { rng.usize(..60_000) } else { rng.usize(..400) };
    let mut bytes = Vec::with_capacity(length);
    match rng.u8(..8) {
        0 => bytes.resize_with(length, || rng.u8(..)),
        1 => bytes.resize(length, b'a'),
        _ => {
            while bytes.len() < length {
                let number =
                    if rng.u8(..3) == 0 { rng.u32(..1_000_000) } else { rng.u32(..200) * 7_919 };
                bytes.extend(format!("w{number}\u{f6} ").into_bytes());
            }
        }
    }
    let bytes = Bytes::from(bytes);
    let is_text = std::str::from_utf8(&bytes).is_ok() && rng.u8(..4) > 0;
    if is_text { Message::Text(bytes) } else { Message::Binary(bytes) }
}

/// Sends random messages, and compares what comes back. Returns the bytes of the messages and those on the wire.
async fn echoes(client: &mut Client, rng: &mut fastrand::Rng, count: usize) -> (u64, u64, u64) {
    let (mut waiting, mut bytes) = (VecDeque::new(), 0);
    let (mut sent, mut total) = (0, 0);
    while sent < count || !waiting.is_empty() {
        if sent < count && bytes < MAX_WAITING && rng.u8(..3) > 0 {
            let message = random(rng);
            bytes += message.as_bytes().len();
            total += message.as_bytes().len() as u64;
            // One in five isn't compressed, as joins aren't.
            client.codec.send(message.clone(), rng.u8(..5) > 0).unwrap();
            client.flush().await;
            waiting.push_back(message);
            sent += 1;
        } else if let Some(expected) = waiting.pop_front() {
            bytes -= expected.as_bytes().len();
            match client.next().await {
                Event::Message(message) => assert!(message == expected, "another message"),
                event => panic!("{event:?}"),
            }
        }
    }
    (total, client.read, client.written)
}

async fn judge(judge: Judge, settings: [&str; 3]) {
    let mut compressed = 0;
    for (number, options) in settings.into_iter().enumerate() {
        let server = judge.serve("server", &[options]).await;
        for (seed, offer) in (0..).zip(offers()) {
            let Some(mut client) = connect_to(server.port, "/", &offer).await else { continue };
            compressed += 1;
            let mut rng = fastrand::Rng::with_seed(100 * number as u64 + seed);
            let (total, read, written) = echoes(&mut client, &mut rng, messages()).await;
            let about = format!("{judge:?} {options} {offer:?}: {total} {read} {written}");
            assert!(read < total && written < total, "nothing was compressed: {about}");
            client.codec.close(Some(1000), "");
            client.flush().await;
            match client.next().await {
                Event::Close(frame) => assert_eq!(frame.code, Some(1000), "{about}"),
                event => panic!("{event:?}: {about}"),
            }
        }
    }
    assert!(compressed >= 8, "{compressed} of 12 offers were accepted");
}

#[tokio::test]
async fn ws_reads_and_writes_what_the_codec_does() {
    judge(Judge::Ws, WS).await;
}

#[tokio::test]
async fn websockets_reads_and_writes_what_the_codec_does() {
    judge(Judge::Websockets, WEBSOCKETS).await;
}
