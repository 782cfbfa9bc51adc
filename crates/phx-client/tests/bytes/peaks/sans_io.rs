//! Limits of the core: memory of calls and frames, and of decoding.

use phx_client::proto::{
    Action, CloseCause, CloseCode, Config, Event, Frame, Instant, Message, Payload, Presence,
    PresenceConfig, RequestId, Serializer, Socket, Status, TransportId, V2, V2Server,
};
use serde_json::Value;

use super::{OFFERED, OFFERED_BYTES, PIECE, peak};

const NOW: Instant = Instant::EPOCH;

/// Returns JSON text of this number of bytes.
fn text(bytes: usize) -> Payload {
    Payload::from_json_text(format!("\"{}\"", "x".repeat(bytes - 2))).unwrap()
}

fn config(set: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    config.heartbeat_interval = None;
    set(&mut config);
    config
}

fn open(config: Config) -> (Socket, TransportId) {
    let mut socket = Socket::new(config, 1);
    socket.connect(NOW);
    let Some(Action::Connect { transport, .. }) = socket.poll_action() else { panic!() };
    socket.handle_opened(NOW, transport);
    (socket, transport)
}

/// Returns the next message that the socket sends.
fn sent(socket: &mut Socket) -> Message {
    let Some(Action::Send { frame, .. }) = socket.poll_action() else { panic!() };
    V2Server.decode(frame).unwrap()
}

fn reply(to: &Message, status: Status) -> Frame {
    let reply = Message::reply(to.topic.clone(), to.reference.clone(), status, Payload::empty());
    V2Server.encode(&reply.with_join_ref(to.join_ref.clone())).unwrap()
}

type Joined = (Socket, TransportId, phx_client::proto::ChannelId);

fn joined(config: Config) -> Joined {
    let (mut socket, transport) = open(config);
    let channel = socket.channel("room:a", Payload::empty()).unwrap();
    socket.join(NOW, channel, None).unwrap();
    let join = sent(&mut socket);
    socket.handle_frame(NOW, transport, reply(&join, Status::Ok));
    while socket.poll_event().is_some() {}
    (socket, transport, channel)
}

fn push((socket, _, channel): &mut Joined, payload: Payload) -> Option<RequestId> {
    socket.push(NOW, *channel, "msg", payload, None).ok()
}

/// Decodes a message just within the limit that is mostly a name with escapes.
pub(crate) fn decoding(max_frame_size: usize) -> usize {
    let (start, end) = (r#"[null,null,""#, r#"","news",{}]"#);
    let size = max_frame_size.min(OFFERED_BYTES) - start.len() - end.len();
    let frame = Frame::text([start, &r"\n".repeat(size / 2), end].concat());
    assert!(V2.decode(frame.clone()).is_ok());
    let (mut socket, transport) = open(config(|it| it.max_frame_size = max_frame_size));
    frame.len() + peak(|| socket.handle_frame(NOW, transport, frame.clone()))
}

pub(crate) fn channels(max_channels: usize) -> usize {
    let mut socket = Socket::new(config(|it| it.max_channels = max_channels), 1);
    peak(|| {
        for number in 0..OFFERED {
            drop(socket.channel(format!("room:{number}"), Payload::empty()));
        }
    })
}

pub(crate) fn outcomes(max_pushes: usize) -> usize {
    let mut joined = joined(config(|it| it.max_pushes = max_pushes));
    peak(|| {
        for _ in 0..OFFERED {
            if let Some(pushed) = push(&mut joined, Payload::empty()) {
                joined.0.cancel(pushed);
            }
        }
    })
}

pub(crate) fn unsent(max_buffered_pushes: usize) -> usize {
    let mut joined = joined(config(|it| it.max_buffered_pushes = max_buffered_pushes));
    peak(|| {
        for _ in 0..OFFERED {
            push(&mut joined, Payload::empty());
        }
    })
}

pub(crate) fn unsent_bytes(max_buffered_bytes: usize) -> usize {
    let mut joined = joined(config(|it| it.max_buffered_bytes = max_buffered_bytes));
    peak(|| {
        for _ in 0..OFFERED_BYTES / PIECE {
            push(&mut joined, text(PIECE));
        }
    })
}

pub(crate) fn pings() -> usize {
    let (mut socket, _) = open(config(|_| {}));
    peak(|| {
        for _ in 0..OFFERED {
            drop(socket.ping(NOW));
        }
    })
}

/// Passes messages and malformed frames in turns, without polling events.
fn received(config: Config, count: usize, bytes: usize) -> usize {
    let (mut socket, transport, _) = joined(config);
    peak(|| {
        for number in 0..count {
            let frame = match number % 2 {
                0 => V2Server.encode(&Message::new("room:a", "news", text(bytes))).unwrap(),
                _ => Frame::text("x".repeat(bytes)),
            };
            socket.handle_frame(NOW, transport, frame);
        }
    })
}

pub(crate) fn events(max_events: usize) -> usize {
    received(config(|it| it.max_events = max_events), OFFERED, 20)
}

pub(crate) fn event_bytes(max_event_bytes: usize) -> usize {
    received(config(|it| it.max_event_bytes = max_event_bytes), OFFERED_BYTES / PIECE, PIECE)
}

/// Number of pushes whose responses are dropped, with statuses of 8 KiB.
pub(crate) const STATUSES: usize = 500;

pub(crate) fn statuses() -> usize {
    let mut joined = joined(config(|it| it.max_answer_bytes = 1));
    let pushes = (0..STATUSES).map(|_| {
        push(&mut joined, Payload::empty()).unwrap();
        sent(&mut joined.0)
    });
    let pushes: Vec<_> = pushes.collect();
    let (mut socket, transport, _) = joined;
    let peak = peak(|| {
        for push in &pushes {
            let status = Status::Other("s".repeat(PIECE).into());
            socket.handle_frame(NOW, transport, reply(push, status));
        }
    });
    let events = std::iter::from_fn(|| socket.poll_event());
    let done = events.filter(|event| matches!(event, Event::RequestDone { .. }));
    assert_eq!(done.count(), STATUSES);
    peak
}

pub(crate) fn pending_diffs(max_pending_diffs: usize) -> usize {
    let mut config = PresenceConfig::default();
    config.max_pending_diffs = max_pending_diffs;
    let mut presence = Presence::<Value>::with_config(config);
    peak(|| {
        for number in 0..OFFERED {
            let diff = format!(
                r#"{{"joins":{{"{number}":{{"metas":[{{"phx_ref":"{number}"}}]}}}},"leaves":{{}}}}"#
            );
            drop(presence.handle_event("presence_diff", &Payload::from_json_text(diff).unwrap()));
        }
    })
}

/// Shows a reason of a megabyte in which each character is escaped.
pub(crate) fn displayed() -> usize {
    let cause = CloseCause::frame(CloseCode::NORMAL, "\u{202e}".repeat(OFFERED_BYTES / 8));
    peak(|| drop(cause.to_string()))
}
