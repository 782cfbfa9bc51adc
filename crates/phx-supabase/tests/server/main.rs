//! Conventions of the server kit that no recording shows: limits, tokens, rights, replay, filters.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod filters;
mod http_api;

use std::time::Duration;

use phx_client::{Frame, Instant, Payload};
use phx_supabase::Broadcast;
use phx_supabase::testing::{self, Command, Permissions, RealtimeServer, StoredBroadcast, Token};
use phx_testing::{Action, ConnectRequest, Server, SocketId};
use serde_json::{Value, json};

const TOPIC: &str = "realtime:room";

/// A server with its clients.
struct Wire {
    server: Server,
    now: Instant,
}

impl Wire {
    fn new(server: RealtimeServer) -> Self {
        Wire { server: server.builder().build(), now: Instant::EPOCH }
    }

    fn open(&mut self, vsn: &str) -> SocketId {
        let url = format!("/realtime/v1/websocket?apikey=key&vsn={vsn}");
        self.server.connect(self.now, &ConnectRequest::new(&url)).unwrap().socket
    }

    /// A connection that has joined, and the reply.
    fn join(&mut self, params: &Value) -> (SocketId, Value) {
        let socket = self.open("2.0.0");
        self.push(socket, "phx_join", params);
        let reply = self.texts().remove(0);
        (socket, reply[4].clone())
    }

    fn joined(&mut self, config: &Value) -> SocketId {
        let (socket, reply) = self.join(&json!({ "config": config }));
        assert_eq!(reply["status"], "ok", "{reply}");
        socket
    }

    fn refused(&mut self, params: &Value) -> String {
        let (_, reply) = self.join(params);
        assert_eq!(reply["status"], "error");
        reply["response"]["reason"].as_str().unwrap().to_owned()
    }

    fn push(&mut self, socket: SocketId, event: &str, payload: &Value) {
        let frame = json!(["1", "1", TOPIC, event, payload]).to_string();
        self.server.handle_frame(self.now, socket, Frame::text(frame));
    }

    fn track(&mut self, socket: SocketId, meta: &Value) {
        let track = json!({ "type": "presence", "event": "track", "payload": meta });
        self.push(socket, "presence", &track);
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.server.handle_timeout(self.now);
    }

