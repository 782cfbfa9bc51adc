//! A server for measurements: one thread, and a flood is complete in one buffer before its first byte is sent, so that
//! the figures show the client.
//!
//! It accepts any path and speaks V2. It answers `phx_join`, `phx_leave` and `heartbeat` with ok, and `echo` with the
//! push's payload. It answers `flood` `{n, size, spread, bin}` with ok and then `n` times `msg`
//! `{"i":I,"pad":"xx.."}`, to one channel or spread over all channels of the connection.

mod frames;

use std::io::Write as _;

use anyhow::Context as _;
use async_tungstenite::tungstenite::handshake::derive_accept_key;
use async_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};

use frames::Incoming;

const TEXT: OpCode = OpCode::Data(Data::Text);
const BINARY: OpCode = OpCode::Data(Data::Binary);
const CLOSE: OpCode = OpCode::Control(Control::Close);
const PING: OpCode = OpCode::Control(Control::Ping);
const PONG: OpCode = OpCode::Control(Control::Pong);

/// Serves until the process is killed. The first line of the output is the port.
pub(crate) fn run() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        writeln!(std::io::stdout(), "{}", listener.local_addr()?.port())?;
        loop {
            let (stream, _) = listener.accept().await?;
            // The client reports how a connection ended.
            spawn_local(async { drop(serve(stream).await) });
        }
    })
}

async fn serve(mut stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut received = upgrade(&mut stream).await?;
    let mut connection = Connection::default();
    loop {
        while let Some(frame) = received.next()? {
            match frame.opcode {
                TEXT => connection.take(&frame.payload)?,
                PING => frames::write(&mut connection.out, PONG, &frame.payload)?,
                CLOSE => {
                    frames::write(&mut connection.out, CLOSE, &frame.payload)?;
                    stream.write_all(&connection.out).await?;
                    return Ok(());
                }
                _ => {}
            }
        }
        stream.write_all(&connection.out).await?;
        // Frees the buffer of a flood.
        connection.out = Vec::new();
        if stream.read_buf(&mut received.buffer).await? == 0 {
            return Ok(());
        }
    }
}

/// Answers the upgrade, and returns the bytes after it.
async fn upgrade(stream: &mut TcpStream) -> anyhow::Result<Incoming> {
    let mut buffer = Vec::new();
    let end = loop {
        let end = buffer.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            break end + 4;
        }
        anyhow::ensure!(stream.read_buf(&mut buffer).await? > 0, "it left");
    };
    let rest = buffer.split_off(end);
    let head = String::from_utf8(buffer)?;
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim())
    });
    let accept = derive_accept_key(key.context("no key")?.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await?;
    Ok(Incoming { buffer: rest })
}

/// Join ref, ref, topic, event and payload. The clients here send no escapes.
type Message<'a> = (&'a RawValue, &'a RawValue, &'a str, &'a str, &'a RawValue);

#[derive(Deserialize)]
struct Flood {
    n: u64,
    size: usize,
    #[serde(default)]
    spread: bool,
    #[serde(default)]
    bin: bool,
}

#[derive(Default)]
struct Connection {
    /// Joined topics and their join refs, as JSON.
    joined: Vec<(String, String)>,
    out: Vec<u8>,
}

impl Connection {
    fn take(&mut self, text: &[u8]) -> anyhow::Result<()> {
        let (join_ref, reference, topic, event, payload): Message<'_> =
            serde_json::from_slice(text)?;
        let (join_ref, reference) = (join_ref.get(), reference.get());
        let response = if event == "echo" { payload.get() } else { "{}" };
        let reply = format!(
            r#"[{join_ref},{reference},"{topic}","phx_reply",{{"status":"ok","response":{response}}}]"#
        );
        frames::write(&mut self.out, TEXT, reply.as_bytes())?;
        match event {
            "phx_join" => self.joined.push((topic.to_owned(), join_ref.to_owned())),
            "flood" => self.flood(topic, join_ref, &serde_json::from_str(payload.get())?)?,
            _ => {}
        }
        Ok(())
    }

    fn flood(&mut self, topic: &str, join_ref: &str, flood: &Flood) -> anyhow::Result<()> {
        let pad = "x".repeat(flood.size);
        let here = vec![(topic.to_owned(), join_ref.to_owned())];
        let to = if flood.spread { &self.joined } else { &here };
        for (i, (topic, join_ref)) in (0..flood.n).zip(to.iter().cycle()) {
            if flood.bin {
                let mut frame = vec![2, u8::try_from(topic.len()).unwrap_or_default(), 3];
                frame.extend_from_slice(format!("{topic}msg{pad}").as_bytes());
                frames::write(&mut self.out, BINARY, &frame)?;
            } else {
                let text =
                    format!(r#"[{join_ref},null,"{topic}","msg",{{"i":{i},"pad":"{pad}"}}]"#);
                frames::write(&mut self.out, TEXT, text.as_bytes())?;
            }
        }
        Ok(())
    }
}
