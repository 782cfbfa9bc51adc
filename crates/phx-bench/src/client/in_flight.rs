//! Many pushes that wait for their replies at the same time.

use anyhow::ensure;
use phx_tokio::{PushReply, Status};

use super::echo::{Echo, PAD};
use crate::measure::{Cost, Start, resident};
use crate::runtime::Runtime;
use crate::sequence::Sequence;

pub(super) async fn run(runtime: Runtime, n: u64) -> anyhow::Result<Vec<Cost>> {
    let builder = runtime.socket()?.max_buffered_pushes(usize::try_from(n)?);
    let socket = builder.connect().await?;
    let room = socket.channel("room:0").join().await?;
    let pad = "x".repeat(PAD);
    let memory = resident();
    let start = Start::now();
    // The driver has the same thread, and nothing was awaited: it has sent none of them yet.
    let pushes: Vec<PushReply> =
        (0..n).map(|i| room.push("echo", &Echo { i, pad: &pad }).reply()).collect();
    let made = start.cost_of(runtime.client(), format!("push-{n}"), n).with_memory(memory);
    let mut sequence = Sequence::new(0, 1, PAD);
    let start = Start::now();
    for push in pushes {
        let reply = push.await?;
        ensure!(reply.status == Status::Ok, "the server said {}", reply.status);
        sequence.take(reply.response.as_bytes())?;
    }
    Ok(vec![made, start.cost_of(runtime.client(), format!("replies-{n}"), n)])
}
