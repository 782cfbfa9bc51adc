//! A board in memory: virtual time, a modem, and behind it a server with one room.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use phx_proto::{Frame, Message, Payload, Serializer as _, Status, V2Server};

use super::no_memory::HEAP;
use crate::Board;

pub(super) const URL: &str = "ws://phoenix:4000/socket";

/// The lines of the story, without the delays of reconnects.
pub(super) const STORY: [&str; 26] = [
    "connected",
    "joined",
    "reply ok of 2 bytes",
    "+ sensor",
    "reply ok of 8 bytes",
    "+ visitor",
    "new_msg of 902 bytes",
    "- visitor",
    "connection lost: the modem was cut",
    "connected",
    "rejoined",
    "the heartbeat had no reply in time",
    "can't connect: the dial failed",
    "can't connect: the dial failed",
    "connected",
    "rejoined",
    "reply ok of 64 bytes",
    "reply ok of 64 bytes",
    "reply ok of 64 bytes",
    "reply ok of 64 bytes",
    "reply ok of 64 bytes",
    "reply ok of 64 bytes",
    "reply ok of 64 bytes",
    "reply ok of 64 bytes",
    "closed: left",
    "disconnected",
];

/// Fills the bytes with ones.
pub(super) fn not_random(bytes: &mut [u8]) {
    bytes.fill(1);
}

pub(super) struct World {
    pub(super) uptime: Duration,
    /// What the program has shown.
    pub(super) lines: Vec<String>,
    to_program: VecDeque<u8>,
    call: Option<Call>,
    /// The command that is being typed.
    command: Vec<u8>,
    /// Successful dials so far.
    calls: u32,
    /// Dials that fail from now on.
    refusals: u32,
    written_at: Duration,
    pluses: u32,
}

/// A call to the server.
#[derive(Default)]
struct Call {
    /// Bytes of the program that make no whole request or frame yet.
    received: Vec<u8>,
    is_upgraded: bool,
    /// Nothing passes any more, and the modem doesn't notice.
    is_silent: bool,
}

impl World {
    pub(super) fn new() -> Self {
        World {
            uptime: Duration::ZERO,
            lines: Vec::new(),
            to_program: VecDeque::new(),
            call: None,
            command: Vec::new(),
            calls: 0,
            refusals: 0,
            written_at: Duration::ZERO,
            pluses: 0,
        }
    }

    fn answer(&mut self, text: &str) {
        self.to_program.extend(format!("\r\n{text}\r\n").bytes());
    }

    fn obey(&mut self) {
        let command = String::from_utf8(std::mem::take(&mut self.command)).unwrap();
        match command.as_str() {
            "ATDphoenix:4000" if self.refusals > 0 => {
                self.refusals -= 1;
                self.answer("NO CARRIER");
            }
            "ATDphoenix:4000" => {
                self.call = Some(Call::default());
                self.calls += 1;
                self.answer("CONNECT 115200");
            }
            "ATH" | "AT+CPOF" => self.answer("OK"),
            other => panic!("unknown command {other:?}"),
        }
    }

    /// Takes a byte for the server.
    fn pass(&mut self, byte: u8) {
        let Some(call) = &mut self.call else { return };
        if call.is_silent {
            return;
        }
        call.received.push(byte);
        if !call.is_upgraded {
            if call.received.ends_with(b"\r\n\r\n") {
                let request = String::from_utf8(std::mem::take(&mut call.received)).unwrap();
                call.is_upgraded = true;
                let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
                let accept = phx_websocket::accept(key.unwrap());
                self.to_program.extend(
                    format!(
                        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\n\
                         upgrade: websocket\r\nsec-websocket-accept: {accept}\r\n\r\n"
                    )
                    .bytes(),
                );
            }
            return;
        }
        let Some((opcode, payload)) = frame(&call.received) else { return };
        call.received.clear();
        match opcode {
            0x81 => self.serve(V2Server.decode(Frame::text(payload)).unwrap()),
            0x88 => {
                self.to_program.extend([0x88, 2, 3, 0xE8]);
                self.cut();
            }
            other => panic!("a frame with {other:#x}"),
        }
    }

