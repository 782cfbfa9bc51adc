//! Long-poll, as far as a client that does nothing wrong needs it: polls are answered with up to 100 messages.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::head::{header, read_head};
use super::messages::{Channels, Sink};

/// Messages in one answer, at most.
const BATCH: usize = 100;

/// Time for which a poll waits for messages.
const WINDOW: Duration = Duration::from_secs(10);

/// The sessions, by their tokens.
pub(super) type Sessions = Rc<RefCell<HashMap<String, Rc<Session>>>>;

#[derive(Default)]
pub(super) struct Session {
    channels: RefCell<Channels>,
    messages: RefCell<Messages>,
    arrived: Notify,
}

#[derive(Default)]
struct Messages(VecDeque<String>);

impl Sink for Messages {
    fn text(&mut self, text: String) -> anyhow::Result<()> {
        self.0.push_back(text);
        Ok(())
    }

    fn binary(&mut self, _bytes: &[u8]) -> anyhow::Result<()> {
        bail!("no scenario has binary messages over long-poll")
    }
}

/// Returns true for the head of a long-poll request.
pub(super) fn is_request(head: &str) -> bool {
    head.lines().next().is_some_and(|line| line.contains("/longpoll?"))
}

/// Serves a connection, of which this head and the bytes after it have been read.
pub(super) async fn serve(
    mut stream: TcpStream,
    (mut head, mut received): (String, Vec<u8>),
    sessions: &Sessions,
) -> anyhow::Result<()> {
    loop {
        let answer = match header(&head, "x-phoenix-longpoll-token") {
            None => create(sessions),
            Some(token) => {
                let session = sessions.borrow().get(token).context("no such session")?.clone();
                if head.starts_with("POST") {
                    let len = header(&head, "content-length").context("no length")?.parse()?;
                    while received.len() < len {
                        anyhow::ensure!(stream.read_buf(&mut received).await? > 0, "it left");
                    }
                    session.take(&received.drain(..len).collect::<Vec<_>>())?;
                    json!({ "status": 200 })
                } else {
                    session.poll(token).await
                }
            }
        };
        let body = answer.to_string();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await?;
        match read_head(&mut stream, &mut received).await? {
            Some(next) => head = next,
            None => return Ok(()),
        }
    }
}

fn create(sessions: &Sessions) -> serde_json::Value {
    let mut sessions = sessions.borrow_mut();
    // As long as those of Phoenix.
    let token = format!("{:0>250}", sessions.len());
    sessions.insert(token.clone(), Rc::default());
    json!({ "status": 410, "token": token, "messages": [] })
}

impl Session {
    fn take(&self, lines: &[u8]) -> anyhow::Result<()> {
        let (mut channels, mut messages) = (self.channels.borrow_mut(), self.messages.borrow_mut());
        for line in lines.split(|byte| *byte == b'\n') {
            channels.take(line, &mut *messages)?;
        }
        self.arrived.notify_one();
        Ok(())
    }

    async fn poll(&self, token: &str) -> serde_json::Value {
        if self.messages.borrow().0.is_empty() {
            // What came for a poll before this one may have left a notice.
            drop(tokio::time::timeout(WINDOW, self.arrived.notified()).await);
        }
        let waiting = &mut self.messages.borrow_mut().0;
        let messages: Vec<_> = waiting.drain(..waiting.len().min(BATCH)).collect();
        let status = if messages.is_empty() { 204 } else { 200 };
        json!({ "status": status, "token": token, "messages": messages })
    }
}
