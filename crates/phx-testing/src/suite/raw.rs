//! Servers that are scripts: frames as bytes over blocking sockets, without the kit's own server.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use async_tungstenite::tungstenite::handshake::derive_accept_key;
use serde_json::Value;

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;

/// The server's end of a connection, after the upgrade.
pub(super) struct Raw {
    stream: TcpStream,
}

/// What a client sent.
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

/// A server whose script handles each connection on a thread that ends with the test program. Gives its
/// URL.
pub(super) fn serve(script: impl Fn(Raw) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/socket", listener.local_addr().unwrap());
    let script = Arc::new(script);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let script = Arc::clone(&script);
            thread::spawn(move || {
                if let Some(raw) = Raw::upgraded(stream) {
                    script(raw);
                }
            });
        }
    });
    url
}

impl Raw {
    fn upgraded(mut stream: TcpStream) -> Option<Self> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).ok()?;
            head.extend(byte);
        }
        let head = String::from_utf8(head).ok()?;
        let key = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim().to_owned())
        })?;
        let accept = derive_accept_key(key.as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-accept: {accept}\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).ok()?;
        stream.set_nodelay(true).ok()?;
        Some(Raw { stream })
    }

    /// The same connection, for another thread.
    pub(super) fn share(&self) -> Self {
        Raw { stream: self.stream.try_clone().unwrap() }
    }

    /// The next message of the client; `None` at the end.
    pub(super) fn receive(&mut self) -> Option<Sent> {
        loop {
            let (first, payload) = self.frame()?;
            match first {
                TEXT => {
                    let parts: Vec<Value> = serde_json::from_slice(&payload).unwrap();
                    let text = |index: usize| parts[index].as_str().unwrap().to_owned();
                    let (topic, event) = (text(2), text(3));
                    let (join_ref, reference) = (parts[0].clone(), parts[1].clone());
                    return Some(Sent { join_ref, reference, topic, event });
                }
                CLOSE => return None,
                _ => {}
            }
        }
    }

    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).ok()?;
        let len = match head[1] & 0x7f {
            126 => {
                let mut len = [0; 2];
                self.stream.read_exact(&mut len).ok()?;
                usize::from(u16::from_be_bytes(len))
            }
            len => usize::from(len),
        };
        let mut mask = [0; 4];
        self.stream.read_exact(&mut mask).ok()?;
        let mut payload = vec![0; len];
        self.stream.read_exact(&mut payload).ok()?;
        for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= mask;
        }
        Some((head[0], payload))
    }

    /// Sends text frames, in one piece; false if the client has gone.
    pub(super) fn send<T: AsRef<str>>(&mut self, texts: impl IntoIterator<Item = T>) -> bool {
        let mut bytes = Vec::new();
        for text in texts {
            frame(TEXT, text.as_ref().as_bytes(), &mut bytes);
        }
        self.stream.write_all(&bytes).is_ok()
    }

    /// Sends a close frame, and ends the connection.
    pub(super) fn close(mut self, code: u16) {
        let mut bytes = Vec::new();
        frame(CLOSE, &code.to_be_bytes(), &mut bytes);
        // A client that has gone needs none.
        let _ = self.stream.write_all(&bytes);
    }
}

/// A frame that isn't masked, of less than 64 KiB.
fn frame(first: u8, payload: &[u8], to: &mut Vec<u8>) {
    to.push(first);
    match u8::try_from(payload.len()) {
        Ok(len) if len < 126 => to.push(len),
        _ => {
            to.push(126);
            to.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        }
    }
    to.extend(payload);
}
