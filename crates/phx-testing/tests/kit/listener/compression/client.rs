//! A client that compresses, by hand.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use phx_testing::listener::Listener;
use phx_testing::{HttpServer, ServerBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::client::{JOIN, within};

pub(super) const JOINED: &str = r#"["1","1","room:a","phx_reply",{"response":{},"status":"ok"}]"#;

pub(super) const CONTINUATION: u8 = 0x00;
pub(super) const TEXT: u8 = 0x01;
pub(super) const BINARY: u8 = 0x02;
pub(super) const CLOSE: u8 = 0x08;
pub(super) const PING: u8 = 0x09;
pub(super) const PONG: u8 = 0x0a;
pub(super) const FINAL: u8 = 0x80;
pub(super) const RSV1: u8 = 0x40;
pub(super) const RSV2: u8 = 0x20;

pub(super) const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

pub(super) async fn bind(server: HttpServer, builder: ServerBuilder) -> Listener {
    Listener::bind(builder.http_server(server).compress(true).build()).await.unwrap()
}

/// Sends an upgrade with these headers, and returns the stream and the answer's head.
pub(super) async fn upgrade(listener: &Listener, headers: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(listener.address()).await.unwrap();
    let request = format!(
        "GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-key: X\r\nsec-websocket-version: 13\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(stream.read_u8()).await.unwrap());
    }
    (stream, String::from_utf8(head).unwrap())
}

/// Returns the answer to an offer: its status, and the value of its header.
pub(super) async fn answer(listener: &Listener, headers: &str) -> (String, Option<String>) {
    let (_, head) = upgrade(listener, headers).await;
    let status = head.split(' ').nth(1).unwrap().to_owned();
    let mut lines = head.lines();
    let value = lines.find_map(|line| line.strip_prefix("sec-websocket-extensions: "));
    (status, value.map(str::to_owned))
}

/// A client of a compressed connection.
pub(super) struct Client {
    pub(super) stream: TcpStream,
    pub(super) inflater: Decompress,
    pub(super) deflater: Compress,
    pub(super) takeover: bool,
}

/// A frame of the server: its first byte, and its payload.
pub(super) type Received = (u8, Vec<u8>);

impl Client {
    pub(super) async fn connect(listener: &Listener, offer: &str) -> Self {
        let header = format!("sec-websocket-extensions: {offer}\r\n");
        let (stream, head) = upgrade(listener, &header).await;
        assert!(head.contains("sec-websocket-extensions: permessage-deflate"), "{head}");
        Client {
            stream,
            inflater: Decompress::new_with_window_bits(false, 15),
            deflater: Compress::new_with_window_bits(Compression::default(), false, 15),
            takeover: !offer.contains("no_context_takeover"),
        }
    }

    pub(super) async fn join(listener: &Listener, offer: &str) -> Self {
        let mut client = Client::connect(listener, offer).await;
        client.say(JOIN).await;
        assert_eq!(client.hear().await, JOINED);
        client
    }

    /// Sends a frame, masked with zeros.
    pub(super) async fn send(&mut self, first: u8, payload: &[u8]) {
        let mut frame = vec![first];
        match u16::try_from(payload.len()) {
            Ok(length @ ..126) => frame.push(0x80 | length as u8),
            Ok(length) => {
                frame.push(0x80 | 126);
                frame.extend(length.to_be_bytes());
            }
            Err(_) => {
                frame.push(0x80 | 127);
                frame.extend((payload.len() as u64).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        within(self.stream.write_all(&frame)).await.unwrap();
    }

    pub(super) fn compress(&mut self, message: &[u8], flush: FlushCompress) -> Vec<u8> {
        let mut wire = Vec::with_capacity(message.len() + 1024);
        self.deflater.compress_vec(message, &mut wire, flush).unwrap();
        if wire.ends_with(&TAIL) {
            wire.truncate(wire.len() - 4);
        }
        if !self.takeover {
            self.deflater.reset();
        }
        wire
    }

    /// Sends a text, compressed; returns its size on the wire.
    pub(super) async fn say(&mut self, text: &str) -> usize {
        let wire = self.compress(text.as_bytes(), FlushCompress::Sync);
        self.send(FINAL | RSV1 | TEXT, &wire).await;
        wire.len()
    }

    pub(super) async fn receive(&mut self) -> Received {
        let stream = &mut self.stream;
        within(async {
            let first = stream.read_u8().await.unwrap();
            let length = match stream.read_u8().await.unwrap() {
                126 => stream.read_u16().await.unwrap().into(),
                127 => stream.read_u64().await.unwrap(),
                length => length.into(),
            };
            let mut payload = vec![0; length as usize];
            stream.read_exact(&mut payload).await.unwrap();
            (first, payload)
        })
        .await
    }

    pub(super) fn inflate(&mut self, wire: &[u8], size: usize) -> Vec<u8> {
        let mut message = Vec::with_capacity(size + 1024);
        for part in [wire, &TAIL] {
            self.inflater.decompress_vec(part, &mut message, FlushDecompress::None).unwrap();
        }
        message
    }

    /// Receives a message, which must be compressed.
    pub(super) async fn hear_bytes(&mut self) -> Received {
        let (first, wire) = self.receive().await;
        assert_eq!(first & 0xf0, FINAL | RSV1, "{first:x}");
        (first & 0x0f, self.inflate(&wire, 1 << 20))
    }

    pub(super) async fn hear(&mut self) -> String {
        let (opcode, message) = self.hear_bytes().await;
        assert_eq!(opcode, TEXT);
        String::from_utf8(message).unwrap()
    }

    /// Receives a close frame, and returns its code.
    pub(super) async fn code(&mut self) -> u16 {
        let (first, payload) = self.receive().await;
        assert_eq!(first, FINAL | CLOSE, "{payload:?}");
        u16::from_be_bytes([payload[0], payload[1]])
    }
}