    fn frames(&mut self) -> Vec<Frame> {
        std::iter::from_fn(|| self.server.poll_action())
            .map(|action| match action {
                Action::Send { frame, .. } => frame,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    fn texts(&mut self) -> Vec<Value> {
        let frames = self.frames();
        frames.iter().map(|frame| serde_json::from_slice(frame.as_bytes()).unwrap()).collect()
    }

    /// The text of the `system` message that a `phx_close` follows.
    fn shutdown(&mut self) -> String {
        let texts = self.texts();
        let [.., system, close] = texts.as_slice() else { panic!("{texts:?}") };
        assert_eq!((&system[3], &system[4]["status"]), (&json!("system"), &json!("error")));
        assert_eq!(close[3], "phx_close");
        system[4]["message"].as_str().unwrap().to_owned()
    }
}

fn meta(meta: &Value) -> Payload {
    Payload::json(meta).unwrap()
}

fn server() -> RealtimeServer {
    RealtimeServer::new("key")
}

#[test]
fn a_wrong_key_or_none_is_refused_with_a_reason() {
    let mut server = server().builder().build();
    for (query, error) in [
        ("vsn=2.0.0", "API key is missing"),
        ("vsn=2.0.0&apikey=other", "The token provided is not a valid JWT"),
    ] {
        let url = format!("/realtime/v1/websocket?{query}");
        let refusal = server.connect(Instant::EPOCH, &ConnectRequest::new(&url)).unwrap_err();
        assert_eq!(refusal.status(), 401);
        assert_eq!(*refusal.body(), json!({ "error": error }).to_string());
    }
}

#[test]
fn a_token_that_expires_closes_the_channel_unless_another_comes() {
    let lifetime = Duration::from_secs(30);
    let tokens = move |token: &str, now: Instant| {
        let expires = match token {
            "new" => Duration::from_secs(1000),
            _ => lifetime,
        };
        let age = now.since_epoch();
        match expires.checked_sub(age).filter(|left| !left.is_zero()) {
            Some(left) => Token::Valid { recheck_after: Some(left) },
            None => Token::Expired { ago: age.saturating_sub(expires) },
        }
    };
    for renewed in [false, true] {
        let mut wire = Wire::new(server().tokens(tokens));
        let (socket, _) = wire.join(&json!({ "access_token": "old" }));
        wire.pass(lifetime / 2);
        if renewed {
            wire.push(socket, "access_token", &json!({ "access_token": "new" }));
            // The same token and a project's key change nothing.
            wire.push(socket, "access_token", &json!({ "access_token": "new" }));
            wire.push(socket, "access_token", &json!({ "access_token": "sb_publishable_key" }));
        }
        assert_eq!(wire.frames(), []);
        wire.pass(lifetime);
        match renewed {
            true => assert_eq!(wire.frames(), []),
            false => assert_eq!(wire.shutdown(), "Token has expired 0 seconds ago"),
        }
        assert_eq!(
            wire.refused(&json!({ "access_token": "old" })),
            "InvalidJWTToken: Token has expired 15 seconds ago"
        );
    }
}

#[test]
fn joins_are_refused_with_their_codes() {
    let everything = server()
        .permissions(|join| Permissions { read: join.token != "stranger", write: true })
        .joins(|join| match &*join.token {
            _ if !join.private => {
                Err("PrivateOnly: This project only allows private channels".to_owned())
            }
            "early" => Err("InitializingProjectConnection: Connecting".to_owned()),
            _ => Ok(()),
        })
        .tokens(|token, _| match token {
            "malformed" => Token::Malformed,
            _ => Token::VALID,
        });
    let mut wire = Wire::new(everything);
    let private = |token: &str| json!({ "config": { "private": true }, "access_token": token });
    for (params, reason) in [
        (json!({}), "PrivateOnly: This project only allows private channels"),
        (private("early"), "InitializingProjectConnection: Connecting"),
        (private("malformed"), "MalformedJWT: The token provided is not a valid JWT"),
        (
            private("stranger"),
            "Unauthorized: You do not have permissions to read from this Channel topic: room",
        ),
    ] {
        assert_eq!(wire.refused(&params), reason);
    }
    assert_eq!(wire.join(&private("friend")).1["status"], "ok");
}

#[test]
fn a_refused_join_is_answered_after_the_delay() {
    let mut wire = Wire::new(
        server().joins(|_| Err("Code: text".to_owned())).error_delay(Duration::from_secs(5)),
    );
    let socket = wire.open("2.0.0");
    wire.push(socket, "phx_join", &json!({}));
    wire.pass(Duration::from_millis(4_999));
    assert_eq!(wire.frames(), []);
    wire.pass(Duration::from_millis(1));
    assert_eq!(wire.frames().len(), 1);
}

#[test]
fn the_sixth_call_of_presence_in_the_window_closes_the_channel() {
    let mut wire = Wire::new(server());
    let socket = wire.joined(&json!({}));
    for call in 0..5 {
        wire.track(socket, &json!({ "call": call }));
    }
    // The window starts with its first call.
    wire.pass(Duration::from_millis(30_001));
    for call in 5..10 {
        wire.track(socket, &json!({ "call": call }));
    }
    assert_eq!(wire.frames().len(), 20, "replies and diffs");
    wire.track(socket, &json!({}));
    let texts = wire.texts();
    assert_eq!(texts[0][4]["message"], "Client presence rate limit exceeded");
    assert_eq!(texts[1][3], "phx_close");
}

#[test]
fn a_broadcast_over_the_limit_is_an_error() {
    let mut wire = Wire::new(server().max_payload(100));
    let socket = wire.joined(&json!({ "broadcast": { "ack": true, "self": true } }));
    let large = json!({ "type": "broadcast", "event": "e", "payload": "x".repeat(100) });
    wire.push(socket, "broadcast", &large);
    assert_eq!(
        wire.texts()[0][4],
        json!({ "status": "error", "response": "payload_size_exceeded" })
    );
    let small = json!({ "type": "broadcast", "event": "e", "payload": {} });
    wire.push(socket, "broadcast", &small);
    assert_eq!(wire.texts().len(), 2, "the broadcast and its reply");
}

#[test]
fn without_ack_a_broadcast_has_no_reply() {
    let mut wire = Wire::new(server());
    let socket = wire.joined(&json!({}));
    wire.joined(&json!({}));
    wire.push(socket, "broadcast", &json!({ "type": "broadcast", "event": "e", "payload": {} }));
    let texts = wire.texts();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert_eq!(texts[0][3], "broadcast", "the other client's");
}

#[test]
fn without_the_right_to_write_nothing_is_passed_on() {
    let read_only = |_: &_| Permissions { read: true, write: false };
    let mut wire = Wire::new(server().permissions(read_only));
    let config = json!({ "private": true, "broadcast": { "ack": true, "self": true } });
    let socket = wire.joined(&config);
    wire.push(socket, "broadcast", &json!({ "type": "broadcast", "event": "e", "payload": {} }));
    assert_eq!(wire.frames(), []);
    wire.track(socket, &json!({}));
    assert_eq!(wire.texts()[0][4], json!({ "status": "error", "response": {} }));
    let public = wire.joined(&json!({ "broadcast": { "ack": true, "self": true } }));
    wire.push(public, "broadcast", &json!({ "type": "broadcast", "event": "e", "payload": {} }));
    assert_eq!(wire.frames().len(), 2, "the broadcast and its reply; the private room is another");
}

#[test]
fn a_token_without_rights_closes_a_private_channel() {
    let rights = |join: &testing::JoinRequest| {
        let may = join.token == "friend";
        Permissions { read: may, write: may }
    };
    let mut wire = Wire::new(server().permissions(rights));
    let (socket, _) =
        wire.join(&json!({ "config": { "private": true }, "access_token": "friend" }));
    wire.push(socket, "access_token", &json!({ "access_token": "stranger" }));
    assert_eq!(
        wire.shutdown(),
        "You do not have permissions to read from this Channel topic: room"
    );
}

#[test]
fn stored_broadcasts_are_replayed_to_private_channels() {
    let stored = |id: &str, inserted_at, body| StoredBroadcast {
        channel: "room".to_owned(),
        id: id.to_owned(),
        inserted_at,
        broadcast: Broadcast::new("e", body),
    };
    let json = |n: u32| Payload::json(&json!({ "n": n })).unwrap();
    let server = server()
        .stored(stored("later", 30, Payload::binary(vec![1, 2])))
        .stored(stored("old", 9, json(0)))
        .stored(stored("first", 10, json(1)))
        .stored(stored("second", 20, json(2)));
    let mut wire = Wire::new(server);
    let replay = |private: bool, replay: Value| json!({ "config": { "private": private, "broadcast": { "replay": replay } } });
    assert_eq!(
        wire.refused(&replay(false, json!({ "since": 1 }))),
        "UnableToReplayMessages: Replay is not allowed for public channels"
    );
    assert_eq!(
        wire.refused(&replay(true, json!({ "since": "1" }))),
        "UnableToReplayMessages: Replay params are not valid"
    );
    let socket = wire.open("2.0.0");
    wire.push(socket, "phx_join", &replay(true, json!({ "since": 10, "limit": 2 })));
    let frames = wire.frames();
    let [_, second, later] = frames.as_slice() else { panic!("{frames:?}") };
    let second: Value = serde_json::from_slice(second.as_bytes()).unwrap();
    assert_eq!(
        second[4],
        json!({
            "type": "broadcast", "event": "e", "payload": { "n": 2 },
            "meta": { "id": "second", "replayed": true },
        })
    );
    let later = later.as_bytes().escape_ascii().to_string();
    assert_eq!(
        later,
        r#"\x04\r\x01\x1e\x00realtime:roome{\"id\":\"later\",\"replayed\":true}\x01\x02"#
    );
}

#[test]
fn equal_bindings_have_equal_ids() {
    let id = |reply: &Value| reply["response"]["postgres_changes"][0]["id"].clone();
    let join = |table| json!({ "config": { "postgres_changes": [{ "table": table }] } });
    let mut wire = Wire::new(server());
    let first = id(&wire.join(&join("a")).1);
    assert_eq!(first, id(&wire.join(&join("a")).1));
    assert_ne!(first, id(&wire.join(&join("b")).1));
}

#[test]
fn a_client_of_v1_gets_json_broadcasts_as_text_and_no_bytes() {
    let mut wire = Wire::new(server());
    let socket = wire.open("1.0.0");
    let join = json!({ "topic": TOPIC, "event": "phx_join", "payload": {}, "ref": "1" });
    wire.server.handle_frame(wire.now, socket, Frame::text(join.to_string()));
    wire.texts();
    for body in [Payload::json(&1).unwrap(), Payload::binary(vec![1])] {
        let broadcast = Broadcast::new("e", body).with_meta(meta(&json!({ "id": "x" })));
        testing::broadcast(&mut wire.server, wire.now, TOPIC, &broadcast);
    }
    let expected = json!({
        "topic": TOPIC, "event": "broadcast", "ref": null,
        "payload": { "type": "broadcast", "event": "e", "payload": 1, "meta": { "id": "x" } },
    });
    assert_eq!(wire.texts(), [expected]);
}

#[test]
fn frames_that_are_no_messages_are_skipped() {
    let mut wire = Wire::new(server());
    let socket = wire.joined(&json!({ "broadcast": { "ack": true } }));
    for frame in [
        Frame::text("["),
        Frame::text("{}"),
        Frame::binary(vec![]),
        Frame::binary(vec![9]),
        Frame::binary(vec![3, 1, 1, 13, 1, 0, 1]),
        // Metadata that isn't JSON, and an event that isn't UTF-8.
        Frame::binary(b"\x03\x01\x01\x0d\x01\x01\x0111realtime:roome{".as_slice()),
        Frame::binary(b"\x03\x01\x01\x0d\x01\x00\x0111realtime:room\xff{}".as_slice()),
    ] {
        wire.server.handle_frame(wire.now, socket, frame);
    }
    wire.push(socket, "an event that Supabase doesn't know", &json!({}));
    assert_eq!(wire.frames(), []);
    let push = b"\x03\x01\x01\x0d\x01\x02\x0111realtime:roome{}{}".as_slice();
    wire.server.handle_frame(wire.now, socket, Frame::binary(push));
    assert_eq!(wire.texts()[0][4]["status"], "ok");
}

#[test]
fn names_over_255_bytes_are_not_sent() {
    let mut wire = Wire::new(server());
    wire.joined(&json!({}));
    let body = || Payload::empty();
    let long = "e".repeat(256);
    for broadcast in [
        Broadcast::new(&*long, body()),
        Broadcast::new("e", body()).with_meta(meta(&json!({ "id": long }))),
    ] {
        testing::broadcast(&mut wire.server, wire.now, TOPIC, &broadcast);
    }
    assert_eq!(wire.frames(), []);
    let longest = Broadcast::new("e".repeat(255), body());
    testing::broadcast(&mut wire.server, wire.now, TOPIC, &longest);
    assert_eq!(wire.frames().len(), 1);
}

#[test]
fn commands_reach_every_channel_of_the_topic() {
    let mut wire = Wire::new(server());
    for _ in 0..3 {
        wire.joined(&json!({}));
    }
    assert_eq!(testing::send(&mut wire.server, wire.now, "realtime:other", &Command::Crash), 0);
    assert_eq!(testing::send(&mut wire.server, wire.now, TOPIC, &Command::Crash), 3);
    assert!(wire.texts().iter().all(|text| text[3] == "phx_error"));
    testing::disconnect(&mut wire.server, wire.now);
    assert!(wire.server.poll_action().is_none(), "none has a channel any more");
}

#[test]
fn private_and_public_channels_share_neither_presences_nor_broadcasts() {
    let mut wire = Wire::new(server());
    let config = |private: bool| json!({ "private": private, "presence": { "key": "ann", "enabled": true } });
    let public = wire.joined(&config(false));
    let private = wire.joined(&config(true));
    wire.frames();
    wire.track(private, &json!({ "a": 1 }));
    let texts = wire.texts();
    assert_eq!(texts.len(), 2, "the reply and the diff of one channel: {texts:?}");
    assert_eq!(texts[1][2], TOPIC, "under the topic that the client knows");
    // The state of the public room is still empty.
    let later = wire.open("2.0.0");
    wire.push(later, "phx_join", &json!({ "config": config(false) }));
    let texts = wire.texts();
    assert_eq!((&texts[1][3], &texts[1][4]), (&json!("presence_state"), &json!({})));
    for (topic, count) in [(TOPIC, 2), ("realtime-private:room", 1), ("realtime:none", 0)] {
        let broadcast = Broadcast::new("e", Payload::empty());
        testing::broadcast(&mut wire.server, wire.now, topic, &broadcast);
        let frames = wire.frames();
        assert_eq!(frames.len(), count, "{topic}");
        let named = |frame: &Frame| frame.as_bytes().escape_ascii().to_string().contains(TOPIC);
        assert!(frames.iter().all(named), "{frames:?}");
    }
    // An operator's disconnect is said in both.
    testing::disconnect(&mut wire.server, wire.now);
    let mut closed = Vec::new();
    let mut systems = 0;
    while let Some(action) = wire.server.poll_action() {
        match action {
            Action::Send { .. } => systems += 1,
            Action::Close { socket, .. } => closed.push(socket),
            other => panic!("{other:?}"),
        }
    }
    closed.sort();
    assert_eq!((systems, closed), (3, vec![public, private, later]));
}
