//! Limits of channels and frames, and disconnects.

use phx_proto::Frame;
use phx_testing::{ConnectRequest, demo_server};

use crate::wire::{JOIN, JOINED, Wire};

#[test]
fn a_join_in_place_of_another_needs_no_room() {
    let mut wire = Wire::new(demo_server().max_channels(1).build());
    let socket = wire.join();
    wire.send(socket, r#"["2","2","room:a","phx_join",{}]"#);
    assert!(wire.answers()[0].contains(r#""status":"ok""#));
    wire.send(socket, r#"["3","3","room:b","phx_join",{}]"#);
    let full = r#"["3","3","room:b","phx_reply",{"response":{"reason":"too many channels joined"},"status":"error"}]"#;
    assert_eq!(wire.answers(), [full]);
    wire.sent(socket, r#"["2","4","room:a","phx_leave",{}]"#);
    wire.send(socket, r#"["5","5","room:b","phx_join",{}]"#);
    assert!(wire.answers()[0].contains(r#""status":"ok""#));
}

#[test]
fn a_frame_may_be_as_large_as_the_limit() {
    let mut wire = Wire::new(demo_server().max_frame_size(JOIN.len()).build());
    let socket = wire.open();
    wire.send(socket, JOIN);
    assert_eq!(wire.answers(), [JOINED]);
    wire.server.handle_frame(wire.now, socket, Frame::binary(vec![0; JOIN.len() + 1]));
    assert_eq!(wire.answers(), ["close 1009"]);
}

#[test]
fn a_drain_spares_connections_without_channels_and_a_shutdown_does_not() {
    let mut wire = Wire::new(demo_server().build());
    let (joined, _idle) = (wire.open(), wire.open());
    wire.sent(joined, JOIN);
    wire.server.drain(wire.now);
    assert_eq!(wire.answers(), ["close 1012"]);
    wire.server.shutdown(wire.now);
    assert_eq!(wire.answers(), ["close 1000"]);
    let request = ConnectRequest::new("/socket/websocket?vsn=2.0.0");
    assert_eq!(wire.server.connect(wire.now, &request).unwrap_err().status(), 503);
}

#[test]
fn a_disconnect_is_for_those_with_the_id() {
    let builder = demo_server().connect(|info| Ok(info.param("user").map(str::to_owned)));
    let mut wire = Wire::new(builder.build());
    let ann = wire.connect("vsn=2.0.0&user=ann");
    let bob = wire.connect("vsn=2.0.0&user=bob");
    wire.server.disconnect(wire.now, "ann");
    assert_eq!(wire.answers(), ["close 1001"]);
    assert_eq!(wire.server.sockets().collect::<Vec<_>>(), [bob]);
    assert_ne!(ann, bob);
}
