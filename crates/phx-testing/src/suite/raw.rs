//! Scripted servers over blocking sockets, without the kit's server.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use async_tungstenite::tungstenite::protocol::Role;
use async_tungstenite::tungstenite::{Message, WebSocket, accept};
use serde_json::Value;

/// The server's end of a connection, after the upgrade.
pub(super) struct Raw(WebSocket<TcpStream>);

/// Message of the client.
pub(super) struct Sent {
    pub(super) join_ref: Value,
    pub(super) reference: Value,
    pub(super) topic: String,
    pub(super) event: String,
}

impl Sent {
    /// A reply with this status and response.
    pub(super) fn reply(&self, status: &str, response: &str) -> String {
        let Sent { join_ref, reference, topic, .. } = self;
        format!(
            r#"[{join_ref},{reference},"{topic}","phx_reply",{{"status":"{status}","response":{response}}}]"#
        )
    }
}

/// Starts a server whose script handles each connection on a thread that ends with the test program. Returns its
/// URL.
pub(super) fn serve(script: impl Fn(Raw) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/socket", listener.local_addr().unwrap());
    let script = Arc::new(script);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let script = Arc::clone(&script);
            thread::spawn(move || {
                let _ = stream.set_nodelay(true);
                if let Ok(upgraded) = accept(stream) {
                    script(Raw(upgraded));
                }
            });
        }
    });
    url
}

impl Raw {
    /// Returns the sending side of the same connection, for another thread.
    pub(super) fn sender(&self) -> Self {
        let stream = self.0.get_ref().try_clone().unwrap();
        Raw(WebSocket::from_raw_socket(stream, Role::Server, None))
    }

    /// Receives the next message of the client; `None` at the end.
    pub(super) fn receive(&mut self) -> Option<Sent> {
        loop {
            match self.0.read().ok()? {
                Message::Text(text) => {
                    let (join_ref, reference, topic, event, _): (_, _, _, _, Value) =
                        serde_json::from_str(&text).unwrap();
                    return Some(Sent { join_ref, reference, topic, event });
                }
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// Sends text frames, in one piece; returns false if the client has gone.
    pub(super) fn send<T: Into<String>>(&mut self, texts: impl IntoIterator<Item = T>) -> bool {
        texts.into_iter().all(|text| self.0.write(Message::text(text.into())).is_ok())
            && self.0.flush().is_ok()
    }
}
