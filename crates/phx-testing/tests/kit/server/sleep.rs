//! Processes that sleep: a join blocks its socket, an event its channel.

use std::time::Duration;

use phx_proto::Payload;
use phx_testing::{Handled, Handlers, Server, SocketId};

use crate::wire::{CLOSED, JOIN, JOINED, Wire};

const SECOND: Duration = Duration::from_secs(1);

fn server() -> Server {
    Server::builder()
        .channel("slow:*", || {
            Handlers::new().join(|ctx, _| {
                ctx.sleep(SECOND);
                Ok(Payload::empty())
            })
        })
        .channel("room:*", || {
            Handlers::new()
                .handle_in("echo", |_, payload| Handled::ok(&payload.decode::<i32>().unwrap()))
                .handle_in("slow", |ctx, _| {
                    ctx.sleep(SECOND);
                    ctx.push("woke", Payload::empty());
                    Handled::ok(&())
                })
        })
        .build()
}

fn joined() -> (Wire, SocketId) {
    let mut wire = Wire::new(server());
    let socket = wire.open();
    wire.send(socket, JOIN);
    assert_eq!(wire.answers(), [JOINED]);
    (wire, socket)
}

#[test]
fn a_slow_join_holds_up_everything_on_its_connection_and_nothing_elsewhere() {
    let (mut wire, socket) = joined();
    wire.join();
    wire.send(socket, r#"["2","2","slow:a","phx_join",{}]"#);
    wire.send(socket, r#"[null,"3","phoenix","heartbeat",{}]"#);
    wire.server.broadcast(wire.now, "room:a", "news", Payload::empty());
    let news = r#"[null,null,"room:a","news",{}]"#;
    assert_eq!(wire.answers(), [news], "the other connection's");
    wire.advance(999);
    assert!(wire.answers().is_empty());
    wire.advance(1);
    let joined = r#"["2","2","slow:a","phx_reply",{"response":{},"status":"ok"}]"#;
    let heartbeat = r#"[null,"3","phoenix","phx_reply",{"response":{},"status":"ok"}]"#;
    assert_eq!(wire.answers(), [joined, heartbeat, news]);
}

#[test]
fn a_slow_event_holds_up_its_channel_alone() {
    let (mut wire, socket) = joined();
    wire.sent(socket, r#"["2","2","room:b","phx_join",{}]"#);
    wire.send(socket, r#"["1","3","room:a","slow",{}]"#);
    wire.send(socket, r#"["1","4","room:a","echo",4]"#);
    wire.send(socket, r#"["2","5","room:b","echo",5]"#);
    let five = r#"["2","5","room:b","phx_reply",{"response":5,"status":"ok"}]"#;
    assert_eq!(wire.answers(), [five]);
    wire.advance(1000);
    let expected = [
        r#"["1",null,"room:a","woke",{}]"#,
        r#"["1","3","room:a","phx_reply",{"response":null,"status":"ok"}]"#,
        r#"["1","4","room:a","phx_reply",{"response":4,"status":"ok"}]"#,
    ];
    assert_eq!(wire.answers(), expected);
}

#[test]
fn a_driver_that_comes_late_gets_the_same() {
    let (mut wire, socket) = joined();
    wire.send(socket, r#"["2","2","slow:a","phx_join",{}]"#);
    wire.send(socket, r#"["2","3","slow:a","phx_leave",{}]"#);
    wire.advance(30_000);
    let expected = [
        r#"["2","2","slow:a","phx_reply",{"response":{},"status":"ok"}]"#,
        r#"["2","3","slow:a","phx_reply",{"response":{},"status":"ok"}]"#,
        r#"["2","2","slow:a","phx_close",{}]"#,
    ];
    assert_eq!(wire.answers(), expected);
}

#[test]
fn a_socket_that_joins_is_not_idle() {
    let (mut wire, socket) = joined();
    wire.send(socket, r#"["2","2","slow:a","phx_join",{}]"#);
    wire.advance(60_999);
    wire.answers();
    assert_eq!(wire.server.sockets().count(), 1);
    wire.advance(1);
    assert_eq!(wire.answers(), ["close 1002"]);
}

#[test]
fn a_leave_and_a_rejoin_at_once_lose_the_reply_to_the_leave() {
    let (mut wire, socket) = joined();
    wire.send(socket, r#"["1","3","room:a","slow",{}]"#);
    wire.send(socket, r#"["1","4","room:a","phx_leave",{}]"#);
    assert!(wire.answers().is_empty());
    wire.send(socket, r#"["5","5","room:a","phx_join",{}]"#);
    let joined = r#"["5","5","room:a","phx_reply",{"response":{},"status":"ok"}]"#;
    assert_eq!(wire.answers(), [joined, CLOSED]);
}
