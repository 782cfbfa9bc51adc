//! The main job as a story: two people in a chat room, over a real WebSocket.
//!
//! ```sh
//! cargo run -p quickstart
//! ```
//!
//! The server is embedded (`phx-testing`), so this needs nothing else. It ends by itself, with exit
//! code 0 if every step succeeded, and with another one if a step failed or took too long.
#![allow(clippy::print_stdout, reason = "printing is what this example is for")]

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use phx_testing::listener::Listener;
use phx_tokio::{ConnectionState, PresenceChange, PresenceItem, StreamItem};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What people say to each other.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Said {
    from: String,
    text: String,
}

/// A meta of a presence: what the room knows about each person.
#[derive(Debug, Deserialize)]
struct Seen {
    online_at: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("1. A server starts, as Phoenix would.");
    let server = Listener::bind(phx_testing::demo_server().build()).await?;
    println!("   It listens at {}.", server.url());

    println!("2. Ann connects and joins.");
    let ann = step("ann's connection", phx_tokio::socket(server.url()).connect()).await??;
    let anns_room = ann.channel("room:lobby").params(&json!({ "name": "ann" })).create()?;
    // Listening starts before the join, so that nothing is missed.
    let mut heard = anns_room.on::<Said>("shout");
    let people = anns_room.presence::<Seen>();
    let mut changes = people.changes();
    step("ann's join", anns_room.join()).await??;
    println!("   {} is {:?}.", anns_room.topic(), anns_room.state());

    println!("3. She pushes, and the server replies.");
    let question = Said { from: "ann".into(), text: "anybody here?".into() };
    let reply: Said = step("the reply", anns_room.push("echo", &question)).await??;
    println!("   The reply is {:?}.", reply.text);
    expect(reply == question, "the server replies with what was pushed")?;

    println!("4. Bob connects and joins. Ann sees him come.");
    let bob = step("bob's connection", phx_tokio::socket(server.url()).connect()).await??;
    let bobs_room = bob.channel("room:lobby").params(&json!({ "name": "bob" }));
    let bobs_room = step("bob's join", bobs_room.join()).await??;
    step("bob's presence", async {
        while let Some(item) = changes.next().await {
            match item {
                PresenceItem::Change(PresenceChange::Joined { key, .. }) if key == "bob" => break,
                _ => {}
            }
        }
    })
    .await?;
    for (name, entry) in people.list() {
        let since = entry.metas().map(|meta| meta.data().online_at).min().unwrap_or_default();
        println!("   {name} is here since second {since} of the server.");
    }
    expect(people.list().len() == 2, "ann and bob are present")?;

    println!("5. Bob shouts: a broadcast to all in the room.");
    let hello = Said { from: "bob".into(), text: "I am!".into() };
    bobs_room.push("shout", &hello).detach()?;
    let first = step("the broadcast", heard.next()).await?;
    println!("   Ann's stream has {first:?}.");
    expect(matches!(first, Some(StreamItem::Message(said)) if said == hello), "ann hears bob")?;

    println!("6. Someone trips over the cable: every connection is cut, without a goodbye.");
    let mut status = ann.status();
    server.drop_connections();
    step("the reconnect after the cut", async {
        let mut was_away = false;
        while let Some(state) = status.next().await {
            println!("   Ann's socket is {state:?}.");
            was_away |= state != ConnectionState::Open;
            if was_away && state == ConnectionState::Open {
                break;
            }
        }
    })
    .await?;

    println!("7. Her channel rejoins by itself, and reports that messages may be missing.");
    let gap = step("the gap marker", heard.next()).await?;
    println!("   Her stream has {gap:?}.");
    expect(matches!(gap, Some(StreamItem::Gap)), "the stream has a gap marker")?;

    println!("8. Bob shouts again. It may wait for his own rejoin; it isn't lost.");
    let again = Said { from: "bob".into(), text: "still there?".into() };
    bobs_room.push("shout", &again).detach()?;
    let second = step("the second broadcast", heard.next()).await?;
    println!("   Ann's stream has {second:?}.");
    expect(matches!(second, Some(StreamItem::Message(said)) if said == again), "ann hears bob")?;

    println!("9. Both leave and disconnect.");
    step("bob's leave", bobs_room.leave()).await??;
    step("ann's leave", anns_room.leave()).await??;
    step("bob's goodbye", bob.disconnect()).await?;
    step("ann's goodbye", ann.disconnect()).await?;
    println!("   Ann's socket in numbers: {:?}", ann.counters());
    server.stop().await;
    println!("Done.");
    Ok(())
}

/// Waits for one step of the story, but not for ever.
async fn step<T>(what: &str, future: impl Future<Output = T>) -> Result<T, String> {
    let result = tokio::time::timeout(Duration::from_secs(15), future).await;
    result.map_err(|_| format!("{what} took more than 15 s"))
}

fn expect(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("this should hold, and doesn't: {what}")) }
}
