//! Presence at the end of channels, and metas that can't be tracked.

use phx_proto::Payload;
use phx_testing::{Channel, Context, Handled, PresenceError, Server};
use serde_json::{Value, json};

use crate::wire::Wire;

struct Tracker;

impl Channel for Tracker {
    fn handle_in(&mut self, ctx: &mut Context<'_>, event: &str, payload: Payload) -> Handled {
        let (key, meta): (String, Value) = payload.decode().unwrap();
        let result = match event {
            "track" => ctx.track(&key, meta).map(drop),
            "update" => ctx.update(&key, meta).map(drop),
            "untrack" => ctx.untrack(&key),
            _ => return Handled::Crash,
        };
        match result {
            Ok(()) => Handled::NoReply,
            Err(PresenceError::AlreadyTracked) => Handled::error("already"),
            Err(PresenceError::NotTracked) => Handled::error("not"),
            Err(other) => Handled::error(&other.to_string()),
        }
    }
}

fn wire() -> Wire {
    Wire::new(Server::builder().channel("room:*", || Tracker).build())
}

/// Returns the keys of a diff's joins and leaves.
fn diff(answer: &str) -> (Vec<String>, Vec<String>) {
    let message: Value = serde_json::from_str(answer).unwrap();
    assert_eq!(message[3], "presence_diff");
    let keys = |part: &Value| part.as_object().unwrap().keys().cloned().collect();
    (keys(&message[4]["joins"]), keys(&message[4]["leaves"]))
}

#[test]
fn all_that_a_channel_tracked_goes_in_one_diff_when_it_ends() {
    for end in ["lost", "crash", "close"] {
        let mut wire = wire();
        let (ann, _bob) = (wire.join(), wire.join());
        wire.sent(ann, r#"["1","2","room:a","track",["ann",{}]]"#);
        wire.sent(ann, r#"["1","3","room:a","track",["cat",{}]]"#);
        match end {
            "lost" => wire.server.handle_lost(wire.now, ann),
            "crash" => wire.send(ann, r#"["1","4","room:a","boom",["",{}]]"#),
            _ => wire.server.handle_close(wire.now, ann),
        }
        let answers = wire.answers();
        let last = answers.last().unwrap();
        let gone = vec!["ann".to_owned(), "cat".to_owned()];
        assert_eq!(diff(last), (Vec::new(), gone), "{end}");
    }
}

#[test]
fn each_channel_has_its_own_meta_of_a_key() {
    let mut wire = wire();
    let (ann, bob) = (wire.join(), wire.join());
    wire.sent(ann, r#"["1","2","room:a","track",["ann",{"n":1}]]"#);
    wire.sent(bob, r#"["1","2","room:a","track",["ann",{"n":2}]]"#);
    wire.server.handle_lost(wire.now, ann);
    let answers = wire.answers();
    let message: Value = serde_json::from_str(&answers[0]).unwrap();
    let metas = &message[4]["leaves"]["ann"]["metas"];
    assert_eq!(metas.as_array().unwrap().len(), 1);
    assert_eq!(metas[0]["n"], 1);
}

#[test]
fn what_cannot_be_tracked_is_reported() {
    let mut wire = wire();
    let socket = wire.join();
    let mut reply = |event: &str, payload: Value| -> Value {
        wire.send(socket, &json!(["1", "2", "room:a", event, payload]).to_string());
        let answers = wire.answers();
        let message: Value = serde_json::from_str(&answers[0]).unwrap();
        message[4]["response"].clone()
    };
    assert_eq!(reply("update", json!(["ann", {}])), "not");
    assert_eq!(reply("untrack", json!(["ann", {}])), "not");
    assert_eq!(reply("track", json!(["ann", 7])), "a presence's meta must be a JSON object");
    assert_eq!(reply("track", json!(["ann", {}])), Value::Null, "the diff");
    assert_eq!(reply("track", json!(["ann", {}])), "already");
}
