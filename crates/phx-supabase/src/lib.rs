//! Supabase Realtime over Phoenix Channels: the conventions of its server, on [`phx_client`].
//!
//! [`Client::builder`] takes a project's URL and key, and connects by an adapter's function, such as `phx_tokio::socket`.
//! [`Client::channel`] makes a [`Channel`]: it sends broadcasts, tracks presence, and its streams receive. Like
//! [`phx_client`], this crate names no runtime and opens no connection.
//!
//! # Broadcasts
//!
//! ```no_run
//! use phx_client::StreamItem;
//! use phx_supabase::Client;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Serialize, Deserialize)]
//! struct Cursor {
//!     x: u32,
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let builder = Client::builder("https://PROJECT.supabase.co", "KEY");
//!     let client = builder.connect(phx_tokio::socket).await?;
//!     // With `ack` the server replies to each broadcast.
//!     let room = client.channel("room").ack(true).create()?;
//!     let mut cursors = room.on_broadcast::<Cursor>("cursor");
//!     room.join().await?;
//!
//!     room.send("cursor", &Cursor { x: 1 }).await?;
//!     room.send_bytes("photo", vec![0xff, 0xd8]).await?;
//!     while let Some(item) = cursors.next().await {
//!         match item {
//!             StreamItem::Message(cursor) => println!("{} {:?}", cursor.payload.x, cursor.id()),
//!             StreamItem::Gap => println!("(rejoined: something may be missing here)"),
//!             other => println!("{other:?}"),
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Changes of the database, with a user's token
//!
//! ```no_run
//! use phx_supabase::{Client, PostgresChanges};
//! use serde::Deserialize;
//!
//! #[derive(Debug, Deserialize)]
//! struct Message {
//!     id: u64,
//!     body: String,
//! }
//!
//! # async fn valid_token() -> Result<String, std::io::Error> { Ok(String::new()) }
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let client = Client::builder("https://PROJECT.supabase.co", "KEY")
//!         // Asked before each join and at each heartbeat: an expired token doesn't end a channel.
//!         .access_token_with(|| async { Ok(Some(valid_token().await?)) })
//!         .connect(phx_tokio::socket)
//!         .await?;
//!     let room = client.channel("messages").create()?;
//!     let wanted = PostgresChanges::insert().table("messages").filter("room=eq.7");
//!     let mut inserts = room.on_postgres_changes::<Message>(wanted)?;
//!     room.join().await?;
//!     room.postgres_ready().await?;
//!     while let Some(item) = inserts.next().await {
//!         println!("{item:?}");
//!     }
//!     println!("ended: {:?}", room.end());
//!     Ok(())
//! }
//! ```
//!
//! # Presence
//!
//! ```no_run
//! use phx_supabase::Client;
//! use serde_json::{Value, json};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let builder = Client::builder("https://PROJECT.supabase.co", "KEY");
//!     let client = builder.connect(phx_tokio::socket).await?;
//!     let room = client.channel("room").presence_key("ann").create()?;
//!     let presence = room.presence::<Value>()?;
//!     let mut changes = presence.changes();
//!     room.join().await?;
//!     // Tracked again by itself after each rejoin.
//!     room.track(&json!({ "device": "phone" })).await?;
//!     while let Some(change) = changes.next().await {
//!         println!("{change:?}: {} are here", presence.len());
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Ends and retries
//!
//! A lost connection and a crashed channel are survived as in [`phx_client`]. When the server rejects a join or closes a
//! channel, its error says what happens, by the table [`RETRIES`]; [`Channel::end`] has the reason when a channel is closed.
//!
//! # Features
//!
//! - `http`: broadcasts by HTTP, `Channel::send_by_http`.
//! - `testing`: the server's side, for tests without a project.

mod bindings;
mod broadcast;
mod channel;
mod client;
mod end;
mod endpoint;
mod error;
mod filter;
#[cfg(feature = "http")]
mod http;
mod items;
mod join;
mod postgres;
mod registry;
mod send;
mod serializer;
mod state;
mod system;
#[cfg(feature = "testing")]
pub mod testing;
mod token;
mod wire;

pub use bindings::PostgresChanges;
pub use broadcast::{Broadcast, Broadcasts};
pub use channel::{AlreadyJoinedError, Channel, ChannelBuilder, Persist, PostgresError};
pub use client::{Client, ClientBuilder, ConnectError, HEARTBEAT_INTERVAL};
pub use end::{ChannelEnd, NoNewToken};
pub use endpoint::ProjectError;
pub use error::{RATE_LIMIT_PAUSE, RETRIES, Retry, ServerError};
pub use filter::Filter;
pub use join::{Join, JoinCause, JoinError};
pub use postgres::{Change, ChangeKind, Changes};
pub use send::{SendError, Sending};
pub use serializer::{V1, V2};
pub use system::SystemMessage;
pub use wire::USER_BROADCAST;

/// The client of Phoenix Channels on which this crate stands.
pub use phx_client;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct CrateReadme;
