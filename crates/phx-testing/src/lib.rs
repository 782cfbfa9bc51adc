//! The server's side of Phoenix Channels, for tests: no Elixir, and no real time unless you want it.
//!
//! [`Server`] is a sans-IO state machine that answers as Phoenix 1.8.12 does; conversations recorded
//! from a real one are its test. Channels are code of yours: a [`Channel`], or closures in
//! [`Handlers`]; [`rooms`] is a small application that is there already. It runs in four ways:
//!
//! - in memory under virtual time, against client cores: [`Simulation`], with cuts, delays and
//!   refusals on command;
//! - the same for programs that use the client's handles: `in_memory`, feature `client`;
//! - behind a real WebSocket listener on tokio: [`listener::Listener`], feature `listener`, which is
//!   on by default;
//! - in a loop of your own, which feeds it frames and times.
//!
//! # In memory, under virtual time
//!
//! The clock jumps from one thing that happens to the next, so this takes no time at all:
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
//! // The connection dies without a word. The heartbeat finds out, and the channel is rejoined.
//! sim.half_open(ann);
//! sim.find_event(ann, Duration::from_secs(60), |event| {
//!     matches!(event, Event::Joined { rejoined: true, .. })
//! })
//! .expect("rejoined");
//!
//! let payload = Payload::json(&(40, 2))?;
//! let push = sim.with(ann, |socket, now| socket.push(now, room, "add", payload, None))?;
//! let done = sim.find_event(ann, Duration::from_secs(1), |event| {
//!     matches!(event, Event::PushDone { push: done, .. } if *done == push)
//! });
//! let Some(Event::PushDone { outcome: Outcome::Reply { status, response, .. }, .. }) = done else {
//!     panic!("no reply");
//! };
//! assert_eq!((status, response.decode::<i64>()?), (Status::Ok, 42));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Over a real socket
//!
//! ```
//! # #[cfg(feature = "listener")] {
//! use phx_proto::Payload;
//! use phx_testing::listener::Listener;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let listener = Listener::bind(phx_testing::rooms().build()).await?;
//! let url = listener.url(); // "ws://127.0.0.1:<port>/socket", for any client
//! # let _ = url;
//! listener.broadcast("room:lobby", "news", Payload::empty());
//! listener.drop_connections(); // as if the power failed
//! listener.stop().await;
//! # Ok(())
//! # }
//! # main().unwrap();
//! # }
//! ```
//!
//! # What it doesn't do
//!
//! It is a tool for tests: a process's mailbox has no limit, as in Erlang, and a panic in a channel
//! is a panic of the test. There is no long-poll yet.

mod channel;
mod context;
#[cfg(feature = "client")]
pub mod in_memory;
#[cfg(feature = "listener")]
pub mod listener;
mod network;
mod rooms;
mod server;
mod simulation;

pub use channel::{Channel, Handled, Handlers, Reason};
pub use context::{Context, SocketRef};
pub use network::{ClientId, Connectivity};
pub use rooms::rooms;
pub use server::{
    Accepted, Action, Builder, ConnectInfo, ConnectRequest, PresenceError, Refusal, Server,
    SocketId,
};
pub use simulation::Simulation;
