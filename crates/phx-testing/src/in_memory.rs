//! Programs against a server in memory: the client's handles, virtual time, no sockets.
//!
//! A [`Link`] connects to a [`Server`](crate::Server) in the same process. It makes builders for sockets, as an
//! adapter does, so that the program under test runs unchanged, and it fails on command. It uses the clock of the
//! given runtime, which can be virtual in two ways.
//!
//! # With a runtime of ours
//!
//! [`VirtualTime`] runs the test and everything that it starts. Whenever all of it waits, the clock jumps to the
//! next event, so a heartbeat every 30 s takes no time. Equal programs give equal runs.
//!
//! ```
//! use std::time::Duration;
//!
//! use phx_client::{SocketBuilder, StreamItem};
//! use phx_testing::in_memory::VirtualTime;
//! use serde_json::{Value, json};
//!
//! // The program under test takes a builder: an adapter's in production, the link's here.
//! async fn greet(builder: SocketBuilder) -> Result<Value, Box<dyn std::error::Error>> {
//!     let socket = builder.connect().await?;
//!     let room = socket.channel("room:lobby").join().await?;
//!     Ok(room.push("echo", &json!({ "body": "hello" })).await?)
//! }
//!
//! let time = VirtualTime::new();
//! let link = time.link(phx_testing::demo_server().build());
//! time.run(async {
//!     // A slow line: the upgrade, the join and the push take half a second each way.
//!     link.set_latency(Duration::from_millis(500));
//!     let reply = greet(link.socket()).await.expect("a reply");
//!     assert_eq!(reply["body"], "hello");
//!     assert_eq!(time.now().since_epoch(), Duration::from_secs(3));
//! });
//!
//! // A cable is pulled, and neither side notices. The heartbeat finds out.
//! time.run(async {
//!     let socket = link.socket().connect().await.expect("open");
//!     let room = socket.channel("room:lobby").join().await.expect("joined");
//!     let mut messages = room.on::<Value>("shout");
//!     link.half_open();
//!     let minute = Duration::from_secs(60);
//!     let item = time.wait_for("the rejoin", minute, messages.next()).await;
//!     assert!(matches!(item, Some(StreamItem::Gap)));
//! });
//! ```
//!
//! # Over long-poll
//!
//! `link.socket().transport(TransportKind::LongPoll)` makes sockets whose frames travel in requests and answers, with
//! the server's timeouts and losses.
//!
//! # On tokio
//!
//! A program that spawns tasks on tokio, or sleeps with it, runs on tokio in its tests as well. With
//! `tokio::time::pause`, or `#[tokio::test(start_paused = true)]`, tokio's clock jumps by itself, and the link and
//! the server follow it:
//!
//! ```
//! use std::time::Duration;
//!
//! use phx_testing::in_memory::Link;
//! use phx_tokio::AdapterRuntime;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let link = Link::new(phx_testing::demo_server().build(), AdapterRuntime::current()?);
//! let socket = link.socket().connect().await?;
//! let room = socket.channel("room:lobby").join().await?;
//!
//! link.cut();
//! tokio::time::sleep(Duration::from_secs(5)).await; // no real time
//! let reply: u32 = room.push("echo", &1).await?;
//! assert_eq!(reply, 1);
//! # Ok(())
//! # }
//! ```

mod alarm;
mod exchange;
mod link;
mod tasks;
mod time;
mod timers;
mod transport;

pub use link::Link;
pub use time::{VirtualRuntime, VirtualTime};
