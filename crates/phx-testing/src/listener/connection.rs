//! One client's connection: requests of long-poll, or the upgrade and then frames both ways until it ends.

use std::io;
use std::sync::Arc;

use async_tungstenite::tungstenite::Message;
use bytes::BytesMut;
use phx_proto::{ByteString, Frame};
use tokio::io::DuplexStream;
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time::timeout;

use super::batch::End;
use super::hub::{Hub, Line, Outgoing};
use super::longpoll::Requests;
use super::patience::{PATIENCE, linger};
use super::upgrade::{self, Answer, Head};
use super::wire::{Extensions, Wire};
use crate::SocketId;
use crate::faulty_pipe::{self, Faults, FaultyPipe};

/// Bytes that the pipe holds between the WebSocket and its faults.
const LINE_BUFFER: usize = 64 * 1024;

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

async fn speak(stream: DuplexStream, hub: Arc<Hub>, line: &Line) {
    let mut requests = Requests::new(stream, Arc::clone(&hub), line);
    let Ok(Some(head)) = requests.serve().await else { return };
    let (stream, buffer) = requests.into_parts();
    let upgraded = timeout(PATIENCE, upgrade(stream, buffer, &head, hub, line)).await;
    if let Ok(Ok(Some((wire, open, outgoing)))) = upgraded {
        run(wire, &open, outgoing, line).await;
    }
}

/// `None` if the client was refused.
async fn upgrade(
    mut stream: DuplexStream,
    buffer: BytesMut,
    head: &Head,
    hub: Arc<Hub>,
    line: &Line,
) -> io::Result<Option<(Wire, Open, UnboundedReceiver<Outgoing>)>> {
    let max_frame_size = hub.max_frame_size();
    let connected = head.check_method().and_then(|()| {
        let (accepted, outgoing) = hub.connect(&head.connect_request(), line)?;
        // If the client doesn't ask for an upgrade, this is dropped, and the server notices.
        let open = Open { hub, socket: accepted.socket };
        let key = head.accept_key()?;
        let extensions = Extensions::negotiate(&open.hub, head)?;
        let answer = Answer {
            key,
            protocol: accepted.protocol,
            extensions: open.hub.forged_extensions().or_else(|| extensions.answer()),
        };
        Ok((answer, extensions, open, outgoing))
    });
    match connected {
        Ok((answer, extensions, open, outgoing)) => {
            upgrade::accept(&mut stream, &answer).await?;
            let wire = extensions.wire(stream, buffer, max_frame_size).await;
            Ok(Some((wire, open, outgoing)))
        }
        Err(refusal) => {
            upgrade::refuse(&mut stream, &refusal).await?;
            Ok(None)
        }
    }
}

async fn run(mut wire: Wire, open: &Open, mut outgoing: UnboundedReceiver<Outgoing>, line: &Line) {
    let (mut closing, mut refused) = (None, false);
    loop {
        tokio::select! {
            next = outgoing.recv(), if closing.is_none() => match next {
                Some(Outgoing::Frame(frame)) => {
                    if !matches!(timeout(PATIENCE, wire.send(frame)).await, Ok(Ok(()))) {
                        return;
                    }
                }
                #[cfg(feature = "deflate")]
                Some(Outgoing::Fault(fault)) => {
                    if !matches!(timeout(PATIENCE, wire.send_fault(fault)).await, Ok(Ok(()))) {
                        return;
                    }
                }
                Some(Outgoing::Close(code, reason)) => closing = Some((code, reason)),
                Some(Outgoing::Drop) | None => {
                    line.send_modify(|faults| faults.reset_at_end = true);
                    return;
                }
            },
            (messages, end) = wire.receive(), if closing.is_none() => {
                let pinged = messages.iter().any(Message::is_ping);
                hand_over(open, messages);
                // Unread pongs would pile up.
                if pinged && !matches!(timeout(PATIENCE, wire.flush()).await, Ok(Ok(()))) {
                    return;
                }
                match end {
                    Some(End::Refused(code)) => {
                        closing = Some((code, ByteString::new()));
                        refused = true;
                    }
                    Some(End::Stream) => return,
                    None => {}
                }
            }
            else => break,
        }
    }
    if let Some((code, reason)) = closing {
        let closed = async {
            wire.close(code, &reason).await;
            if refused {
                linger(wire.stream()).await;
            }
        };
        let _ = timeout(PATIENCE, closed).await;
    }
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
