//! Many sockets that do nothing but stay connected.

use std::time::Duration;

use crate::measure::{Cost, Start, resident};
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
    let connected = start.cost_of(runtime.client(), format!("connect-{count}"), count);
    runtime.sleep(heartbeat + Duration::from_millis(500)).await;
    let connected = connected.with_memory(memory);

    // Every frame after the join's reply is the answer to a heartbeat.
    let answered = || sockets.iter().map(|(socket, _)| socket.counters().frames_received).sum();
    let before: u64 = answered();
    let start = Start::now();
    runtime.sleep(Duration::from_secs(seconds)).await;
    let heartbeats = answered() - before;
    let mut idle = start.cost_of(runtime.client(), format!("conns-{count}"), heartbeats);
    idle.rss_each_kib = connected.rss_each_kib;
    Ok(vec![connected, idle])
}