    fn cut(&mut self) {
        self.call = None;
        self.answer("NO CARRIER");
    }

    fn serve(&mut self, message: Message) {
        let is_echo = message.event == "echo";
        let payload = if is_echo { message.payload } else { Payload::empty() };
        let reply = Message::reply(message.topic, message.reference, Status::Ok, payload)
            .with_join_ref(message.join_ref.clone());
        self.send(&reply);
        let room = |event: &'static str, payload: &str| {
            let payload = Payload::from_json_text(payload.to_owned()).unwrap();
            Message::new("room:lobby", event, payload)
        };
        if message.event == "phx_join" {
            let state = room("presence_state", r#"{"sensor":{"metas":[{"phx_ref":"a"}]}}"#);
            self.send(&state.with_join_ref(message.join_ref));
            if self.calls == 2 {
                self.refusals = 2;
                self.call.as_mut().unwrap().is_silent = true;
            }
        }
        if is_echo && self.calls == 1 {
            let visitor = r#"{"visitor":{"metas":[{"phx_ref":"b"}]}}"#;
            let text = "x".repeat(891);
            self.send(&room("presence_diff", &format!(r#"{{"joins":{visitor},"leaves":{{}}}}"#)));
            self.send(&room("new_msg", &format!(r#"{{"text":"{text}"}}"#)));
            self.send(&room("presence_diff", &format!(r#"{{"joins":{{}},"leaves":{visitor}}}"#)));
            self.cut();
        }
    }

    fn send(&mut self, message: &Message) {
        let bytes = V2Server.encode(message).unwrap().into_bytes();
        self.to_program.push_back(0x81);
        if bytes.len() < 126 {
            self.to_program.push_back(u8::try_from(bytes.len()).unwrap());
        } else {
            self.to_program.push_back(126);
            self.to_program.extend(u16::try_from(bytes.len()).unwrap().to_be_bytes());
        }
        self.to_program.extend(bytes);
    }
}

/// Returns the first byte and the payload of a client's frame that has come whole.
fn frame(bytes: &[u8]) -> Option<(u8, Vec<u8>)> {
    let (first, short) = (*bytes.first()?, usize::from(bytes.get(1)? & 0x7F));
    let (len, at) = match short {
        126 => (usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])), 4),
        len => (len, 2),
    };
    let mask = bytes.get(at..at + 4)?;
    let payload = bytes.get(at + 4..at + 4 + len)?;
    Some((first, payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()))
}

/// Keeps the heap from failing in the world, which isn't the program.
struct Paused(usize);

impl Paused {
    fn new() -> Self {
        Paused(HEAP.left.swap(0, Ordering::Relaxed))
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        HEAP.left.store(self.0, Ordering::Relaxed);
    }
}

impl Board for World {
    fn uptime(&mut self) -> Duration {
        self.uptime
    }

    fn read(&mut self) -> Option<u8> {
        self.to_program.pop_front()
    }

    fn write(&mut self, byte: u8) -> bool {
        let _paused = Paused::new();
        let was_silent = self.uptime - self.written_at >= Duration::from_secs(1);
        self.written_at = self.uptime;
        self.pluses = match byte {
            b'+' if was_silent || self.pluses > 0 => self.pluses + 1,
            _ => 0,
        };
        if self.pluses == 3 && self.call.take().is_some() {
            self.answer("OK");
        } else if self.call.is_some() {
            self.pass(byte);
        } else if byte == b'\r' {
            self.obey();
        } else {
            self.command.push(byte);
        }
        true
    }

    fn sleep(&mut self, until: Duration) {
        if self.to_program.is_empty() {
            assert_ne!(until, Duration::MAX, "it would sleep for ever");
            self.uptime = self.uptime.max(until);
            assert!(self.uptime < Duration::from_secs(60), "it hangs: {:?}", self.lines);
        }
    }

    fn log(&mut self, line: fmt::Arguments<'_>) {
        let _paused = Paused::new();
        self.lines.push(line.to_string());
    }
}
