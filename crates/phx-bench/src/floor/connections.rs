//! Floor of many idle connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::socket::{Socket, join};
use crate::measure::{Cost, Start, idle, resident};
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
    let answered = || answered.load(Ordering::Relaxed);
    Ok(idle(runtime, &floor, (count, start, memory), (heartbeat, seconds), answered).await)
}
