//! Many idle sockets: only heartbeats.

use std::time::Duration;

use crate::measure::{Cost, Start, idle, resident};
use crate::runtime::Runtime;

pub(super) async fn run(
    runtime: Runtime,
    count: u64,
    seconds: u64,
    heartbeat_ms: u64,
) -> anyhow::Result<Vec<Cost>> {
    let memory = resident();
    let heartbeat = Duration::from_millis(heartbeat_ms);
    let start = Start::now();
    let mut sockets = Vec::new();
    for index in 0..count {
        let builder = runtime.socket()?.heartbeat_interval(Some(heartbeat));
        let socket = builder.connect().await?;
        let room = socket.channel(format!("room:{index}")).join().await?;
        sockets.push((socket, room));
    }
    // Every frame after the join's reply is the answer to a heartbeat.
    let answered = || sockets.iter().map(|(socket, _)| socket.counters().frames_received).sum();
    let made = (count, start, memory);
    Ok(idle(runtime, runtime.client(), made, (heartbeat, seconds), answered).await)
}
