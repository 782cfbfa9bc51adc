//! Serde types end to end: params, pushes, replies, errors, broadcasts; nothing is a `Value`.
//!
//! ```sh
//! cargo run --example typed
//! ```
//!
//! The server is a to-do list of thirty lines, embedded. Exit code 0 if all went as expected.
#![allow(clippy::print_stdout, reason = "an example shows its work")]

use std::error::Error;
use std::time::Duration;

use phx_testing::listener::Listener;
use phx_testing::{Channel, Context, Handled, Server};
use phx_tokio::{Payload, PushCause, PushError, Status, StreamItem};
use serde::{Deserialize, Serialize};

// What both sides agree on. A real server has the same in Elixir.

#[derive(Serialize, Deserialize)]
struct JoinList {
    owner: String,
}

#[derive(Serialize, Deserialize)]
struct Add {
    title: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Item {
    id: u32,
    title: String,
    owner: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
enum Refused {
    EmptyTitle,
    TooLong { max: usize },
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let list = || List { owner: String::new(), next_id: 1 };
    let server = Listener::bind(Server::builder().channel("list:*", list).build()).await?;
    tokio::time::timeout(Duration::from_secs(15), story(server.url())).await??;
    server.stop().await;
    Ok(())
}

async fn story(url: &str) -> Result<(), Box<dyn Error>> {
    let socket = phx_tokio::socket(url).connect().await?;

    // Params are a struct.
    let list = socket.channel("list:home").params(&JoinList { owner: "ann".into() }).join().await?;
    let mut added = list.on::<Item>("added");

    // The reply's type is inferred from where it goes.
    let milk: Item = list.push("add", &Add { title: "milk".into() }).await?;
    println!("added {milk:?}");

    // An error reply is an error, and its response has a type too.
    match list.push::<Item>("add", &Add { title: String::new() }).await {
        Err(PushError { cause: PushCause::Rejected { response, .. }, .. }) => {
            let refused: Refused = response.decode()?;
            println!("refused: {refused:?}");
            if refused != Refused::EmptyTitle {
                return Err("refused for another reason".into());
            }
        }
        other => return Err(format!("an empty title should be refused, but: {other:?}").into()),
    }

    // Broadcasts are decoded one by one. What doesn't fit is a separate item, not the end.
    match added.next().await {
        Some(StreamItem::Message(item)) if item == milk => println!("everybody heard of {item:?}"),
        other => return Err(format!("expected the item that was added, got {other:?}").into()),
    }

    list.leave().await?;
    socket.disconnect().await;
    println!("Done.");
    Ok(())
}

/// The server's side: one to-do list.
struct List {
    owner: String,
    next_id: u32,
}

impl Channel for List {
    fn join(&mut self, _: &mut Context<'_>, params: Payload) -> Result<Payload, Payload> {
        let params: JoinList = params.decode().map_err(|_| Payload::empty())?;
        self.owner = params.owner;
        Ok(Payload::empty())
    }

    fn handle_in(&mut self, ctx: &mut Context<'_>, event: &str, payload: Payload) -> Handled {
        let ("add", Ok(Add { title })) = (event, payload.decode()) else { return Handled::Crash };
        let answer = match title.len() {
            0 => Err(Refused::EmptyTitle),
            1..=80 => Ok(Item { id: self.next_id, title, owner: self.owner.clone() }),
            _ => Err(Refused::TooLong { max: 80 }),
        };
        let (status, response) = match &answer {
            Ok(item) => (Status::Ok, Payload::json(item)),
            Err(refused) => (Status::Error, Payload::json(refused)),
        };
        let Ok(response) = response else { return Handled::Crash };
        if answer.is_ok() {
            self.next_id += 1;
            ctx.broadcast("added", response.clone());
        }
        Handled::Reply(status, response)
    }
}
