//! The server's side of Supabase Realtime, for tests: its conventions on the machine and the listener of
//! [`phx_testing`].
//!
//! It is tested with conversations that Supabase's JavaScript and Python clients had with Supabase's serializer and
//! dispatcher, and with those clients themselves.
//!
//! ```
//! use phx_client::{Frame, Instant};
//! use phx_supabase::testing::{self, Change, RealtimeServer};
//! use phx_testing::{Action, ConnectRequest};
//! use serde_json::json;
//!
//! let mut server = RealtimeServer::new("anon-key").builder().build();
//! let now = Instant::EPOCH;
//! let url = "/realtime/v1/websocket?apikey=anon-key&vsn=2.0.0";
//! let socket = server.connect(now, &ConnectRequest::new(url)).expect("accepted").socket;
//! let wanted = json!({ "event": "INSERT", "schema": "public", "table": "msgs" });
//! let join = json!([
//!     "1", "1", "realtime:room", "phx_join", { "config": { "postgres_changes": [wanted] } }
//! ]);
//! server.handle_frame(now, socket, Frame::text(join.to_string()));
//! testing::change(&mut server, now, "realtime:room", &Change::insert("msgs", json!({ "id": 7 })));
//!
//! let frames: Vec<String> = std::iter::from_fn(|| server.poll_action())
//!     .filter_map(|action| match action {
//!         Action::Send { frame, .. } => Some(String::from_utf8_lossy(frame.as_bytes()).into()),
//!         _ => None,
//!     })
//!     .collect();
//! assert!(frames[0].contains("phx_reply") && frames[1].contains(r#""record":{"id":7}"#));
//! ```
//!
//! Behind a listener it serves any client over sockets, the HTTP API included: [`RealtimeServer`] shows how.
//!
//! # What it doesn't do
//!
//! There is no database: changes of rows and stored broadcasts are a test's. It counts no joins, channels and broadcasts:
//! [`RealtimeServer::joins`] and [`Command::Shutdown`] stand for those limits. Filters have no regular expressions: `match`
//! and `imatch` are refused. A private channel that has presence turned off gets its diffs all the same.

mod channel;
mod command;
mod filter;
mod postgres;
mod rest;
mod serializer;
mod settings;

use std::collections::BTreeSet;
use std::sync::Arc;

use phx_client::{Instant, Payload};
use phx_testing::{ConnectInfo, Server, ServerBuilder, SocketId, UpgradeRejection};
use serde_json::json;

use crate::{Broadcast, USER_BROADCAST};

pub use command::Command;
pub use postgres::Change;
pub use settings::{JoinRequest, Permissions, RealtimeServer, StoredBroadcast, Token};
use settings::{MALFORMED, TOPIC};

impl RealtimeServer {
    /// Returns a builder of the server, for more settings.
    pub fn builder(self) -> ServerBuilder {
        let gate = Arc::new(self);
        let (channels, api) = (Arc::clone(&gate), Arc::clone(&gate));
        Server::builder()
            .path("/realtime/v1")
            .serializer(Arc::new(serializer::V2))
            .serializer(Arc::new(serializer::V1))
            .skip_malformed(true)
            .connect(move |info| connect(&gate, info))
            .channel(format!("{TOPIC}*"), move || channel::Realtime::new(Arc::clone(&channels)))
            .http_api(rest::PATH, move |now, request| rest::answer(&api, now, request))
    }
}

fn connect(
    settings: &RealtimeServer,
    info: &ConnectInfo,
) -> Result<Option<String>, UpgradeRejection> {
    let error = match info.param("apikey").map(|key| (settings.keys)(key)) {
        Some(Token::Valid { .. }) => return Ok(None),
        Some(Token::Expired { .. }) => "Token has expired",
        Some(Token::Malformed) => MALFORMED,
        None => "API key is missing",
    };
    Err(UpgradeRejection::new(401)
        .with_header("content-type", "application/json; charset=utf-8")
        .with_body(json!({ "error": error }).to_string()))
}

/// Gives a command to every channel that has joined the topic, such as `realtime:room`, and returns their number.
pub fn send(server: &mut Server, now: Instant, topic: &str, command: &Command) -> usize {
    let sockets: Vec<SocketId> = server.sockets().collect();
    sockets.into_iter().filter(|socket| server.send(now, *socket, topic, command.clone())).count()
}

/// Changes a row: the channels of the topic that have a binding for it get `postgres_changes`. Returns the number of
/// channels of the topic.
pub fn change(server: &mut Server, now: Instant, topic: &str, change: &Change) -> usize {
    send(server, now, topic, &Command::Change(change.clone()))
}

/// Sends a broadcast to every channel of the topic, `realtime:NAME` for public ones and `realtime-private:NAME` for
/// private ones, as the database or the API for single messages does. Nothing is sent if the event's name or the metadata
/// has more than 255 bytes.
pub fn broadcast(server: &mut Server, now: Instant, topic: &str, broadcast: &Broadcast) {
    if let Ok(payload) = broadcast.to_payload() {
        server.broadcast(now, topic, USER_BROADCAST, payload);
    }
}

/// Disconnects every client that has a channel, as an operator does: a `system` message that names no channel, then a
/// close with 1012.
pub fn disconnect(server: &mut Server, now: Instant) {
    let topics = server.sockets().flat_map(|socket| server.topics(socket));
    let names = topics.filter_map(|topic| topic.strip_prefix(TOPIC));
    let rooms = names.flat_map(|name| [true, false].map(|it| JoinRequest::new(name, it, "")));
    let topics: BTreeSet<String> = rooms.map(|room| room.server_topic()).collect();
    let system = r#"{"extension":"system","status":"ok","message":"Server requested disconnect"}"#;
    for topic in topics {
        server.broadcast(now, topic, "system", Payload::from_unchecked_json(system.into()));
    }
    server.drain(now);
}
