//! A script beside a server's other settings and channels of code.

use phx_testing::{Handlers, Script, Server};
use serde_json::json;

use super::served;
use crate::wire::Wire;

#[test]
fn topics_with_code_are_not_the_scripts() {
    let builder = Server::builder().path("/live").channel("presence:*", Handlers::new);
    let script = Script::new().expect_join("room:*").reply_ok(&json!({ "scripted": true }));
    let (server, expectations) = script.serve_with(builder);
    assert_eq!(server.path(), "/live");
    let mut wire = Wire::new(server);
    let request = phx_testing::ConnectRequest::new("/live/websocket?vsn=2.0.0");
    let ann = wire.server.connect(wire.now, &request).unwrap().socket;
    wire.send(ann, r#"["1","1","presence:a","phx_join",{}]"#);
    wire.send(ann, r#"["2","2","room:a","phx_join",{}]"#);
    let answers = wire.answers();
    assert!(answers[0].contains(r#""response":{}"#), "{answers:?}");
    assert!(answers[1].contains(r#""response":{"scripted":true}"#), "{answers:?}");
    expectations.assert_met();
}

#[test]
fn heartbeats_are_no_part_of_it() {
    let (mut wire, ann, expectations) = served(&Script::new());
    wire.send(ann, r#"[null,"1","phoenix","heartbeat",{}]"#);
    assert_eq!(wire.answers().len(), 1);
    expectations.assert_met();
}
