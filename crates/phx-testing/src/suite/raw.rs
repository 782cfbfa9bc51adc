//! Scripted servers over blocking sockets, without the kit's server.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use async_tungstenite::tungstenite::protocol::Role;
use async_tungstenite::tungstenite::{Message, WebSocket, accept};
use serde_json::Value;

mod session;

use session::{Session, Sessions};

/// The server's end of a connection, after the upgrade, or of a session.
pub(super) enum Raw {
    WebSocket(Box<WebSocket<TcpStream>>),
    LongPoll(Arc<Session>),
}

/// Message of the client.
pub(super) struct Sent {
    pub(super) join_ref: Value,
    pub(super) reference: Value,
    pub(super) topic: String,
    pub(super) event: String,
}

impl Sent {
    fn parse(text: &str) -> Self {
        let (join_ref, reference, topic, event, _): (_, _, _, _, Value) =
            serde_json::from_str(text).unwrap();
        Sent { join_ref, reference, topic, event }
    }

    /// A reply with this status and response.
    pub(super) fn reply(&self, status: &str, response: &str) -> String {
        let Sent { join_ref, reference, topic, .. } = self;
        format!(
            r#"[{join_ref},{reference},"{topic}","phx_reply",{{"status":"{status}","response":{response}}}]"#
        )
    }
}

type Script = dyn Fn(Raw) + Send + Sync;

/// Starts a server whose script handles each WebSocket and each session on a thread that ends with the test program.
/// Returns its URL.
pub(super) fn serve(script: impl Fn(Raw) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/socket", listener.local_addr().unwrap());
    let script: Arc<Script> = Arc::new(script);
    let sessions = Arc::new(Sessions::default());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (script, sessions) = (Arc::clone(&script), Arc::clone(&sessions));
            thread::spawn(move || {
                let _ = stream.set_nodelay(true);
                if is_long_poll(&stream) {
                    sessions.serve(&stream, |session| {
                        let script = Arc::clone(&script);
                        thread::spawn(move || script(Raw::LongPoll(session)));
                    });
                } else if let Ok(upgraded) = accept(stream) {
                    script(Raw::WebSocket(Box::new(upgraded)));
                }
            });
        }
    });
    url
}

/// Returns true if the first request on a connection is one of long-poll.
fn is_long_poll(stream: &TcpStream) -> bool {
    const BEGINNING: usize = "POST /socket/longpoll".len();
    let mut beginning = [0; BEGINNING];
    // The client sends the head in one piece.
    let length = stream.peek(&mut beginning).unwrap_or_default();
    beginning.get(..length).is_some_and(|it| it.windows(5).any(|word| word == b"/long"))
}

impl Raw {
    /// Returns the sending side of the same connection, for another thread.
    pub(super) fn sender(&self) -> Self {
        match self {
            Raw::WebSocket(socket) => {
                let stream = socket.get_ref().try_clone().unwrap();
                Raw::WebSocket(Box::new(WebSocket::from_raw_socket(stream, Role::Server, None)))
            }
            Raw::LongPoll(session) => Raw::LongPoll(Arc::clone(session)),
        }
    }

    /// Receives the next message of the client; `None` at the end.
    pub(super) fn receive(&mut self) -> Option<Sent> {
        let socket = match self {
            Raw::WebSocket(socket) => socket,
            Raw::LongPoll(session) => return Some(Sent::parse(&session.receive())),
        };
        loop {
            match socket.read().ok()? {
                Message::Text(text) => return Some(Sent::parse(&text)),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// Sends text frames, in one piece; returns false if the client has gone.
    pub(super) fn send<T: Into<String>>(&mut self, texts: impl IntoIterator<Item = T>) -> bool {
        match self {
            Raw::WebSocket(socket) => {
                let mut texts = texts.into_iter();
                texts.all(|text| socket.write(Message::text(text.into())).is_ok())
                    && socket.flush().is_ok()
            }
            Raw::LongPoll(session) => {
                session.send(texts.into_iter().map(Into::into));
                true
            }
        }
    }
}
