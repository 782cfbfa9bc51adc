//! Inputs that keep a connection from being idle.

use phx_proto::Payload;
use phx_testing::demo_server;

use crate::wire::Wire;

#[test]
fn frames_and_pings_do_and_what_the_server_sends_does_not() {
    let mut wire = Wire::new(demo_server().build());
    let socket = wire.join();
    wire.advance(50_000);
    wire.server.handle_ping(wire.now, socket);
    wire.advance(50_000);
    wire.sent(socket, r#"[null,"2","phoenix","heartbeat",{}]"#);
    wire.advance(59_999);
    wire.server.broadcast(wire.now, "room:a", "news", Payload::empty());
    wire.answers();
    assert_eq!(wire.server.sockets().count(), 1);
    wire.advance(1);
    assert_eq!(wire.answers(), ["close 1002"]);
    assert_eq!(wire.server.poll_timeout(), None);
}

#[test]
fn nothing_is_needed_without_a_timeout() {
    let mut wire = Wire::new(demo_server().idle_timeout(None).build());
    wire.open();
    assert_eq!(wire.server.poll_timeout(), None);
}
