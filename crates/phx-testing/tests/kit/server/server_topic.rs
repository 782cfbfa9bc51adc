//! Channels whose broadcasts and presences are those of another topic than the client's.

use phx_proto::{ByteString, Payload, Status};
use phx_testing::{Channel, Context, Handled, Server};
use serde_json::{Value, json};

use crate::wire::Wire;

/// Channel in the room that its params name; its topic, if they name none.
struct Room;

impl Channel for Room {
    fn server_topic(&self, topic: &ByteString, params: &Payload) -> Option<ByteString> {
        let params: Value = params.decode().ok()?;
        Some(format!("{topic}/{}", params["room"].as_str()?).into())
    }

    fn handle_in(&mut self, ctx: &mut Context<'_>, event: &str, payload: Payload) -> Handled {
        match event {
            "track" => ctx.track("ann", json!({})).map(drop).unwrap(),
            "list" => return Handled::ok(&ctx.list()),
            "shout" => ctx.broadcast("shout", payload),
            _ => ctx.broadcast_from("whisper", payload),
        }
        Handled::Reply(Status::Ok, Payload::empty())
    }
}

#[test]
fn broadcasts_and_presences_are_the_rooms_and_frames_have_the_clients_topic() {
    let mut wire = Wire::new(Server::builder().channel("room:*", || Room).build());
    let join = |wire: &mut Wire, params: &str| {
        let socket = wire.open();
        wire.sent(socket, &format!(r#"["1","1","room:a","phx_join",{params}]"#));
        socket
    };
    let red = join(&mut wire, r#"{"room":"red"}"#);
    let _red = join(&mut wire, r#"{"room":"red"}"#);
    let blue = join(&mut wire, r#"{"room":"blue"}"#);
    let none = join(&mut wire, "{}");

    let shout = r#"[null,null,"room:a","shout",1]"#;
    wire.send(red, r#"["1","2","room:a","shout",1]"#);
    assert_eq!(wire.answers().iter().filter(|it| *it == shout).count(), 2, "both of the room");
    wire.send(red, r#"["1","3","room:a","whisper",1]"#);
    assert_eq!(wire.answers().iter().filter(|it| it.contains("whisper")).count(), 1);
    for (topic, count) in [("room:a/red", 2), ("room:a/blue", 1), ("room:a", 1), ("room:b", 0)] {
        wire.server.broadcast(wire.now, topic, "shout", Payload::json(&1).unwrap());
        let answers = wire.answers();
        assert_eq!(answers, vec![shout; count], "{topic}");
    }

    wire.send(red, r#"["1","4","room:a","track",{}]"#);
    let diffs = wire.answers().into_iter().filter(|it| it.contains(r#""room:a","presence_diff""#));
    assert_eq!(diffs.count(), 2);
    for (socket, is_there) in [(red, true), (blue, false), (none, false)] {
        wire.send(socket, r#"["1","5","room:a","list",{}]"#);
        assert_eq!(wire.answers()[0].contains("ann"), is_there);
    }
    wire.server.handle_lost(wire.now, red);
    let answers = wire.answers();
    assert_eq!(answers.len(), 1, "the other of the room: {answers:?}");
    assert!(answers[0].contains(r#""leaves":{"ann""#), "{answers:?}");
}
