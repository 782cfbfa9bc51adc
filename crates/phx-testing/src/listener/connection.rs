//! One client's connection: the upgrade, then frames both ways until it ends.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tokio::TokioAdapter;
use async_tungstenite::tungstenite::error::{CapacityError, Error};
use async_tungstenite::tungstenite::protocol::frame::Frame as WebSocketFrame;
use async_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use async_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use async_tungstenite::tungstenite::{Message, Utf8Bytes};
use bytes::BytesMut;
use futures::{FutureExt, SinkExt, StreamExt};
use phx_proto::{ByteString, CloseCode, Frame};
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time::timeout;

use super::hub::{Hub, Outgoing};
use super::upgrade;
use crate::SocketId;
use crate::faulty_pipe::{self, Faults, FaultyPipe};

/// Time limit of an upgrade, a frame or a close, after which the connection is dropped.
const PATIENCE: Duration = Duration::from_secs(30);

/// Time without data, after a refused frame, after which the connection ends.
const LINGER: Duration = Duration::from_secs(1);

type Stream = WebSocketStream<TokioAdapter<DuplexStream>>;

/// Bytes that the pipe holds between the WebSocket and its faults.
const LINE_BUFFER: usize = 64 * 1024;

/// Largest number of a client's messages that are passed to the server together.
const MAX_TOGETHER: usize = 64;

/// The bytes that a line takes before its sender has to wait.
const LINE_CAPACITY: usize = 16 * 1024 * 1024;

/// A connection that the server knows. The server notices any end of its task.
struct Open {
    hub: Arc<Hub>,
    socket: SocketId,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.hub.disconnected(self.socket);
    }
}

pub(super) async fn serve(stream: TcpStream, hub: Arc<Hub>) {
    // Without it small frames wait for each other; it fails only on a dead connection.
    let _ = stream.set_nodelay(true);
    let (here, there) = tokio::io::duplex(LINE_BUFFER);
    let (line, faults) = watch::channel(hub.faults());
    tokio::join!(carry(stream, there, faults), speak(here, hub, &line));
}

async fn carry(mut stream: TcpStream, server: DuplexStream, faults: watch::Receiver<Faults>) {
    let line = FaultyPipe {
        faults,
        passed: Arc::default(),
        capacity: LINE_CAPACITY,
        server_ends_both: true,
        altered: || {},
    };
    if faulty_pipe::carry(stream.split(), tokio::io::split(server), line).await.is_reset() {
        // The peer gets a reset at once instead of an orderly end.
        let _ = stream.set_zero_linger();
    }
}

async fn speak(stream: DuplexStream, hub: Arc<Hub>, line: &watch::Sender<Faults>) {
    let upgraded = timeout(PATIENCE, upgrade(stream, hub, line)).await;
    if let Ok(Ok(Some((stream, open, outgoing)))) = upgraded {
        run(stream, &open, outgoing, line).await;
    }
}

/// `None` if the client was refused.
async fn upgrade(
    mut stream: DuplexStream,
    hub: Arc<Hub>,
    line: &watch::Sender<Faults>,
) -> io::Result<Option<(Stream, Open, UnboundedReceiver<Outgoing>)>> {
    let mut buffer = BytesMut::new();
    let max_frame_size = hub.max_frame_size();
    let head = upgrade::read_head(&mut stream, &mut buffer).await?;
    let connected = head.check_method().and_then(|()| {
        let (accepted, outgoing) = hub.connect(&head.connect_request(), line)?;
        // If the client doesn't ask for an upgrade, this is dropped, and the server notices.
        let open = Open { hub, socket: accepted.socket };
        head.accept_key().map(|key| (key, accepted.protocol, open, outgoing))
    });
    match connected {
        Ok((key, protocol, open, outgoing)) => {
            upgrade::accept(&mut stream, &key, protocol).await?;
            let stream = WebSocketStream::from_partially_read(
                TokioAdapter::new(stream),
                buffer.to_vec(),
                Role::Server,
                Some(config(max_frame_size)),
            );
            Ok(Some((stream.await, open, outgoing)))
        }
        Err(refusal) => {
            upgrade::refuse(&mut stream, &refusal).await?;
            Ok(None)
        }
    }
}

/// A frame over the limit is refused after its header, and fragments once their sum is over it: nothing of a
/// message over the limit is gathered.
fn config(max_frame_size: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .write_buffer_size(16 * 1024)
        .max_message_size(Some(max_frame_size))
        .max_frame_size(Some(max_frame_size))
}

