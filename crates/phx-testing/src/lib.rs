//! The server's side of Phoenix Channels, for tests: without Elixir, and without real time unless you want it.
//!
//! [`Server`] is a sans-IO state machine that answers as Phoenix 1.8.12 does, or as [another
//! release](PhoenixVersion); it is tested against conversations recorded from a real one. It serves
//!
//! - a [`Script`]: what the test expects, in order, and the answers;
//! - or your channels: a type that implements [`Channel`], or closures in [`Handlers`]. [`demo_server`] is a ready-made
//!   application.
//!
//! It runs in four ways:
//!
//! - in memory under virtual time, against client cores: [`Simulation`];
//! - the same for programs that use the client's handles: `in_memory`, feature `client`;
//! - behind a real listener on tokio, for WebSocket and long-poll: [`listener::Listener`], feature `listener`,
//!   which is on by default;
//! - in your own loop, which passes it frames and times.
//!
//! The first three have the same faults on command: cuts, stalls, latency, half-open connections,
//! garbage, closes and refused handshakes. `fault_proxy`, a TCP proxy (feature `listener`), has them for any server, also
//! below TLS.
//!
//! # Scripted
//!
//! For one-off tests. A mismatch is reported with its differences, and every wait has a
//! deadline:
//!
//! ```
//! use std::time::Duration;
//!
//! use phx_proto::{Config, Event, Payload};
//! use phx_testing::{Script, Simulation};
//! use serde_json::json;
//!
//! let script = Script::new()
//!     .expect_join("room:*")
//!     .reply_ok(&json!({}))
//!     .then_push("welcome", &json!({ "motd": "be kind" }))
//!     .expect_push("room:lobby", "new_msg")
//!     .with_payload(&json!({ "body": "hi" }))
//!     .reply_error(&json!({ "reason": "muted" }))
//!     .expect_leave("room:lobby");
//! let (server, expectations) = script.serve();
//! let mut sim = Simulation::new(server);
//! let ann = sim.client(Config::default());
//!
//! // The code under test: here a client core, driven by hand.
//! let room = sim.with(ann, |socket, now| {
//!     socket.connect(now);
//!     let room = socket.channel("room:lobby", Payload::empty())?;
//!     socket.join(now, room, None)?;
//!     Ok::<_, Box<dyn std::error::Error>>(room)
//! })?;
//! let payload = Payload::json(&json!({ "body": "hi" }))?;
//! sim.with(ann, |socket, now| socket.push(now, room, "new_msg", payload, None))?;
//! sim.find_event(ann, Duration::from_secs(1), |event| matches!(event, Event::RequestDone { .. }))
//!     .expect("an outcome");
//! sim.with(ann, |socket, now| socket.leave(now, room, None))?;
//!
//! sim.verify(&expectations, Duration::from_secs(1))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Channels as code
//!
//! For applications that several tests share. This one runs behind a real socket:
//!
//! ```
//! # #[cfg(feature = "listener")] {
//! use async_tungstenite::{tokio::connect_async, tungstenite::Message};
//! use futures::StreamExt;
//! use phx_testing::{Channel, Context, Handled, Payload, Server, listener::Listener};
//!
//! #[derive(Default)]
//! struct Room {
//!     messages: u32,
//! }
//!
//! impl Channel for Room {
//!     fn handle_in(&mut self, ctx: &mut Context<'_>, event: &str, payload: Payload) -> Handled {
//!         match event {
//!             "new_msg" => {
//!                 self.messages += 1;
//!                 ctx.broadcast_from("new_msg", payload);
//!                 Handled::ok(&self.messages)
//!             }
//!             _ => Handled::Crash,
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::builder().channel("room:*", Room::default).build();
//! let listener = Listener::bind(server).await?;
//!
//! // Any client; `listener.url()` is "ws://127.0.0.1:<port>/socket".
//! let url = format!("{}/websocket?vsn=2.0.0", listener.url());
//! let (mut client, _) = connect_async(url).await?;
//! client.send(Message::text(r#"["1","1","room:a","phx_join",{}]"#)).await?;
//! client.send(Message::text(r#"["1","2","room:a","new_msg",{"body":"hi"}]"#)).await?;
//! for expected in [
//!     r#"["1","1","room:a","phx_reply",{"response":{},"status":"ok"}]"#,
//!     r#"["1","2","room:a","phx_reply",{"response":1,"status":"ok"}]"#,
//! ] {
//!     assert_eq!(client.next().await.ok_or("closed")??, Message::text(expected));
//! }
//!
//! listener.all().cut(); // as if a cable were pulled out of the server
//! assert!(matches!(client.next().await, Some(Err(_))));
//! listener.stop().await;
//! # Ok(())
//! # }
//! # main().unwrap();
//! # }
//! ```
//!
//! # In memory, under virtual time
//!
//! The clock jumps from one event to the next, so this takes no time:
//!
//! ```
//! use std::time::Duration;
//!
//! use phx_proto::{Config, Event, Outcome, Payload, Status};
//! use phx_testing::{Handled, Handlers, Server, Simulation};
//!
//! let server = Server::builder().channel("room:*", || {
//!     Handlers::new().handle_in("add", |_, payload| match payload.decode::<(i64, i64)>() {
//!         Ok((a, b)) => Handled::ok(&(a + b)),
//!         Err(_) => Handled::error("expected two numbers"),
//!     })
//! });
//! let mut sim = Simulation::new(server.build());
//! let ann = sim.client(Config::default());
//!
//! // Calls to the client core; `now` is the simulation's time.
//! let room = sim.with(ann, |socket, now| {
//!     socket.connect(now);
//!     let room = socket.channel("room:lobby", Payload::empty())?;
//!     socket.join(now, room, None)?;
//!     Ok::<_, Box<dyn std::error::Error>>(room)
//! })?;
//! sim.find_event(ann, Duration::from_secs(1), |event| matches!(event, Event::Joined { .. }))
//!     .expect("joined");
//!
//! // The connection dies in silence. The heartbeat finds out, and the channel rejoins.
//! sim.half_open(ann);
//! sim.find_event(ann, Duration::from_secs(60), |event| {
//!     matches!(event, Event::Joined { rejoined: true, .. })
//! })
//! .expect("rejoined");
//!
//! let payload = Payload::json(&(40, 2))?;
//! let push = sim.with(ann, |socket, now| socket.push(now, room, "add", payload, None))?;
//! let done = sim.find_event(ann, Duration::from_secs(1), |event| {
//!     matches!(event, Event::RequestDone { push: done, .. } if *done == push)
//! });
//! let Some(Event::RequestDone { outcome: Outcome::Reply { status, response, .. }, .. }) = done else {
//!     panic!("no reply");
//! };
//! assert_eq!((status, response.decode::<i64>()?), (Status::Ok, 42));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Custom adapters
//!
//! `suite` (feature `suite`) tests that a runtime or a transport carries the client as the adapters of this
//! workspace do, over real sockets.
//!
//! # What it doesn't do
//!
//! This crate is for tests: a process's mailbox has no limit, as in Erlang, and a panic in a channel is a panic of
//! the test.

mod channel;
mod context;
mod demo_server;
#[cfg(feature = "listener")]
pub mod fault_proxy;
#[cfg(feature = "listener")]
mod faulty_pipe;
#[cfg(feature = "client")]
pub mod in_memory;
#[cfg(feature = "listener")]
pub mod listener;
mod network;
mod script;
mod server;
mod simulation;
#[cfg(feature = "cases")]
pub mod suite;
#[cfg(feature = "tls")]
#[doc(hidden)]
pub mod tls;
mod version;

pub use channel::{Channel, Handled, Handlers, Reason};
pub use context::{Context, SocketRef};
pub use demo_server::demo_server;
pub use network::{ClientId, Connectivity};
pub use phx_proto::{IntoPayload, Payload, Status};
pub use script::{Expectations, Expected, MismatchError, Script};
pub use server::{
    Accepted, Action, ChannelCrash, ConnectInfo, ConnectRequest, ExchangeId, HttpAnswer,
    HttpRequest, HttpServer, PresenceError, Server, ServerBuilder, SocketId, UpgradeRejection,
};
pub use simulation::Simulation;
pub use version::PhoenixVersion;

#[cfg(all(doctest, feature = "client"))]
#[doc = include_str!("../README.md")]
struct CrateReadme;
