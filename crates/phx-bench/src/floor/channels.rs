//! Floors of many channels on one connection.

use std::collections::HashMap;

use tokio::sync::mpsc::unbounded_channel;

use super::flood::{TURN, consume, route};
use super::socket::{Socket, check_reply, join};
use crate::measure::{Cost, Start, resident};
use crate::sequence::Sequence;

/// Bytes of text in each message.
const PAD: usize = 80;

pub(super) async fn run(channels: u64, n: u64) -> anyhow::Result<Vec<Cost>> {
    let mut socket = Socket::connect().await?;
    let sequence = Sequence::new(0, channels, PAD);
    let mut routes = HashMap::new();
    let mut consumers = Vec::new();
    let memory = resident();
    let start = Start::now();
    for index in 0..channels {
        socket.feed(join(&format!("room:{index}"), index + 1)).await?;
        let (sender, receiver) = unbounded_channel();
        let expected = n / channels + u64::from(index < n % channels);
        let consumer = consume(receiver, expected, sequence.starting_at(index));
        consumers.push(tokio::spawn(consumer));
        routes.insert(format!("room:{index}"), sender);
    }
    socket.flush().await?;
    for _ in 0..channels {
        check_reply(&socket.next().await?)?;
    }
    let joined = start.cost_of("task", format!("join-{channels}"), channels).with_memory(memory);

    let start = Start::now();
    let flood = format!(r#"["1","0","room:0","flood",{{"n":{n},"size":{PAD},"spread":true}}]"#);
    socket.call(flood).await?;
    for i in 0..n {
        route(&routes, &socket.next().await?)?;
        if i % TURN == TURN - 1 {
            tokio::task::yield_now().await;
        }
    }
    drop(routes);
    for consumer in consumers {
        consumer.await??;
    }
    Ok(vec![joined, start.cost_of("task", format!("chans-{channels}"), n)])
}
