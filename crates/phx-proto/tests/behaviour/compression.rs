//! Which frames a transport may compress: no join, and no payload that is marked.

use phx_proto::{Action, Config, Frame, Instant, Payload, SendReason, Socket};

const NOW: Instant = Instant::EPOCH;

/// What the next frame is sent for, and whether it may be compressed.
fn next(socket: &mut Socket) -> (&'static str, bool) {
    let Some(Action::Send { why, may_compress, .. }) = socket.poll_action() else { panic!() };
    let why = match why {
        SendReason::Join(_) => "join",
        SendReason::Leave(_) => "leave",
        SendReason::Push(_) => "push",
        _ => "heartbeat",
    };
    (why, may_compress)
}

#[test]
fn joins_and_marked_payloads_go_uncompressed() {
    let mut socket = Socket::new(Config::default(), 1);
    let params = Payload::json(&["a token"]).unwrap();
    let room = socket.channel("room:a", params).unwrap();
    socket.join(NOW, room, None).unwrap();
    socket.connect(NOW);
    let Some(Action::Connect { transport, .. }) = socket.poll_action() else { panic!() };
    socket.handle_opened(NOW, transport);
    assert_eq!(next(&mut socket), ("join", false));
    let text = r#"["2","2","room:a","phx_reply",{"response":{},"status":"ok"}]"#;
    socket.handle_frame(NOW, transport, Frame::text(text));

    let payload = Payload::empty;
    let marked = || Payload::binary(vec![1]).uncompressed();
    for (payload, expected) in
        [(payload(), true), (marked(), false), (payload().uncompressed(), false)]
    {
        socket.push(NOW, room, "a", payload.clone(), None).unwrap();
        assert_eq!(next(&mut socket), ("push", expected));
        socket.push_without_reply(NOW, room, "a", payload, None).unwrap();
        assert_eq!(next(&mut socket), ("push", expected));
    }
    socket.leave(NOW, room, None).unwrap();
    assert_eq!(next(&mut socket), ("leave", true));
}

#[test]
fn the_mark_stays_with_the_payload() {
    let payload = Payload::empty().uncompressed();
    let copies = vec![payload.clone(); 2];
    assert!(copies.iter().all(Payload::is_uncompressed) && !Payload::empty().is_uncompressed());
    assert_eq!(payload.as_json(), Some("{}"));
}
