//! The server's side of a flood.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use super::order::{ACKNOWLEDGED, Flood};
use super::raw::{Raw, Sent};

impl Flood {
    /// Answers joins at once and heartbeats late, and sends numbered messages of 1 kB.
    pub(super) fn run(self, mut raw: Raw) {
        let Some(join) = raw.receive() else { return };
        raw.send([join.reply("ok", "{}")]);
        let mut next = Instant::now() + self.after;
        let (report, heard) = channel();
        let mut sender = raw.sender();
        thread::spawn(move || {
            while let Some(sent) = raw.receive() {
                if report.send((Instant::now(), sent)).is_err() {
                    break;
                }
            }
        });
        let mut heartbeats = VecDeque::new();
        let (mut sent, mut acknowledged) = (0, 0);
        while let Some(came) = until(next, &heard) {
            for (at, what) in came {
                match &*what.event {
                    "heartbeat" => heartbeats.push_back((at, what)),
                    "got" => acknowledged += ACKNOWLEDGED,
                    _ => {}
                }
            }
            while heartbeats.front().is_some_and(|(at, _)| at.elapsed() >= self.late)
                && let Some((_, heartbeat)) = heartbeats.pop_front()
            {
                sender.send([heartbeat.reply("ok", "{}")]);
            }
            let most = self.messages.min(acknowledged.saturating_add(self.window));
            let batch = sent..(sent + self.batch).min(most);
            sent = batch.end.max(sent);
            let message = |number| format!(r#"[null,null,"room:a","n","{number:0>968}"]"#);
            if !sender.send(batch.map(message)) {
                return;
            }
            next += self.every;
        }
    }
}

/// Returns the messages until then; `None` if the client has gone.
fn until(then: Instant, heard: &Receiver<(Instant, Sent)>) -> Option<Vec<(Instant, Sent)>> {
    let mut came = Vec::new();
    loop {
        match heard.recv_timeout(then.saturating_duration_since(Instant::now())) {
            Ok(sent) => came.push(sent),
            Err(RecvTimeoutError::Timeout) => return Some(came),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}
