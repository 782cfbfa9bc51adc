//! Floors of a flood.

use std::collections::HashMap;

use anyhow::{Context as _, bail};
use async_tungstenite::tungstenite::Message;
use phx_proto::{Frame, Serializer as _, V2};
use serde_json::value::RawValue;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::socket::{Parsed, Socket, join};
use crate::measure::{Cost, Start};
use crate::sequence::Sequence;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    None,
    Binary,
    Decode,
    Task,
}

/// The part of a message that a task receives.
pub(super) struct Sent {
    pub(super) event: String,
    pub(super) payload: Box<RawValue>,
}

/// Number of messages sent to a task before it runs, in place of a bounded queue.
pub(super) const TURN: u64 = 64;

pub(super) async fn run(n: u64, size: u64, kind: Kind) -> anyhow::Result<Vec<Cost>> {
    let mut socket = Socket::connect().await?;
    socket.call(join("room:0", 1)).await?;
    let (sender, receiver) = unbounded_channel();
    let consumer = tokio::spawn(consume(receiver, n, Sequence::new(0, 1, usize::try_from(size)?)));
    let routes = HashMap::from([("room:0".to_owned(), sender)]);

    let bin = kind == Kind::Binary;
    let start = Start::now();
    let flood = format!(r#"["1","2","room:0","flood",{{"n":{n},"size":{size},"bin":{bin}}}]"#);
    socket.call(flood).await?;
    for i in 0..n {
        let message = socket.next().await?;
        match kind {
            Kind::None | Kind::Binary => {
                anyhow::ensure!(message.len() as u64 > size, "a message is too short");
            }
            Kind::Decode => decode(message)?,
            Kind::Task => {
                route(&routes, &message)?;
                if i % TURN == TURN - 1 {
                    tokio::task::yield_now().await;
                }
            }
        }
    }
    drop(routes);
    if kind == Kind::Task {
        consumer.await??;
    }
    let (name, floor) = match kind {
        Kind::None => ("flood", "none"),
        Kind::Binary => ("bin", "none"),
        Kind::Decode => ("flood", "decode"),
        Kind::Task => ("flood", "task"),
    };
    Ok(vec![start.cost_of(floor, format!("{name}-{size}"), n)])
}

fn decode(message: Message) -> anyhow::Result<()> {
    let Message::Text(text) = message else {
        bail!("no text");
    };
    let message = V2.decode(Frame::text(text))?;
    anyhow::ensure!(message.topic == "room:0" && message.event == "msg", "another message");
    Ok(())
}

/// Parses a message, and sends it to the task of its topic.
pub(super) fn route(
    routes: &HashMap<String, UnboundedSender<Sent>>,
    message: &Message,
) -> anyhow::Result<()> {
    // The WebSocket library has checked that it is UTF-8.
    let (_, _, topic, event, payload): Parsed<'_> = serde_json::from_str(message.to_text()?)?;
    let route = routes.get(topic).context("no such topic")?;
    route.send(Sent { event: event.to_owned(), payload: payload.to_owned() })?;
    Ok(())
}

pub(super) async fn consume(
    mut receiver: UnboundedReceiver<Sent>,
    n: u64,
    mut sequence: Sequence,
) -> anyhow::Result<()> {
    let mut taken = 0;
    while let Some(Sent { event, payload }) = receiver.recv().await {
        anyhow::ensure!(event == "msg", "another event");
        sequence.take(payload.get().as_bytes())?;
        taken += 1;
    }
    anyhow::ensure!(taken == n, "{taken} of {n} messages came");
    Ok(())
}
