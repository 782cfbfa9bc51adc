//! The server's end of a connection: it attacks, and answers heartbeats and joins in the meantime, as far as the
//! case says.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use async_tungstenite::tungstenite::handshake::derive_accept_key;
use async_tungstenite::tungstenite::protocol::Role;
use async_tungstenite::tungstenite::{Error, Message, WebSocket};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::times::ATTACK;
use super::wire::{self, FINAL, PING};

/// Time between checks for the attack's end.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Time between two bytes of a slow answer.
const DRIP_EVERY: Duration = Duration::from_millis(5);

/// Bytes of a flood that are sent together, and the largest number of such parts that the client has yet to read.
const CHUNK: usize = 64 << 10;
const CHUNKS_AHEAD: u64 = 2;

/// Bytes that the kernel takes before the client has.
const SEND_BUFFER: usize = 64 << 10;
const LARGE_SEND_BUFFER: usize = 4 << 20;

/// The server's record of the client.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) connections: u64,
    pub(super) heartbeats: u64,
    /// The longest time without a heartbeat while a connection was open.
    pub(super) longest_silence_ms: u64,
    /// True if a message couldn't be sent in time.
    pub(super) unfinished: bool,
}

/// A connection, as its attack sees it.
pub(super) struct Peer {
    stream: TcpStream,
    heard: Arc<Heard>,
    until: Instant,
    over: Arc<AtomicBool>,
    unfinished: bool,
    /// Parts of a flood that were sent.
    chunks: u64,
}

/// Messages of the client.
#[derive(Default)]
struct Heard {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Queued answers to heartbeats, in bytes.
    answers: Vec<u8>,
    requests: VecDeque<Request>,
    heartbeats: Vec<Instant>,
    /// Number of the last part of a flood that the client has read.
    pong: u64,
    /// Time at which the client closed or ended the connection.
    gone: Option<Instant>,
    /// True if the server reads nothing more.
    deaf: bool,
}

/// A message of the client that isn't a heartbeat.
#[derive(Debug)]
pub(super) struct Request {
    join_ref: Value,
    reference: Value,
    topic: String,
    event: String,
}

impl Request {
    /// Returns the reply to the request.
    pub(super) fn reply(&self, status: &str, response: &str) -> Vec<u8> {
        let Request { join_ref, reference, topic, .. } = self;
        wire::text(&format!(
            r#"[{join_ref},{reference},"{topic}","phx_reply",{{"status":"{status}","response":{response}}}]"#
        ))
    }

    /// Returns a message on the request's topic.
    pub(super) fn message(&self, event: &str, payload: &str) -> Vec<u8> {
        let Request { join_ref, topic, .. } = self;
        wire::text(&format!(r#"[{join_ref},null,"{topic}","{event}",{payload}]"#))
    }
}

impl Peer {
    /// The attack also ends when `over` is set.
    pub(super) fn new(stream: TcpStream, over: &Arc<AtomicBool>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LOOK_EVERY))?;
        stream.set_write_timeout(Some(LOOK_EVERY))?;
        // Or answers to heartbeats would wait behind megabytes in the kernel.
        #[cfg(unix)]
        rustix::net::sockopt::set_socket_send_buffer_size(&stream, SEND_BUFFER)?;
        let until = Instant::now() + ATTACK;
        let over = Arc::clone(over);
        Ok(Peer { stream, heard: Arc::default(), until, over, unfinished: false, chunks: 0 })
    }

    /// Returns true if there is time left for the attack. A flood doesn't end because the client closes.
    fn has_time(&self) -> bool {
        Instant::now() < self.until && !self.over.load(Ordering::Relaxed)
    }

    /// Returns true if there is time left and a client.
    fn goes_on(&self) -> bool {
        self.has_time() && self.heard.lock().gone.is_none()
    }

