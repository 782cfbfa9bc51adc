//! The floor of many connections that only stay connected.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::socket::{Socket, join};
use crate::measure::{Cost, Start, resident};
use crate::runtime::Runtime;

pub(super) async fn run(
    runtime: Runtime,
    floor: String,
    count: u64,
    seconds: u64,
    heartbeat_ms: u64,
) -> anyhow::Result<Vec<Cost>> {
    let memory = resident();
    let heartbeat = Duration::from_millis(heartbeat_ms);
    let answered = Arc::new(AtomicU64::new(0));
    let start = Start::now();
    for index in 0..count {
        let mut socket = Socket::connect_on(runtime).await?;
        socket.call(join(&format!("room:{index}"), 1)).await?;
        let answered = Arc::clone(&answered);
        runtime.spawn(async move {
            loop {
                runtime.sleep(heartbeat).await;
                let heartbeat = r#"[null,"2","phoenix","heartbeat",{}]"#.to_owned();
                if socket.call(heartbeat).await.is_err() {
                    return;
                }
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let connected = start.cost_of(&floor, format!("connect-{count}"), count);
    runtime.sleep(heartbeat + Duration::from_millis(500)).await;
    let connected = connected.with_memory(memory);
    let before = answered.load(Ordering::Relaxed);
    let start = Start::now();
    runtime.sleep(Duration::from_secs(seconds)).await;
    let heartbeats = answered.load(Ordering::Relaxed) - before;
    let mut idle = start.cost_of(&floor, format!("conns-{count}"), heartbeats);
    idle.rss_each_kib = connected.rss_each_kib;
    Ok(vec![connected, idle])
}
