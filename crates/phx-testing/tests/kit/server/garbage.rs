//! With any input, the server neither panics nor sends to a connection that it has closed.

use std::collections::BTreeSet;
use std::time::Duration;

use phx_proto::{Frame, Instant};
use phx_testing::{Action, ConnectRequest, Server, SocketId, demo_server};

use crate::wire::{JOIN, Wire};

#[test]
fn payloads_must_be_json_to_the_last_byte() {
    let payloads = [r#"{"a":"\ud800"}"#, "[1e400]", r#"{"a":}"#, "[[[", "nul"];
    for payload in payloads {
        let mut wire = Wire::new(demo_server().build());
        let socket = wire.join();
        wire.send(socket, &format!(r#"["1","2","room:a","echo",{payload}]"#));
        assert_eq!(wire.answers(), ["close 1011"], "{payload}");
    }
}

#[test]
fn a_join_cannot_be_binary() {
    let mut wire = Wire::new(demo_server().build());
    let socket = wire.open();
    let join = b"\0\x01\x01\x06\x0811room:aphx_join".as_slice();
    wire.server.handle_frame(wire.now, socket, Frame::binary(join));
    assert_eq!(wire.answers(), ["close 1011"]);
}

#[test]
fn a_server_can_skip_what_is_no_message() {
    let mut wire = Wire::new(demo_server().skip_malformed(true).build());
    let socket = wire.join();
    for garbage in ["[", "{}", r#"["1","2","room:a",1]"#, r#"["1","2","room:a","echo",[[["#] {
        wire.send(socket, garbage);
    }
    wire.server.handle_frame(wire.now, socket, Frame::binary(b"\x09".as_slice()));
    assert!(wire.answers().is_empty());
    wire.send(socket, r#"["1","2","room:a","echo",{}]"#);
    assert_eq!(wire.answers().len(), 1, "the connection goes on");
}

const FRAMES: &[&str] = &[
    JOIN,
    r#"["2","2","room:a","phx_join",{"name":"ann"}]"#,
    r#"["3","3","room:b","phx_join",{"name":"bob"}]"#,
    r#"["1","4","room:a","shout",{}]"#,
    r#"["2","5","room:a","echo",{}]"#,
    r#"["2","6","room:a","phx_leave",{}]"#,
    r#"["3","7","room:b","crash",{}]"#,
    r#"["3","8","room:b","stop",{}]"#,
    r#"[null,"9","phoenix","heartbeat",{}]"#,
    r#"["1","2",null,7,{}]"#,
    r#"["2","2","room:a",{},{}]"#,
    "[]",
];

/// Runs a random session, and returns the server's actions.
fn session(seed: u64) -> Vec<Action> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut server: Server = demo_server().seed(seed).build();
    let (mut now, mut sockets, mut gone) =
        (Instant::EPOCH, Vec::<SocketId>::new(), BTreeSet::new());
    let mut all = Vec::new();
    for _ in 0..300 {
        now = now + Duration::from_millis(rng.u64(0..3000));
        let socket = rng.choice(&sockets).copied();
        let mut lost = None;
        match (rng.u8(0..20), socket) {
            (0 | 1, _) | (_, None) => {
                let vsn = rng.choice(["1.0.0", "2.0.0"]).unwrap();
                let request = ConnectRequest::new(&format!("/socket/websocket?vsn={vsn}"));
                sockets.push(server.connect(now, &request).unwrap().socket);
            }
            (2, Some(socket)) => {
                // The connection may have been idle for too long before that.
                lost = Some(socket);
                server.handle_lost(now, socket);
            }
            (3, Some(socket)) => server.handle_close(now, socket),
            (4, Some(_)) => server.handle_timeout(now),
            (5, Some(socket)) => {
                let length = rng.usize(0..40);
                let bytes: Vec<u8> = (0..length).map(|_| rng.u8(0..20)).collect();
                server.handle_frame(now, socket, Frame::binary(bytes));
            }
            (6, Some(socket)) => {
                let mut text = rng.choice(FRAMES).unwrap().as_bytes().to_vec();
                let index = rng.usize(0..text.len());
                text[index] = rng.u8(..);
                server.handle_frame(now, socket, Frame::text(text));
            }
            (7, Some(socket)) if rng.u8(0..10) == 0 => server.kill_transport(now, socket),
            (8, Some(_)) if rng.u8(0..10) == 0 => server.drain(now),
            (_, Some(socket)) => {
                let text = *rng.choice(FRAMES).unwrap();
                server.handle_frame(now, socket, Frame::text(text));
            }
        }
        while let Some(action) = server.poll_action() {
            let (socket, ends) = match &action {
                Action::Send { socket, .. } => (*socket, false),
                Action::Close { socket, .. } | Action::Drop { socket, .. } => (*socket, true),
                other => panic!("{other:?}"),
            };
            assert!(!gone.contains(&socket), "seed {seed}: {action:?} after the end");
            if ends {
                gone.insert(socket);
            }
            all.push(action);
        }
        gone.extend(lost);
        assert!(server.poll_timeout().is_none_or(|at| at > now), "seed {seed}: overdue");
    }
    all
}

#[test]
fn random_sessions_keep_the_rules_and_can_be_repeated() {
    let mut answers = 0;
    for seed in 0..200 {
        let first = session(seed);
        assert_eq!(first, session(seed), "seed {seed}");
        answers += first.len();
    }
    assert!(answers > 10_000, "{answers} answers are too few to mean anything");
}
