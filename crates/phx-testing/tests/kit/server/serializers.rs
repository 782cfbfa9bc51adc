//! Choice of a connection's serializer, and payloads that it can't carry.

use std::sync::Arc;

use phx_proto::{DecodeError, EncodeError, Frame, Message, Payload, Serializer, V2Server};
use phx_testing::{ConnectRequest, Handled, Handlers, Server};

use crate::wire::{JOIN, JOINED, Wire};

const V1_JOIN: &str = r#"{"topic":"room:a","event":"phx_join","payload":{},"ref":"1"}"#;

fn server() -> Server {
    let binary = || Payload::binary("abc");
    Server::builder()
        .channel("room:*", move || {
            Handlers::new()
                .handle_in("push", move |ctx, _| {
                    ctx.push("data", binary());
                    Handled::NoReply
                })
                .handle_in("reply", move |_, _| Handled::Reply(phx_proto::Status::Ok, binary()))
                .handle_in("broadcast", move |ctx, _| {
                    ctx.broadcast("data", binary());
                    Handled::NoReply
                })
        })
        .build()
}

#[test]
fn a_binary_push_or_reply_crashes_a_v1_channel() {
    for event in ["push", "reply"] {
        let mut wire = Wire::new(server());
        let socket = wire.connect("vsn=1.0.0");
        wire.sent(socket, V1_JOIN);
        let push = format!(r#"{{"topic":"room:a","event":"{event}","payload":{{}},"ref":"2"}}"#);
        wire.send(socket, &push);
        let crashed = r#"{"event":"phx_error","payload":{"reason":"channel_crash"},"ref":null,"topic":"room:a"}"#;
        assert_eq!(wire.answers(), [crashed], "{event}");
    }
}

#[test]
fn a_binary_broadcast_reaches_those_who_can_read_it() {
    let mut wire = Wire::new(server());
    let (old, new) = (wire.open(), wire.connect("vsn=1.0.0"));
    wire.sent(old, JOIN);
    wire.sent(new, V1_JOIN);
    wire.send(new, r#"{"topic":"room:a","event":"broadcast","payload":{},"ref":"2"}"#);
    assert_eq!(wire.answers(), [r"\x02\x06\x04room:adataabc"]);
}

/// V2 under another name.
#[derive(Debug)]
struct Own;

impl Serializer for Own {
    fn vsn(&self) -> &str {
        "own"
    }

    fn encode(&self, message: &Message) -> Result<Frame, EncodeError> {
        V2Server.encode(message)
    }

    fn decode(&self, frame: Frame) -> Result<Message, DecodeError> {
        V2Server.decode(frame)
    }
}

#[test]
fn one_of_ones_own_is_chosen_by_its_vsn() {
    let request = ConnectRequest::new("/socket/websocket?vsn=own");
    let mut without = Wire::new(server());
    assert_eq!(without.server.connect(without.now, &request).unwrap_err().status(), 403);
    let builder = Server::builder().serializer(Arc::new(Own)).channel("room:*", Handlers::new);
    let mut wire = Wire::new(builder.build());
    let socket = wire.connect("vsn=own");
    wire.send(socket, JOIN);
    assert_eq!(wire.answers(), [JOINED]);
}
