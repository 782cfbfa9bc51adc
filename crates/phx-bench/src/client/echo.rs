//! Round trips: pushes whose payload is the response of their reply.

use std::collections::VecDeque;

use anyhow::{Context as _, ensure};
use phx_tokio::{PushReply, Status, TransportKind};
use serde::Serialize;

use crate::measure::{Cost, Start};
use crate::runtime::Runtime;
use crate::sequence::Sequence;

/// Bytes of text in each push.
pub(super) const PAD: usize = 60;

#[derive(Serialize)]
pub(super) struct Echo<'a> {
    pub(super) i: u64,
    pub(super) pad: &'a str,
}

pub(super) async fn run(
    runtime: Runtime,
    over: TransportKind,
    n: u64,
    in_flight: u64,
) -> anyhow::Result<Vec<Cost>> {
    let socket = runtime.socket()?.transport(over).connect().await?;
    let room = socket.channel("room:0").join().await?;
    let pad = "x".repeat(PAD);
    let mut sequence = Sequence::new(0, 1, PAD);
    let mut pushes: VecDeque<PushReply> = VecDeque::new();
    let mut sent = 0;
    let start = Start::now();
    for _ in 0..n {
        while sent < n && (pushes.len() as u64) < in_flight {
            pushes.push_back(room.push("echo", &Echo { i: sent, pad: &pad }).reply());
            sent += 1;
        }
        let reply = pushes.pop_front().context("nothing is in flight")?.await?;
        ensure!(reply.status == Status::Ok, "the server said {}", reply.status);
        sequence.take(reply.response.as_bytes())?;
    }
    let name = if over == TransportKind::LongPoll { "posted" } else { "echo" };
    Ok(vec![start.cost_of(runtime.client(), format!("{name}-{in_flight}"), n)])
}
