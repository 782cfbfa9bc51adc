//! Order of answers when a socket's process had several messages, as with Phoenix 1.8.12.

use std::time::Duration;

use phx_proto::{Frame, Payload, Status};
use phx_testing::{Channel, Context, Handled, Handlers, Server, SocketId, SocketRef};

use crate::wire::{CLOSED, Wire};

/// Replies half a second later.
struct Later;

impl Channel for Later {
    fn handle_in(&mut self, ctx: &mut Context<'_>, event: &str, _: Payload) -> Handled {
        if event == "later" {
            let to = ctx.socket_ref();
            ctx.send_after(Duration::from_millis(500), to);
            return Handled::NoReply;
        }
        Handled::ok(&())
    }

    fn handle_info(
        &mut self,
        ctx: &mut Context<'_>,
        message: Box<dyn std::any::Any + Send>,
    ) -> Handled {
        let to = message.downcast::<SocketRef>().unwrap();
        ctx.reply(&to, Status::Ok, Payload::empty());
        Handled::NoReply
    }
}

fn joined() -> (Wire, SocketId) {
    let slow = || {
        Handlers::new().join(|ctx, _| {
            ctx.sleep(Duration::from_secs(1));
            Ok(Payload::empty())
        })
    };
    let server = Server::builder().channel("room:*", || Later).channel("slow:*", slow);
    let mut wire = Wire::new(server.build());
    let socket = wire.join();
    (wire, socket)
}

const SLOW_JOIN: &str = r#"["2","2","slow:a","phx_join",{}]"#;
const SLOW_JOINED: &str = r#"["2","2","slow:a","phx_reply",{"response":{},"status":"ok"}]"#;
const HEARTBEAT: &str = r#"[null,"9","phoenix","heartbeat",{}]"#;
const ALIVE: &str = r#"[null,"9","phoenix","phx_reply",{"response":{},"status":"ok"}]"#;

/// Sends frames that come in one segment.
fn send_together(wire: &mut Wire, socket: SocketId, texts: &[&str]) {
    let frames = texts.iter().map(|text| Frame::text((*text).to_owned()));
    wire.server.handle_frames(wire.now, socket, frames);
}

fn reply(reference: u32, response: &str) -> String {
    format!(r#"["1","{reference}","room:a","phx_reply",{{"response":{response},"status":"ok"}}]"#)
}

#[test]
fn a_heartbeat_that_waited_for_a_slow_join_is_answered_before_the_replies_of_channels() {
    let (mut wire, socket) = joined();
    wire.send(socket, r#"["1","3","room:a","later",{}]"#);
    wire.send(socket, SLOW_JOIN);
    wire.advance(700);
    // The channel's reply has waited for 200 ms.
    wire.send(socket, HEARTBEAT);
    assert!(wire.answers().is_empty());
    wire.advance(300);
    assert_eq!(wire.answers(), [SLOW_JOINED.to_owned(), ALIVE.to_owned(), reply(3, "{}")]);
}

#[test]
fn frames_that_come_together_are_read_before_channels_reply() {
    let (mut wire, socket) = joined();
    let push = r#"["1","3","room:a","now",{}]"#;
    send_together(&mut wire, socket, &[push, HEARTBEAT]);
    assert_eq!(wire.answers(), [ALIVE.to_owned(), reply(3, "null")]);
    send_together(&mut wire, socket, &[push, SLOW_JOIN, HEARTBEAT]);
    assert!(wire.answers().is_empty());
    wire.advance(1000);
    assert_eq!(wire.answers(), [SLOW_JOINED.to_owned(), ALIVE.to_owned(), reply(3, "null")]);
}

#[test]
fn a_join_is_answered_before_the_frames_behind_it() {
    let (mut wire, socket) = joined();
    let join = r#"["4","4","room:b","phx_join",{}]"#;
    send_together(&mut wire, socket, &[join, HEARTBEAT]);
    let joined = r#"["4","4","room:b","phx_reply",{"response":{},"status":"ok"}]"#;
    assert_eq!(wire.answers(), [joined, ALIVE]);
}

#[test]
fn a_second_leave_before_the_close_is_not_answered() {
    let (mut wire, socket) = joined();
    let (first, second) =
        (r#"["1","3","room:a","phx_leave",{}]"#, r#"["1","4","room:a","phx_leave",{}]"#);
    send_together(&mut wire, socket, &[first, second]);
    assert_eq!(wire.answers(), [reply(3, "{}"), CLOSED.to_owned()]);
    // The topic isn't joined any more: that one is answered.
    wire.send(socket, second);
    assert_eq!(wire.answers(), [reply(4, "{}")]);
}
