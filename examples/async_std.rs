//! The main job on async-std: connect, join, push, receive, leave.
//!
//! ```sh
//! cargo run --example async_std                                    # against an embedded server
//! cargo run --example async_std ws://localhost:4000/socket         # against one of yours
//! ```
//!
//! Ends by itself.
#![allow(clippy::print_stdout, reason = "an example shows its work")]

use std::error::Error;

use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    async_std::task::block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let socket = phx_async_std::socket(support::server_url()?).connect().await?;
    let room = socket.channel("room:lobby").params(&json!({ "name": "ann" })).create()?;
    let mut messages = room.on::<Value>("shout").values();
    room.join().await?;
    println!("joined");

    let reply: Value = room.push("echo", &json!({ "body": "hello" })).await?;
    println!("the reply is {reply}");
    room.push("shout", &json!({ "body": "hello, all" })).detach()?;
    if let Some(message) = messages.next().await {
        println!("everybody hears {message}");
    }

    room.leave().await?;
    socket.disconnect().await;
    println!("disconnected");
    Ok(())
}
