//! The floor of many connections that only stay connected.

use std::rc::Rc;
use std::time::Duration;

use tokio::task::{LocalSet, spawn_local};
use tokio::time;

use super::socket::{Socket, join};
use crate::measure::{Cost, Start, resident};

pub(super) async fn run(count: u64, seconds: u64, heartbeat_ms: u64) -> anyhow::Result<Vec<Cost>> {
    LocalSet::new().run_until(connections(count, seconds, heartbeat_ms)).await
}

async fn connections(count: u64, seconds: u64, heartbeat_ms: u64) -> anyhow::Result<Vec<Cost>> {
    let memory = resident();
    let heartbeat = Duration::from_millis(heartbeat_ms);
    let answered = Rc::new(std::cell::Cell::new(0_u64));
    let start = Start::now();
    for index in 0..count {
        let mut socket = Socket::connect(true).await?;
        socket.call(join(&format!("room:{index}"), 1)).await?;
        let answered = Rc::clone(&answered);
        spawn_local(async move {
            let mut due = time::interval(heartbeat);
            due.reset();
            loop {
                due.tick().await;
                let heartbeat = r#"[null,"2","phoenix","heartbeat",{}]"#.to_owned();
                if socket.call(heartbeat).await.is_err() {
                    return;
                }
                answered.set(answered.get() + 1);
            }
        });
    }
    let connected = start.cost_of("none", format!("connect-{count}"), count);
    time::sleep(heartbeat + Duration::from_millis(500)).await;
    let connected = connected.with_memory(memory);
    let before = answered.get();
    let start = Start::now();
    time::sleep(Duration::from_secs(seconds)).await;
    let heartbeats = answered.get() - before;
    let mut idle = start.cost_of("none", format!("conns-{count}"), heartbeats);
    idle.rss_each_kib = connected.rss_each_kib;
    Ok(vec![connected, idle])
}