async fn run(
    mut stream: Stream,
    open: &Open,
    mut outgoing: UnboundedReceiver<Outgoing>,
    line: &watch::Sender<Faults>,
) {
    let (mut closing, mut refused) = (None, false);
    loop {
        tokio::select! {
            next = outgoing.recv(), if closing.is_none() => match next {
                Some(Outgoing::Frame(frame)) => {
                    let sent = stream.send(message(frame));
                    if !matches!(timeout(PATIENCE, sent).await, Ok(Ok(()))) {
                        return;
                    }
                }
                Some(Outgoing::Close(code, reason)) => closing = Some((code, reason)),
                Some(Outgoing::Drop) | None => {
                    line.send_modify(|faults| faults.reset_at_end = true);
                    return;
                }
            },
            (messages, end) = receive(&mut stream), if closing.is_none() => {
                let pinged = messages.iter().any(Message::is_ping);
                hand_over(open, messages);
                // Unread pongs would pile up.
                if pinged && !matches!(timeout(PATIENCE, stream.flush()).await, Ok(Ok(()))) {
                    return;
                }
                match end {
                    Some(End::Error(error)) => match code_of(&error) {
                        Some(code) => {
                            closing = Some((code, ByteString::new()));
                            refused = true;
                        }
                        None => return,
                    },
                    Some(End::Stream) => return,
                    None => {}
                }
            }
            else => break,
        }
    }
    if let Some((code, reason)) = closing {
        let closed = async {
            close(&mut stream, code, &reason).await;
            if refused {
                linger(stream.get_mut().get_mut()).await;
            }
        };
        let _ = timeout(PATIENCE, closed).await;
    }
}

/// End of a client's messages.
enum End {
    Stream,
    Error(Error),
}

/// Receives the messages that are ready, and the end if it is behind them; it waits for the first alone, so
/// dropping the future loses nothing.
async fn receive(stream: &mut Stream) -> (Vec<Message>, Option<End>) {
    let (mut messages, mut bytes) = (Vec::new(), 0_usize);
    let mut next = Some(stream.next().await);
    while let Some(received) = next {
        match received {
            Some(Ok(message)) => {
                bytes = bytes.saturating_add(message.len());
                let is_last =
                    message.is_close() || messages.len() >= MAX_TOGETHER || bytes >= LINE_BUFFER;
                messages.push(message);
                if is_last {
                    break;
                }
            }
            Some(Err(error)) => return (messages, Some(End::Error(error))),
            None => return (messages, Some(End::Stream)),
        }
        next = stream.next().now_or_never();
    }
    (messages, None)
}

fn hand_over(open: &Open, messages: Vec<Message>) {
    let socket = open.socket;
    open.hub.with(|server, now| {
        let mut frames = Vec::new();
        for message in messages {
            match message {
                Message::Text(text) => frames.push(Frame::text(bytes::Bytes::from(text))),
                Message::Binary(data) => frames.push(Frame::binary(data)),
                Message::Close(_) => {
                    server.handle_frames(now, socket, frames.drain(..));
                    server.handle_close(now, socket);
                }
                _ => server.handle_ping(now, socket),
            }
        }
        server.handle_frames(now, socket, frames);
    });
}

/// Sends a close frame, or flushes the answer to the client's, and waits for the end.
async fn close(stream: &mut Stream, code: CloseCode, reason: &str) {
    let reason = Utf8Bytes::from(shortened(reason));
    let frame = CloseFrame { code: code.as_u16().into(), reason };
    // It fails if the client closed first; reading on answers its close frame.
    let _ = stream.close(Some(frame)).await;
    while let Some(Ok(_)) = stream.next().await {}
}

/// Drops the rest of a refused frame: an early end would reset the connection, and the client might miss the close
/// frame.
async fn linger(stream: &mut DuplexStream) {
    let mut dropped = [0; 4096];
    while let Ok(Ok(1..)) = timeout(LINGER, stream.read(&mut dropped)).await {}
}

/// Cuts a reason to the length that a close frame carries.
fn shortened(reason: &str) -> &str {
    let end = (0..=CloseCode::MAX_REASON).rev().find(|end| reason.is_char_boundary(*end));
    end.and_then(|end| reason.get(..end)).unwrap_or_default()
}

/// Returns the close code for a frame that the WebSocket library refused.
fn code_of(error: &Error) -> Option<CloseCode> {
    match error {
        Error::Utf8(_) => Some(CloseCode::from_u16(1007)),
        Error::Capacity(CapacityError::MessageTooLong { .. }) => Some(CloseCode::TOO_BIG),
        Error::Protocol(_) => Some(CloseCode::from_u16(1002)),
        _ => None,
    }
}

/// Text isn't checked: a test may want to send garbage.
fn message(frame: Frame) -> Message {
    match frame {
        Frame::Text(text) => {
            let opcode = OpCode::Data(Data::Text);
            Message::Frame(WebSocketFrame::message(text, opcode, true))
        }
        Frame::Binary(data) => Message::Binary(data),
    }
}
