//! Long-poll sessions of scripted servers.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

/// Time after which a poll without messages is answered.
const WINDOW: Duration = Duration::from_secs(10);

/// The sessions of one server, by their tokens.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Arc<Session>>>);

#[derive(Default)]
pub(in crate::suite) struct Session {
    messages: Mutex<Messages>,
    changed: Condvar,
}

#[derive(Default)]
struct Messages {
    to_client: Vec<String>,
    to_server: VecDeque<String>,
}

/// A request of the client.
struct Request {
    is_post: bool,
    token: Option<String>,
    body: String,
}

impl Sessions {
    /// Answers the requests on a connection until its end. Calls `start` for each new session.
    pub(super) fn serve(&self, stream: &TcpStream, start: impl Fn(Arc<Session>)) {
        let mut reader = BufReader::new(stream);
        while let Some(request) = Request::read(&mut reader) {
            let answer = self.answer(&request, &start).to_string();
            let length = answer.len();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{answer}");
            let mut stream = stream;
            if stream.write_all(head.as_bytes()).is_err() {
                return;
            }
        }
    }

    fn answer(&self, request: &Request, start: &impl Fn(Arc<Session>)) -> Value {
        let mut sessions = lock(&self.0);
        let session = request.token.as_ref().and_then(|token| sessions.get(token).cloned());
        let Some(session) = session else {
            let token = format!("token-{}", sessions.len());
            let session = Arc::<Session>::default();
            sessions.insert(token.clone(), Arc::clone(&session));
            start(session);
            return json!({ "status": 410, "token": token, "messages": [] });
        };
        drop(sessions);
        if request.is_post {
            let lines = request.body.lines().map(str::to_owned);
            session.change(|messages| messages.to_server.extend(lines));
            return json!({ "status": 200 });
        }
        let messages = session.poll();
        let status = if messages.is_empty() { 204 } else { 200 };
        json!({ "status": status, "token": request.token, "messages": messages })
    }
}

impl Request {
    /// Reads a request; `None` at the end of the connection.
    fn read(reader: &mut BufReader<&TcpStream>) -> Option<Self> {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        let is_post = line.starts_with("POST ");
        let (mut token, mut length) = (None, 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.split_once(':') else { break };
            match &*name.to_ascii_lowercase() {
                "x-phoenix-longpoll-token" => token = Some(value.trim().to_owned()),
                "content-length" => length = value.trim().parse().ok()?,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        Some(Request { is_post, token, body: String::from_utf8(body).ok()? })
    }
}

impl Session {
    /// Waits for the next message of the client.
    pub(super) fn receive(&self) -> String {
        let messages = lock(&self.messages);
        let is_empty = |messages: &mut Messages| messages.to_server.is_empty();
        let waited = self.changed.wait_while(messages, is_empty);
        let mut messages = waited.unwrap_or_else(PoisonError::into_inner);
        messages.to_server.pop_front().unwrap_or_default()
    }

    /// Sends messages with the next answer to a poll.
    pub(super) fn send(&self, texts: impl Iterator<Item = String>) {
        self.change(|messages| messages.to_client.extend(texts));
    }

    fn poll(&self) -> Vec<String> {
        let messages = lock(&self.messages);
        let is_empty = |messages: &mut Messages| messages.to_client.is_empty();
        let waited = self.changed.wait_timeout_while(messages, WINDOW, is_empty);
        let (mut messages, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut messages.to_client)
    }

    fn change(&self, change: impl FnOnce(&mut Messages)) {
        change(&mut lock(&self.messages));
        self.changed.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
