//! Floors of round trips.

use std::fmt::Write as _;

use futures::FutureExt as _;

use super::socket::{Parsed, Socket, join};
use crate::measure::{Cost, Start};
use crate::runtime::Runtime;
use crate::sequence::Sequence;

/// Bytes of text in each push.
const PAD: usize = 60;

pub(super) async fn run(
    runtime: Runtime,
    floor: String,
    n: u64,
    in_flight: u64,
    batch: bool,
) -> anyhow::Result<Vec<Cost>> {
    let mut socket = Socket::connect_on(runtime).await?;
    socket.call(join("room:0", 1)).await?;
    let pad = "x".repeat(PAD);
    let mut replies = Replies { sequence: Sequence::new(0, 1, PAD), taken: 0 };
    let mut sent = 0;
    let start = Start::now();
    while replies.taken < n {
        while sent < n && sent - replies.taken < in_flight {
            let mut text = String::with_capacity(128);
            let reference = sent + 10;
            write!(text, r#"["1","{reference}","room:0","echo",{{"i":{sent},"pad":"{pad}"}}]"#)?;
            socket.feed(text).await?;
            if !batch {
                socket.flush().await?;
            }
            sent += 1;
        }
        socket.flush().await?;
        replies.take(socket.next().await?.to_text()?)?;
        while batch
            && replies.taken < n
            && let Some(message) = socket.next().now_or_never()
        {
            replies.take(message?.to_text()?)?;
        }
    }
    Ok(vec![start.cost_of(&floor, format!("echo-{in_flight}"), n)])
}

struct Replies {
    sequence: Sequence,
    taken: u64,
}

impl Replies {
    fn take(&mut self, text: &str) -> anyhow::Result<()> {
        let (_, _, _, _, payload): Parsed<'_> = serde_json::from_str(text)?;
        // Cuts off the server's text around the response: parsing it would add to the floor.
        let response = payload.get().strip_prefix(r#"{"status":"ok","response":"#);
        let response = response.and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
        self.sequence.take(response.as_bytes())?;
        self.taken += 1;
        Ok(())
    }
}
