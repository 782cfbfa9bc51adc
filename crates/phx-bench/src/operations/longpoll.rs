//! Operations of a long-poll session.

use std::hint::black_box;

use anyhow::Context as _;
use phx_proto::longpoll::{Answer, Session, SessionConfig, TokenPlace};
use phx_proto::{Endpoint, Frame, Instant};
use serde_json::json;

/// A session that was created, and whose first poll isn't made yet.
fn created() -> anyhow::Result<Session> {
    let request = Endpoint::default().request("2.0.0");
    let mut session = Session::new(&request, SessionConfig::default(), TokenPlace::Header);
    let create = session.poll_exchange(Instant::EPOCH).context("nothing to create")?;
    let answer = json!({ "status": 410, "token": "x".repeat(250) }).to_string();
    session.handle_answer(Instant::EPOCH, create.id(), Answer::new(200, answer));
    session.poll_event().context("no session")?;
    Ok(session)
}

/// A poll, its answer of this many messages, and the frames of them.
pub(super) fn answer(count: usize, message: &str) -> anyhow::Result<Box<dyn FnMut()>> {
    let mut session = created()?;
    let messages = vec![message; count];
    let answer = json!({ "messages": messages, "status": 200, "token": "x" }).to_string();
    let answer = Answer::new(200, answer);
    Ok(Box::new(move || {
        if let Some(poll) = session.poll_exchange(Instant::EPOCH) {
            session.handle_answer(Instant::EPOCH, poll.id(), black_box(answer.clone()));
        }
        while let Some(event) = session.poll_event() {
            drop(black_box(event));
        }
    }))
}

/// 100 such frames, their POST, and its answer.
pub(super) fn post(frame: String) -> anyhow::Result<Box<dyn FnMut()>> {
    let mut session = created()?;
    session.poll_exchange(Instant::EPOCH).context("no poll")?;
    let frame = Frame::text(frame);
    let answer = Answer::new(200, r#"{"status":200}"#);
    Ok(Box::new(move || {
        for _ in 0..100 {
            drop(black_box(session.send(frame.clone())));
        }
        if let Some(post) = session.poll_exchange(Instant::EPOCH) {
            session.handle_answer(Instant::EPOCH, black_box(&post).id(), answer.clone());
        }
    }))
}
