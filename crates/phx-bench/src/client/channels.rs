//! Many channels on one socket: the costs of joining them, and of a message then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::StreamExt as _;
use futures::channel::mpsc::{UnboundedSender, unbounded};
use phx_tokio::Messages;
use phx_tokio::Payload;
use serde::Serialize;

use super::flood::wanted;
use crate::measure::{Cost, Start, resident};
use crate::runtime::Runtime;
use crate::sequence::Sequence;

/// Bytes of text in each message.
const PAD: usize = 80;

#[derive(Serialize)]
struct Flood {
    n: u64,
    size: usize,
    spread: bool,
}

pub(super) async fn run(runtime: Runtime, channels: u64, n: u64) -> anyhow::Result<Vec<Cost>> {
    let socket = runtime.socket()?.connect().await?;
    let sequence = Sequence::new(0, channels, PAD);
    let left = Arc::new(AtomicU64::new(n));
    let (sender, mut done) = unbounded();
    let memory = resident();
    let start = Start::now();
    let mut rooms = Vec::new();
    let mut joins = Vec::new();
    for index in 0..channels {
        let room = socket.channel(format!("room:{index}")).create()?;
        let messages = room.on_raw("msg");
        joins.push(room.join());
        rooms.push(room);
        let (left, sender) = (Arc::clone(&left), sender.clone());
        runtime.spawn(consume(messages, sequence.starting_at(index), left, sender));
    }
    for join in joins {
        join.await?;
    }
    let joined = start.cost_of(runtime.client(), format!("join-{channels}"), channels);
    let joined = joined.with_memory(memory);

    let start = Start::now();
    if let Some(room) = rooms.first() {
        let flood = Flood { n, size: PAD, spread: true };
        room.push("flood", &flood).acknowledged().await?;
        if let Some(failure) = done.next().await {
            failure?;
        }
    }
    Ok(vec![joined, start.cost_of(runtime.client(), format!("chans-{channels}"), n)])
}

/// Takes a channel's messages, and reports the last one, or an error.
async fn consume(
    mut messages: Messages<Payload>,
    mut sequence: Sequence,
    left: Arc<AtomicU64>,
    done: UnboundedSender<anyhow::Result<()>>,
) {
    loop {
        let taken = wanted(messages.next().await);
        if let Err(error) = taken.and_then(|payload| sequence.take(payload.as_bytes())) {
            // The receiver is dropped at the end of the scenario.
            let _ = done.unbounded_send(Err(error));
            return;
        }
        if left.fetch_sub(1, Ordering::Relaxed) == 1 {
            let _ = done.unbounded_send(Ok(()));
        }
    }
}
