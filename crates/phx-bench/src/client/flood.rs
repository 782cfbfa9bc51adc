//! A flood of messages to one channel, delivered to a task.

use anyhow::Context as _;
use futures::channel::oneshot;
use phx_tokio::{Channel, Payload, StreamItem, TransportKind};
use serde::{Deserialize, Serialize};

use crate::measure::{Cost, Start};
use crate::runtime::Runtime;
use crate::sequence::Sequence;

/// The consumer's use of the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Raw,
    Typed,
    Binary,
}

#[derive(Serialize)]
struct Flood {
    n: u64,
    size: u64,
    bin: bool,
}

#[derive(Deserialize)]
struct Message {
    i: u64,
    pad: String,
}

pub(super) async fn run(
    runtime: Runtime,
    over: TransportKind,
    n: u64,
    size: u64,
    kind: Kind,
) -> anyhow::Result<Vec<Cost>> {
    let socket = runtime.socket()?.transport(over).connect().await?;
    let room = socket.channel("room:0").join().await?;
    let (sender, done) = oneshot::channel();
    let consumed = consume(&room, n, usize::try_from(size)?, kind);
    runtime.spawn(async move { drop(sender.send(consumed.await)) });
    let start = Start::now();
    let flood = Flood { n, size, bin: kind == Kind::Binary };
    room.push("flood", &flood).acknowledged().await?;
    done.await??;
    let name = match kind {
        Kind::Raw if over == TransportKind::LongPoll => "polled",
        Kind::Raw => "flood",
        Kind::Typed => "typed",
        Kind::Binary => "bin",
    };
    Ok(vec![start.cost_of(runtime.client(), format!("{name}-{size}"), n)])
}

/// Creates the stream at once, and returns a future that takes `n` messages.
fn consume(
    room: &Channel,
    n: u64,
    size: usize,
    kind: Kind,
) -> impl Future<Output = anyhow::Result<()>> + Send + use<> {
    let mut sequence = Sequence::new(0, 1, size);
    let binary = "x".repeat(size);
    let mut raw = room.on_raw("msg");
    let mut typed = room.on::<Message>("msg");
    async move {
        if kind == Kind::Typed {
            drop(raw);
            for _ in 0..n {
                let Message { i, pad } = wanted(typed.next().await)?;
                sequence.take_parsed(i, &pad)?;
            }
            return Ok(());
        }
        drop(typed);
        for _ in 0..n {
            let payload: Payload = wanted(raw.next().await)?;
            if kind == Kind::Binary {
                anyhow::ensure!(payload.as_bytes() == binary.as_bytes(), "other bytes than sent");
            } else {
                sequence.take(payload.as_bytes())?;
            }
        }
        Ok(())
    }
}

/// Returns the message of an item; any other item is an error.
pub(super) fn wanted<T>(item: Option<StreamItem<T>>) -> anyhow::Result<T> {
    let item = item.context("the channel ended")?;
    item.message().context("something else than a message came")
}
