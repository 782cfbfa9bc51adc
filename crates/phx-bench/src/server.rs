//! A server for measurements: one thread, and a flood is complete in one buffer before its first byte is sent, so that
//! the figures show the client.
//!
//! It accepts any path and speaks V2. It answers `phx_join`, `phx_leave` and `heartbeat` with ok, and `echo` with the
//! push's payload. It answers `flood` `{n, size, spread, bin}` with ok and then `n` times `msg`
//! `{"i":I,"pad":"xx.."}`, to one channel or spread over all channels of the connection. Over long-poll it answers polls
//! with up to 100 messages.

mod frames;
mod head;
mod longpoll;
mod messages;

use std::io::Write as _;

use anyhow::Context as _;
use async_tungstenite::tungstenite::handshake::derive_accept_key;
use async_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};

use frames::Incoming;
use head::{header, read_head};
use longpoll::Sessions;
use messages::{Channels, Sink};

const TEXT: OpCode = OpCode::Data(Data::Text);
const BINARY: OpCode = OpCode::Data(Data::Binary);
const CLOSE: OpCode = OpCode::Control(Control::Close);
const PING: OpCode = OpCode::Control(Control::Ping);
const PONG: OpCode = OpCode::Control(Control::Pong);

/// Serves until the process is killed. The first line of the output is the port.
pub(crate) fn run() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        writeln!(std::io::stdout(), "{}", listener.local_addr()?.port())?;
        let sessions = Sessions::default();
        loop {
            let (stream, _) = listener.accept().await?;
            let sessions = sessions.clone();
            // The client reports how a connection ended.
            spawn_local(async move { drop(serve(stream, &sessions).await) });
        }
    })
}

async fn serve(mut stream: TcpStream, sessions: &Sessions) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut received = Vec::new();
    let Some(head) = read_head(&mut stream, &mut received).await? else { return Ok(()) };
    if longpoll::is_request(&head) {
        return longpoll::serve(stream, (head, received), sessions).await;
    }
    stream.write_all(upgrade(&head)?.as_bytes()).await?;
    let mut received = Incoming { buffer: received };
    let (mut channels, mut out) = (Channels::default(), Frames::default());
    loop {
        while let Some(frame) = received.next()? {
            match frame.opcode {
                TEXT => channels.take(&frame.payload, &mut out)?,
                PING => frames::write(&mut out.0, PONG, &frame.payload)?,
                CLOSE => {
                    frames::write(&mut out.0, CLOSE, &frame.payload)?;
                    stream.write_all(&out.0).await?;
                    return Ok(());
                }
                _ => {}
            }
        }
        stream.write_all(&out.0).await?;
        // Frees the buffer of a flood.
        out.0 = Vec::new();
        if stream.read_buf(&mut received.buffer).await? == 0 {
            return Ok(());
        }
    }
}

/// Returns the answer to an upgrade.
fn upgrade(head: &str) -> anyhow::Result<String> {
    let key = header(head, "sec-websocket-key").context("no key")?;
    let accept = derive_accept_key(key.as_bytes());
    Ok(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ))
}

/// Messages as frames of a WebSocket, one after the other.
#[derive(Default)]
struct Frames(Vec<u8>);

impl Sink for Frames {
    fn text(&mut self, text: String) -> anyhow::Result<()> {
        frames::write(&mut self.0, TEXT, text.as_bytes())
    }

    fn binary(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        frames::write(&mut self.0, BINARY, bytes)
    }
}