    fn check(&self) -> io::Result<()> {
        if self.has_time() { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
    }

    /// Reads the head of the client's request, and returns it.
    pub(super) fn request(&mut self) -> io::Result<String> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            self.check()?;
            match self.stream.read(&mut byte) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => head.extend(byte),
                Err(error) if is_timeout(&error) => {}
                Err(error) => return Err(error),
            }
        }
        String::from_utf8(head).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    /// Answers a request for an upgrade with this status line and its headers.
    pub(super) fn upgrade_with(&mut self, status: &str) -> io::Result<()> {
        let request = self.request()?;
        let is_key = |line: &&str| line.to_ascii_lowercase().starts_with("sec-websocket-key:");
        let key = request.lines().find(is_key).and_then(|line| line.split(':').nth(1));
        let accept = derive_accept_key(key.unwrap_or_default().trim().as_bytes());
        // As offered, but for the client's window.
        let extension = match request.contains("permessage-deflate") {
            true => "sec-websocket-extensions: permessage-deflate\r\n",
            false => "",
        };
        let head = format!(
            "{status}\r\n{extension}upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n"
        );
        self.send(head.as_bytes())
    }

    /// Upgrades the connection, and reads nothing from then on.
    pub(super) fn upgrade_deaf(&mut self) -> io::Result<()> {
        self.upgrade_with("HTTP/1.1 101 Switching Protocols")
    }

    /// Upgrades the connection, and reads from the client from then on.
    pub(super) fn upgrade(&mut self) -> io::Result<()> {
        self.upgrade_deaf()?;
        let (stream, heard, until) =
            (self.stream.try_clone()?, Arc::clone(&self.heard), self.until);
        thread::spawn(move || {
            listen(stream, &heard, until);
            if !heard.lock().deaf {
                heard.gone();
            }
        });
        Ok(())
    }

    /// Stops reading.
    pub(super) fn stop_reading(&self) {
        self.heard.lock().deaf = true;
    }

    /// Upgrades, and returns the peer.
    pub(super) fn upgraded(&mut self) -> io::Result<&mut Self> {
        self.upgrade()?;
        Ok(self)
    }

    /// Upgrades, accepts the client's join, and returns the peer.
    pub(super) fn joined(&mut self) -> io::Result<&mut Self> {
        self.join()?;
        Ok(self)
    }

    /// Upgrades, and accepts the client's join.
    pub(super) fn join(&mut self) -> io::Result<Request> {
        self.upgrade()?;
        let join = self.next("phx_join")?;
        self.send(&join.reply("ok", "{}"))?;
        Ok(join)
    }

    /// Receives the client's next message with this event, and answers heartbeats until then.
    pub(super) fn next(&mut self, event: &str) -> io::Result<Request> {
        loop {
            if !self.goes_on() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let request = self.heard.wait(|state| state.requests.pop_front());
            self.answer()?;
            match request {
                Some(request) if event == request.event => return Ok(request),
                _ => {}
            }
        }
    }

    /// Answers each of the client's messages with this event, while the client is there.
    pub(super) fn answer_each(
        &mut self,
        event: &str,
        answer: impl Fn(&Request) -> Vec<u8>,
    ) -> io::Result<()> {
        loop {
            let request = self.next(event)?;
            self.send(&answer(&request))?;
        }
    }

    /// Makes a large message, which may take a while, and sends it. Answers heartbeats during that.
    pub(super) fn send_large(&mut self, make: impl FnOnce() -> Vec<u8> + Send) -> io::Result<()> {
        self.unfinished = true;
        let made = thread::scope(|scope| {
            let making = scope.spawn(make);
            while !making.is_finished() {
                self.heard.wait(|state| (!state.answers.is_empty()).then_some(()));
                self.answer()?;
            }
            making.join().map_err(|_| io::Error::from(io::ErrorKind::Other))
        })?;
        self.answer()?;
        // A larger send buffer in the kernel is quicker, and nothing follows this message for a while.
        #[cfg(unix)]
        rustix::net::sockopt::set_socket_send_buffer_size(&self.stream, LARGE_SEND_BUFFER)?;
        let sent = self.send_only(&made);
        // A client that has gone before the end has seen enough of it.
        self.unfinished = sent.as_ref().is_err_and(is_timeout);
        sent
    }

    /// Answers heartbeats until the attack is over.
    pub(super) fn idle(&mut self) -> io::Result<()> {
        while self.goes_on() {
            self.heard.wait(|state| (!state.answers.is_empty()).then_some(()));
            self.answer()?;
        }
        Ok(())
    }

    /// Sends nothing more until the attack is over.
    pub(super) fn be_silent(&mut self) -> io::Result<()> {
        while self.has_time() {
            self.heard.wait(|_| None::<()>);
        }
        Ok(())
    }

    fn answer(&mut self) -> io::Result<()> {
        let answers = std::mem::take(&mut self.heard.lock().answers);
        self.send_only(&answers)
    }

    /// Sends whole messages, after the queued answers.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.answer()?;
        self.send_only(bytes)
    }

    /// Sends bytes amid a message: answers to heartbeats must wait.
    pub(super) fn send_only(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.check()?;
            match self.stream.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(error) if is_timeout(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends the same bytes repeatedly, and answers heartbeats in between.
    pub(super) fn flood(&mut self, bytes: &[u8]) -> io::Result<()> {
        let many = bytes.repeat(CHUNK / bytes.len().max(1) + 1);
        while self.has_time() {
            self.send_chunk(&many)?;
        }
        Ok(())
    }

    /// Sends the same bytes repeatedly, of which much comes: each time is a part of the flood.
    pub(super) fn flood_in_parts(&mut self, bytes: &[u8]) -> io::Result<()> {
        while self.has_time() {
            self.send_chunk(bytes)?;
        }
        Ok(())
    }

    /// Sends a part of a flood, so early that the client always has something to read, and so late that the answers
    /// to its heartbeats don't wait behind megabytes in the kernel: the client answers pings when it reads them.
    fn send_chunk(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.chunks += 1;
        self.send(bytes)?;
        self.send_only(&wire::frame(FINAL | PING, &self.chunks.to_be_bytes()))?;
        let last = self.chunks - CHUNKS_AHEAD.min(self.chunks);
        while self.has_time() && self.heard.lock().pong < last {
            self.heard
                .wait(|state| (state.pong >= last || !state.answers.is_empty()).then_some(()));
            self.answer()?;
        }
        Ok(())
    }

    /// The same, amid a message.
    pub(super) fn flood_only(&mut self, bytes: &[u8]) -> io::Result<()> {
        let many = bytes.repeat(CHUNK / bytes.len().max(1) + 1);
        while self.has_time() {
            self.send_only(&many)?;
        }
        Ok(())
    }

    /// Sends the results of `next` for the numbers from 0, many at a time.
    pub(super) fn flood_with(&mut self, mut next: impl FnMut(usize) -> Vec<u8>) -> io::Result<()> {
        let mut number = 0;
        while self.has_time() {
            let mut many = Vec::new();
            while many.len() < CHUNK {
                many.extend(next(number));
                number += 1;
            }
            self.send_chunk(&many)?;
        }
        Ok(())
    }

    /// Sends a byte every 5 ms: these, then the last one repeatedly.
    pub(super) fn drip(&mut self, bytes: &[u8]) -> io::Result<()> {
        let last = bytes.last().copied().unwrap_or_default();
        for byte in bytes.iter().copied().chain(std::iter::repeat(last)) {
            self.drip_one(byte)?;
        }
        Ok(())
    }

    /// Sends a byte, and waits 5 ms.
    pub(super) fn drip_one(&mut self, byte: u8) -> io::Result<()> {
        self.send_only(&[byte])?;
        self.heard.wait_for(DRIP_EVERY, |_| None::<()>);
        Ok(())
    }

    /// Ends the sending side, and continues to read.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Returns the connection's report.
    pub(super) fn report(&self) -> Report {
        let state = self.heard.lock();
        let opened = self.until.checked_sub(ATTACK).unwrap_or(self.until);
        let gone = state.gone.unwrap_or_else(Instant::now);
        let mut silence = Duration::ZERO;
        let mut last = opened;
        for at in state.heartbeats.iter().copied().chain([gone]) {
            silence = silence.max(at.saturating_duration_since(last));
            last = at;
        }
        Report {
            connections: 1,
            heartbeats: state.heartbeats.len() as u64,
            longest_silence_ms: silence.as_millis() as u64,
            unfinished: self.unfinished,
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

fn listen(stream: TcpStream, heard: &Heard, until: Instant) {
    let mut client = WebSocket::from_raw_socket(ReadOnly(stream), Role::Server, None);
    while Instant::now() < until && !heard.lock().deaf {
        match client.read() {
            Ok(Message::Text(text)) => heard.message(text.as_bytes()),
            Ok(Message::Pong(payload)) => heard.pong(&payload),
            Ok(_) => {}
            Err(Error::Io(error)) if is_timeout(&error) => {}
            // After any error there is nothing more to read.
            Err(_) => return,
        }
    }
}

/// Stream that only reads: the attack alone writes.
struct ReadOnly(TcpStream);

impl Read for ReadOnly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for ReadOnly {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Heard {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits a moment until `look` returns a value.
    fn wait<T>(&self, look: impl Fn(&mut State) -> Option<T>) -> Option<T> {
        self.wait_for(LOOK_EVERY, look)
    }

    fn wait_for<T>(&self, time: Duration, look: impl Fn(&mut State) -> Option<T>) -> Option<T> {
        let mut state = self.lock();
        if let Some(found) = look(&mut state) {
            return Some(found);
        }
        let waited = self.changed.wait_timeout(state, time);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        look(&mut state)
    }

    fn gone(&self) {
        self.lock().gone.get_or_insert_with(Instant::now);
        self.changed.notify_all();
    }

    fn pong(&self, payload: &[u8]) {
        if let Ok(chunk) = payload.try_into() {
            self.lock().pong = u64::from_be_bytes(chunk);
            self.changed.notify_all();
        }
    }

    fn message(&self, payload: &[u8]) {
        let Ok((join_ref, reference, topic, event, _)) =
            serde_json::from_slice::<(Value, Value, String, String, Value)>(payload)
        else {
            return;
        };
        let request = Request { join_ref, reference, topic, event };
        let mut state = self.lock();
        if request.topic == "phoenix" {
            state.heartbeats.push(Instant::now());
            state.answers.extend(request.reply("ok", "{}"));
        } else {
            state.requests.push_back(request);
        }
        drop(state);
        self.changed.notify_all();
    }
}
