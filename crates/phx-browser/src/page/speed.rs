//! Receives messages as fast as they come, for `cargo xtask web-speed`.

use phx_web::StreamItem;
use serde::Deserialize;
use serde_json::json;

use super::host::{self, note};

/// A message, of which the text isn't looked at.
#[derive(Deserialize)]
struct Numbered {
    n: u64,
    text: String,
}

/// Joins `room:a` of the job's server, and notes when the job's number of messages have come in order.
pub(crate) fn begin() {
    phx_web::spawn_local(async {
        let outcome = receive(&host::option("url"), host::option("count").parse().unwrap()).await;
        note(&outcome.map_or_else(|why| format!("failed: {why}"), |()| "all received".to_owned()));
    });
}

async fn receive(url: &str, count: u64) -> Result<(), Box<dyn std::error::Error>> {
    let socket = phx_web::socket(url).connect().await?;
    let room = socket.channel("room:a").params(&json!({})).create()?;
    let mut messages = room.on::<Numbered>("numbered");
    room.join().await?;
    note("joined");
    for number in 0..count {
        match messages.next().await {
            Some(StreamItem::Message(Numbered { n, text })) if n == number && !text.is_empty() => {}
            _ => return Err(format!("message {number} isn't the next one").into()),
        }
    }
    Ok(())
}
