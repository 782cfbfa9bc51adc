//! A short session with all that matters: a join, a push and its reply, a broadcast, and an end.

use phx_proto::{
    Action, CloseCause, Config, Frame, Instant, Payload, Serializer, Socket, Status, TransportId,
    V2Server,
};
use phx_recorder::{RecordingOptions, Ring, RingLimits};

/// Polls everything. The server answers each request with `answer`.
pub(crate) fn drain(
    socket: &mut Socket,
    now: Instant,
    answer: &mut dyn FnMut(&str) -> Option<(Status, Payload)>,
) {
    while let Some(action) = socket.poll_action() {
        match action {
            Action::Connect { transport, .. } => socket.handle_opened(now, transport),
            Action::Send { transport, frame, .. } => reply(socket, now, transport, frame, answer),
            _ => {}
        }
        while socket.poll_event().is_some() {}
    }
    while socket.poll_event().is_some() {}
}

fn reply(
    socket: &mut Socket,
    now: Instant,
    transport: TransportId,
    frame: Frame,
    answer: &mut dyn FnMut(&str) -> Option<(Status, Payload)>,
) {
    let request = V2Server.decode(frame).unwrap();
    let Some((status, payload)) = answer(&request.event) else { return };
    let reply = phx_proto::Message::reply(request.topic, request.reference, status, payload)
        .with_join_ref(request.join_ref);
    socket.handle_frame(now, transport, V2Server.encode(&reply).unwrap());
}

pub(crate) fn ok(_: &str) -> Option<(Status, Payload)> {
    Some((Status::Ok, Payload::json("a reply").unwrap()))
}

/// Joins `room:lobby`, pushes and receives a message.
pub(crate) fn talk(socket: &mut Socket) {
    let now = Instant::EPOCH;
    socket.connect(now);
    let params = Payload::json("params-secret").unwrap();
    let lobby = socket.channel("room:lobby", params).unwrap();
    socket.join(now, lobby, None).unwrap();
    drain(socket, now, &mut ok);
    let payload = Payload::json("payload-secret").unwrap();
    socket.push(now, lobby, "shout", payload.clone(), None).unwrap();
    socket.push(now, lobby, "login", payload.uncompressed(), None).unwrap();
    drain(socket, now, &mut ok);
    let frame = r#"[null,null,"room:lobby","news",{"text":"message-secret"}]"#;
    let transport = newest(socket);
    socket.handle_frame(now, transport, Frame::text(frame));
    drain(socket, now, &mut ok);
    socket.handle_closed(now, transport, CloseCause::io("reset"));
    drain(socket, now, &mut ok);
}

/// The transport of the only connection.
fn newest(socket: &mut Socket) -> TransportId {
    socket.reconnect_now(Instant::EPOCH);
    loop {
        if let Action::Connect { transport, .. } = socket.poll_control().unwrap() {
            socket.handle_opened(Instant::EPOCH, transport);
            drain(socket, Instant::EPOCH, &mut ok);
            return transport;
        }
    }
}

/// A recording of [`talk`].
pub(crate) fn recording(config: Config, options: RecordingOptions) -> Vec<u8> {
    let ring = Ring::new(RingLimits::default());
    let mut socket = ring.record(config, 7, options);
    talk(&mut socket);
    assert!(socket.counters().messages == 1 && socket.counters().pushes == 2);
    drop(socket);
    ring.dump()
}

/// The recording as text.
pub(crate) fn text(options: RecordingOptions) -> String {
    String::from_utf8(recording(Config::default(), options)).unwrap()
}
