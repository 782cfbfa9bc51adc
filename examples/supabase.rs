//! Supabase Realtime: broadcasts, presence, changes of the database, and tokens that expire.
//!
//! ```sh
//! cargo run --example supabase
//! ```
//!
//! The server is that of `phx_supabase::testing`, which answers as the recorded one did; a program of yours has the URL and
//! the key of a project instead. Exit code 0 if all went as expected.
//!
//! With Node, and the packages that `cargo xtask tools` brings, Supabase's own JavaScript client is in the room too.
#![allow(clippy::print_stdout, reason = "an example shows its work")]

use std::error::Error;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use phx_supabase::testing::{self, Change, Command, RealtimeServer};
use phx_supabase::{Client, PostgresChanges};
use phx_testing::listener::Listener;
use phx_tokio::{Backoff, PresenceChange, PresenceItem, StreamItem};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::process::Child;

type AnyError = Box<dyn Error + Send + Sync>;

const KEY: &str = "anon-key";

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Cursor {
    x: u32,
    y: u32,
}

#[derive(Debug, Deserialize)]
struct Message {
    body: String,
}

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let server = Listener::bind(RealtimeServer::new(KEY).builder().build()).await?;
    tokio::time::timeout(Duration::from_secs(40), story(&server)).await??;
    server.stop().await;
    Ok(())
}

async fn story(server: &Listener) -> Result<(), AnyError> {
    // A project's URL is https://PROJECT.supabase.co.
    let url = format!("http://{}", server.address());
    let issued = Arc::new(AtomicU32::new(0));
    let tokens = Arc::clone(&issued);
    let client = Client::builder(&url, KEY)
        // A real program asks its session for the token that is valid now.
        .access_token_with(move || {
            let number = tokens.fetch_add(1, Ordering::Relaxed);
            async move { Ok(Some(format!("jwt-{number}"))) }
        })
        // Any function from an endpoint to a builder of a socket; here one with a faster schedule.
        .connect(|endpoint| {
            let schedule = Backoff::steps([Duration::from_millis(20)]);
            phx_tokio::socket(endpoint).reconnect(schedule.clone()).rejoin(schedule)
        })
        .await?;

    let room = client.channel("room").ack(true).presence_key("ann").create()?;
    let mut cursors = room.on_broadcast::<Cursor>("cursor");
    let mut presences = room.presence::<Value>()?.changes();
    let wanted = PostgresChanges::insert().table("messages");
    let mut rows = room.on_postgres_changes::<Message>(wanted)?;
    room.join().await?;
    room.postgres_ready().await?;
    println!("joined, and subscribed to the database");

    // Presence is tracked again by itself after each rejoin.
    room.track(&json!({ "typing": true })).await?;
    while let Some(item) = presences.next().await {
        if let PresenceItem::Change(PresenceChange::Joined { key, .. }) = item {
            println!("{key} is here");
            break;
        }
    }

    insert(server, "from the database");
    match rows.next().await {
        Some(StreamItem::Message(change)) => println!("{:?}: {:?}", change.kind, change.record),
        other => return Err(format!("expected a row, not {other:?}").into()),
    }

    // Somebody else in the room.
    let bob = Client::builder(&url, KEY).connect(phx_tokio::socket).await?;
    let theirs = bob.channel("room").create()?;
    let mut all = theirs.broadcasts();
    theirs.join().await?;
    room.send("cursor", &Cursor { x: 1, y: 2 }).await?;
    room.send_bytes("photo", vec![0xff, 0xd8]).await?;
    for _ in 0..2 {
        let Some(StreamItem::Message(broadcast)) = all.next().await else {
            return Err("expected a broadcast".into());
        };
        println!("bob got {}: {:?}", broadcast.event, broadcast.payload.shown());
    }
    theirs.send("cursor", &Cursor { x: 7, y: 2 }).await?;
    expect_cursor(&mut cursors, 7).await?;

    if let Some(mut javascript) = official_client(&url)? {
        // It answers a cursor with the next one, and ends. It may not have joined yet.
        loop {
            room.send("cursor", &Cursor { x: 20, y: 2 }).await?;
            let answer = tokio::time::timeout(Duration::from_millis(200), cursors.next());
            if let Ok(Some(StreamItem::Message(answer))) = answer.await {
                println!("JavaScript answered {:?}", answer.payload);
                break;
            }
        }
        javascript.wait().await?;
    }

    // The token has expired: the channel is joined again with the function's next one.
    let before = issued.load(Ordering::Relaxed);
    let expired = Command::Shutdown("Token has expired 0 seconds ago".to_owned());
    server.with(|server, now| testing::send(server, now, "realtime:room", &expired));
    match rows.next().await {
        Some(StreamItem::Gap) => println!("joined again with another token: rows may be missing"),
        other => return Err(format!("expected a gap, not {other:?}").into()),
    }
    if issued.load(Ordering::Relaxed) == before {
        return Err("the token function wasn't asked".into());
    }
    room.postgres_ready().await?;
    insert(server, "after the rejoin");
    let Some(StreamItem::Message(change)) = rows.next().await else {
        return Err("expected a row".into());
    };
    println!("{}", change.record.map(|row| row.body).unwrap_or_default());
    room.leave().await?;
    client.disconnect().await;
    Ok(())
}

async fn expect_cursor(
    cursors: &mut phx_supabase::Broadcasts<Cursor>,
    x: u32,
) -> Result<(), AnyError> {
    match cursors.next().await {
        Some(StreamItem::Message(cursor)) if cursor.payload.x == x => {
            println!("a cursor at {:?}", cursor.payload);
            Ok(())
        }
        other => Err(format!("expected a cursor, not {other:?}").into()),
    }
}

/// Inserts a row into the server's database.
fn insert(server: &Listener, body: &str) {
    let change = Change::insert("messages", json!({ "body": body }));
    server.with(|server, now| testing::change(server, now, "realtime:room", &change));
}

/// Starts Supabase's JavaScript client, if Node and its packages are there: it answers the first cursor that it gets.
fn official_client(url: &str) -> Result<Option<Child>, AnyError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/phx-supabase/tests/judges");
    if !folder.join("node_modules").is_dir() {
        println!("(without JavaScript: `cargo xtask tools` brings its packages)");
        return Ok(None);
    }
    let script = r"
        import { RealtimeClient } from '@supabase/realtime-js';
        import WebSocket from 'ws';
        const [url, apikey] = process.argv.slice(-2);
        const client = new RealtimeClient(url, { params: { apikey }, transport: WebSocket });
        const room = client.channel('room', { config: { broadcast: { ack: true } } });
        room.on('broadcast', { event: 'cursor' }, async ({ payload: { x, y } }) => {
            if (x !== 20) return;
            await room.send({ type: 'broadcast', event: 'cursor', payload: { x: x + 1, y } });
            process.exit(0);
        }).subscribe();
    ";
    let started = tokio::process::Command::new("node")
        .args(["--input-type=module", "--eval", script, "--", &format!("{url}/realtime/v1"), KEY])
        .current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    match started {
        Ok(child) => Ok(Some(child)),
        Err(error) => {
            println!("(without JavaScript: {error})");
            Ok(None)
        }
    }
}
