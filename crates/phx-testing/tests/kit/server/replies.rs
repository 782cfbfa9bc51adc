//! Late replies, second replies, and replies after the channel's end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use phx_proto::{Payload, Status};
use phx_testing::{Channel, Context, Handled, Handlers, Server, SocketRef};

use crate::wire::{CLOSED, CRASHED, Wire};

/// Replies a second later with the push's payload.
struct Later;

impl Channel for Later {
    fn handle_in(&mut self, ctx: &mut Context<'_>, event: &str, _: Payload) -> Handled {
        match event {
            "later" => {
                let to = ctx.socket_ref();
                ctx.send_after(Duration::from_secs(1), to);
                Handled::NoReply
            }
            "double" => {
                let to = ctx.socket_ref();
                ctx.reply(&to, Status::Ok, Payload::empty());
                Handled::error(&1)
            }
            "stop_reply" => Handled::StopReply(Status::Other("bye".into()), Payload::empty()),
            _ => Handled::Crash,
        }
    }

    fn handle_info(
        &mut self,
        ctx: &mut Context<'_>,
        message: Box<dyn std::any::Any + Send>,
    ) -> Handled {
        match message.downcast::<SocketRef>() {
            Ok(to) => {
                ctx.reply(&to, Status::Ok, Payload::empty());
                Handled::NoReply
            }
            Err(_) => Handled::ok(&()),
        }
    }
}

fn joined() -> (Wire, phx_testing::SocketId) {
    let mut wire = Wire::new(Server::builder().channel("room:*", || Later).build());
    let socket = wire.join();
    (wire, socket)
}

#[test]
fn a_reply_may_come_later() {
    let (mut wire, socket) = joined();
    wire.send(socket, r#"["1","2","room:a","later",{}]"#);
    assert!(wire.answers().is_empty());
    wire.advance(1000);
    let reply = r#"["1","2","room:a","phx_reply",{"response":{},"status":"ok"}]"#;
    assert_eq!(wire.answers(), [reply]);
}

#[test]
fn a_reply_may_come_twice() {
    let (mut wire, socket) = joined();
    wire.send(socket, r#"["1","2","room:a","double",{}]"#);
    let expected = [
        r#"["1","2","room:a","phx_reply",{"response":{},"status":"ok"}]"#,
        r#"["1","2","room:a","phx_reply",{"response":1,"status":"error"}]"#,
    ];
    assert_eq!(wire.answers(), expected);
}

#[test]
fn a_channel_may_reply_and_stop() {
    let (mut wire, socket) = joined();
    wire.send(socket, r#"["1","2","room:a","stop_reply",{}]"#);
    let reply = r#"["1","2","room:a","phx_reply",{"response":{},"status":"bye"}]"#;
    assert_eq!(wire.answers(), [reply, CLOSED]);
}

#[test]
fn a_test_may_reply_even_after_the_channel_crashed() {
    let kept: Arc<Mutex<Option<SocketRef>>> = Arc::default();
    let keep = kept.clone();
    let server = Server::builder().channel("room:*", move || {
        let keep = keep.clone();
        Handlers::new().handle_in("ask", move |ctx, _| {
            *keep.lock().unwrap() = Some(ctx.socket_ref());
            Handled::NoReply
        })
    });
    let mut wire = Wire::new(server.build());
    let socket = wire.join();
    wire.send(socket, r#"["1","2","room:a","ask",{}]"#);
    wire.send(socket, r#"["1","3","room:a","unknown",{}]"#);
    assert_eq!(wire.answers(), [CRASHED]);
    let to = kept.lock().unwrap().take().unwrap();
    wire.server.reply(wire.now, &to, Status::Ok, Payload::empty()).unwrap();
    let reply = r#"["1","2","room:a","phx_reply",{"response":{},"status":"ok"}]"#;
    assert_eq!(wire.answers(), [reply]);
}

#[test]
fn a_reply_to_no_push_is_a_crash() {
    let (mut wire, socket) = joined();
    assert!(wire.server.send(wire.now, socket, "room:a", "not a socket_ref"));
    assert_eq!(wire.answers(), [CRASHED]);
    assert!(!wire.server.send(wire.now, socket, "room:a", "nobody there"));
}
