//! Supabase Realtime: the conventions of another server on top of Channels, and how they look from here.
//!
//! ```sh
//! cargo run --example supabase
//! ```
//!
//! | there | here |
//! |---|---|
//! | `apikey` | a param of the connection |
//! | the socket at `/realtime/v1/websocket` | `wss://PROJECT.supabase.co/realtime/v1` |
//! | a channel `room` | the topic `realtime:room` |
//! | `config` of a channel, and its `access_token` | the params of the join, made again for each rejoin |
//! | `setAuth` | a push of `access_token`, which has no reply |
//! | `send({ type: "broadcast", .. })` | a push of `broadcast`; with `ack` it has a reply |
//! | `track` | a push of `presence` |
//! | `on("postgres_changes", ..)` | the event `postgres_changes` |
//!
//! The server here is an imitation of forty lines. Exit code 0 if all went as expected.
#![allow(clippy::print_stdout, reason = "an example shows its work")]

use std::any::Any;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use phx_testing::listener::Listener;
use phx_testing::{Channel, Context, Handled, Server, UpgradeRejection};
use phx_tokio::{Backoff, Payload, PresenceChange, PresenceItem, StreamItem};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What is sent to the others, and comes from them.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Broadcast<T> {
    r#type: String,
    event: String,
    payload: T,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Cursor {
    x: u32,
    y: u32,
}

/// A change of a table.
#[derive(Debug, Deserialize)]
struct PostgresChange<Row> {
    data: ChangeData<Row>,
}

#[derive(Debug, Deserialize)]
struct ChangeData<Row> {
    r#type: String,
    table: String,
    record: Option<Row>,
}

#[derive(Debug, Deserialize)]
struct MessageRow {
    body: String,
}

/// Tokens that expire: a real program asks its session for the present one.
#[derive(Default)]
struct Session {
    issued: AtomicU32,
}

impl Session {
    fn token(&self) -> String {
        format!("jwt-{}", self.issued.fetch_add(1, Ordering::Relaxed).saturating_add(1))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = Listener::bind(imitation()).await?;
    tokio::time::timeout(Duration::from_secs(15), story(&server)).await??;
    server.stop().await;
    Ok(())
}

async fn story(server: &Listener) -> Result<(), Box<dyn Error>> {
    let session = Arc::new(Session::default());

    // wss://PROJECT.supabase.co/realtime/v1
    let socket = phx_tokio::socket(server.url())
        .param("apikey", "anon")
        .reconnect(Backoff::steps([Duration::from_millis(20)]))
        .connect()
        .await?;

    let tokens = Arc::clone(&session);
    let room = socket
        .channel("realtime:room")
        .params_with(move || {
            let token = tokens.token();
            async move {
                Ok(Payload::json(&json!({
                    "config": {
                        "broadcast": { "ack": true, "self": false },
                        "presence": { "key": "ann" },
                        "postgres_changes": [
                            { "event": "INSERT", "schema": "public", "table": "messages" },
                        ],
                    },
                    "access_token": token,
                }))?)
            }
        })
        .create()?;
    let mut rows = room.on::<PostgresChange<MessageRow>>("postgres_changes");
    let mut cursors = room.on::<Broadcast<Cursor>>("broadcast").values();
    let mut changes = room.presence::<Value>().changes();
    let response: Value = room.join().await?.decode()?;
    println!("subscribed: {}", response["postgres_changes"]);

    // Presence is announced by a separate push.
    let track = json!({ "type": "presence", "event": "track", "payload": { "typing": true } });
    room.push("presence", &track).acknowledged().await?;
    while let Some(item) = changes.next().await {
        if let PresenceItem::Change(PresenceChange::Joined { key, .. }) = item {
            println!("{key} is here");
            break;
        }
    }

    // A row that somebody inserted.
    insert(server, "from the database")?;
    let Some(StreamItem::Message(change)) = rows.next().await else {
        return Err("expected a row".into());
    };
    println!("{} on {}: {:?}", change.data.r#type, change.data.table, change.data.record);

    // A broadcast, which the server acknowledges, and one of somebody else's.
    let cursor = |x| Broadcast {
        r#type: "broadcast".to_owned(),
        event: "cursor".to_owned(),
        payload: Cursor { x, y: 2 },
    };
    room.push("broadcast", &cursor(1)).acknowledged().await?;
    server.broadcast("realtime:room", "broadcast", Payload::json(&cursor(7))?);
    let theirs = cursors.next().await.ok_or("expected a cursor")?;
    if theirs != cursor(7) {
        return Err("our own broadcast came back".into());
    }
    println!("a cursor at {:?}", theirs.payload);

    // A new token for a channel that stays joined: a push without a reply.
    room.push("access_token", &json!({ "access_token": session.token() })).detach()?;

    // The connection is lost, and the channel rejoins with a token that is fresh.
    server.drop_connections();
    match rows.next().await {
        Some(StreamItem::Gap) => println!("rejoined: rows may have been missed"),
        other => return Err(format!("expected a gap, not {other:?}").into()),
    }
    insert(server, "after the rejoin")?;
    let Some(StreamItem::Message(change)) = rows.next().await else {
        return Err("expected a row".into());
    };
    println!("{}", change.data.record.map(|row| row.body).unwrap_or_default());
    if session.issued.load(Ordering::Relaxed) < 3 {
        return Err("the rejoin had an old token".into());
    }
    room.leave().await?;
    socket.disconnect().await;
    Ok(())
}

/// Makes the imitation report a new row.
fn insert(server: &Listener, body: &str) -> Result<(), Box<dyn Error>> {
    let change = json!({
        "ids": [1],
        "data": {
            "type": "INSERT", "schema": "public", "table": "messages",
            "record": { "body": body }, "errors": null,
        },
    });
    server.broadcast("realtime:room", "postgres_changes", Payload::json(&change)?);
    Ok(())
}

fn imitation() -> Server {
    Server::builder()
        .path("/realtime/v1")
        .connect(|info| match info.param("apikey") {
            Some("anon") => Ok(None),
            _ => Err(UpgradeRejection::new(403)),
        })
        .channel("realtime:*", Realtime::default)
        .build()
}

#[derive(Default)]
struct Realtime {
    key: String,
}

/// What a channel sends itself after a join.
struct AfterJoin;

impl Channel for Realtime {
    fn join(&mut self, ctx: &mut Context<'_>, params: Payload) -> Result<Payload, Payload> {
        let answer = |value: &Value| Payload::json(value).unwrap_or_default();
        let params: Value = params.decode().unwrap_or_default();
        if !params["access_token"].as_str().is_some_and(|token| token.starts_with("jwt-")) {
            return Err(answer(&json!({ "reason": "Invalid token" })));
        }
        let config = &params["config"];
        self.key = config["presence"]["key"].as_str().unwrap_or_default().to_owned();
        let mut wanted = config["postgres_changes"].clone();
        for (change, id) in wanted.as_array_mut().into_iter().flatten().zip(1..) {
            change["id"] = Value::from(id);
        }
        ctx.send(AfterJoin);
        Ok(answer(&json!({ "postgres_changes": wanted })))
    }

    fn handle_in(&mut self, ctx: &mut Context<'_>, event: &str, payload: Payload) -> Handled {
        match event {
            "broadcast" => ctx.broadcast_from("broadcast", payload),
            "presence" => {
                let payload: Value = payload.decode().unwrap_or_default();
                if ctx.track(&self.key, payload["payload"].clone()).is_err() {
                    return Handled::Crash;
                }
            }
            "access_token" => return Handled::NoReply,
            _ => return Handled::Crash,
        }
        Handled::ok(&json!({}))
    }

    fn handle_info(&mut self, ctx: &mut Context<'_>, _message: Box<dyn Any + Send>) -> Handled {
        let state = ctx.list();
        ctx.push("presence_state", Payload::json(&state).unwrap_or_default());
        let system = json!({
            "status": "ok", "extension": "postgres_changes",
            "message": "Subscribed to PostgreSQL",
        });
        ctx.push("system", Payload::json(&system).unwrap_or_default());
        Handled::NoReply
    }
}
