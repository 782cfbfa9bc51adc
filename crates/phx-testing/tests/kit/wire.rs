//! A server with its connections, tested with text frames.

use std::time::Duration;

use phx_proto::{Frame, Instant};
use phx_testing::{Action, ConnectRequest, Server, SocketId};

pub(crate) struct Wire {
    pub(crate) server: Server,
    pub(crate) now: Instant,
}

impl Wire {
    pub(crate) fn new(server: Server) -> Self {
        Wire { server, now: Instant::EPOCH }
    }

    pub(crate) fn connect(&mut self, query: &str) -> SocketId {
        let request = ConnectRequest::new(&format!("/socket/websocket?{query}"));
        self.server.connect(self.now, &request).unwrap().socket
    }

    pub(crate) fn open(&mut self) -> SocketId {
        self.connect("vsn=2.0.0")
    }

    /// Opens a connection that has joined `room:a`.
    pub(crate) fn join(&mut self) -> SocketId {
        let socket = self.open();
        self.sent(socket, JOIN);
        socket
    }

    pub(crate) fn send(&mut self, socket: SocketId, text: &str) {
        let frame = Frame::text(text.to_owned());
        self.server.handle_frame(self.now, socket, frame);
    }

    /// Sends a frame on a connection, and drops the answers.
    pub(crate) fn sent(&mut self, socket: SocketId, text: &str) {
        self.send(socket, text);
        self.answers();
    }

    pub(crate) fn advance(&mut self, milliseconds: u64) {
        self.now = self.now + Duration::from_millis(milliseconds);
        self.server.handle_timeout(self.now);
    }

    /// Returns the server's output on all connections since the last call: text, escaped binary, `close` and its code, or
    /// `drop`.
    pub(crate) fn answers(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.server.poll_action())
            .map(|action| match action {
                Action::Send { frame: Frame::Text(text), .. } => {
                    String::from_utf8(text.to_vec()).unwrap()
                }
                Action::Send { frame, .. } => frame.as_bytes().escape_ascii().to_string(),
                Action::Close { code, .. } => format!("close {code}"),
                Action::Drop { .. } => "drop".to_owned(),
                other => panic!("{other:?}"),
            })
            .collect()
    }
}

pub(crate) const JOIN: &str = r#"["1","1","room:a","phx_join",{}]"#;
pub(crate) const JOINED: &str = r#"["1","1","room:a","phx_reply",{"response":{},"status":"ok"}]"#;
pub(crate) const CRASHED: &str = r#"["1","1","room:a","phx_error",{"reason":"channel_crash"}]"#;
pub(crate) const CLOSED: &str = r#"["1","1","room:a","phx_close",{}]"#;
