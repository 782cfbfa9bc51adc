//! Single operations of the core, for measurements of time, allocations and instructions.

use std::hint::black_box;

use anyhow::Context as _;
use phx_proto::{
    Action, ChannelId, ChannelState, Config, Event, Frame, Instant, Message, Payload, Presence,
    Ref, Serializer, Socket, TransportId, V2,
};
use phx_supabase::Broadcast;

mod longpoll;

/// An operation to repeat.
type Repeated = Box<dyn FnMut()>;

/// An operation, ready for any number of repetitions.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    prepare: fn() -> anyhow::Result<Repeated>,
}

/// Operation with few metas: a diff must cost the same with many metas of its key.
pub(crate) const FEW_METAS: &str = "presence diff, key of 10 metas";
pub(crate) const MANY_METAS: &str = "presence diff, key of 99,000 metas";

/// All operations.
pub(crate) const ALL: &[Operation] = &[
    Operation { name: "decode a reply of 150 B", prepare: decode_reply },
    Operation { name: "decode a message of 4 KiB", prepare: decode_large },
    Operation { name: "decode a binary broadcast of 150 B", prepare: decode_binary },
    Operation { name: "decode a Supabase broadcast of 100 B, bytes", prepare: || Ok(supabase(0)) },
    Operation { name: "decode a Supabase broadcast of 100 B, JSON", prepare: || Ok(supabase(1)) },
    Operation { name: "decode and read a Supabase broadcast of 100 B", prepare: read_supabase },
    Operation { name: "encode a push with a ready payload", prepare: encode_push },
    Operation { name: "dispatch a broadcast, 1 channel", prepare: || dispatch(1) },
    Operation { name: "dispatch a broadcast, 10,000 channels", prepare: || dispatch(10_000) },
    Operation { name: "push and reply, nothing else pending", prepare: || push_and_reply(0) },
    Operation { name: "push and reply, 10,000 pending", prepare: || push_and_reply(10_000) },
    Operation { name: "join and leave, 10,000 channels", prepare: || join_and_leave(10_000) },
    Operation { name: "presence diff, 100 users", prepare: || presence_diff(100) },
    Operation { name: "presence diff, 10,000 users", prepare: || presence_diff(10_000) },
    Operation { name: FEW_METAS, prepare: || presence_metas(10) },
    Operation { name: MANY_METAS, prepare: || presence_metas(99_000) },
    Operation {
        name: "long-poll, an answer of 100 messages",
        prepare: || longpoll::answer(100, &reply_of_150_bytes()),
    },
    Operation {
        name: "long-poll, a POST of 100 pushes",
        prepare: || longpoll::post(reply_of_150_bytes()),
    },
];

impl Operation {
    /// Prepares the operation, and returns the function to repeat.
    pub(crate) fn prepare(&self) -> anyhow::Result<Repeated> {
        (self.prepare)().with_context(|| format!("preparing `{}`", self.name))
    }
}

/// Returns the operation of this name.
pub(crate) fn find(name: &str) -> anyhow::Result<&'static Operation> {
    ALL.iter().find(|operation| operation.name == name).context("no such operation")
}

/// Makes a frame as a WebSocket library does: a slice of a shared buffer.
fn received(text: String) -> Frame {
    let buffer = bytes::Bytes::from(text.into_bytes());
    // The first slice of a `Bytes` that was a `Vec` allocates the reference count.
    let shared = buffer.slice(..);
    drop(buffer);
    Frame::Text(shared)
}

fn decode(frame: Frame) -> Repeated {
    Box::new(move || drop(black_box(V2.decode(black_box(frame.clone())))))
}

fn decode_reply() -> anyhow::Result<Repeated> {
    Ok(decode(received(reply_of_150_bytes())))
}

fn reply_of_150_bytes() -> String {
    let reply = |pad: usize| {
        format!(
            r#"["1","123456","room:lobby","phx_reply",{{"status":"ok","response":{{"i":123456,"pad":"{}"}}}}]"#,
            "x".repeat(pad)
        )
    };
    reply(150 - reply(0).len())
}

fn decode_large() -> anyhow::Result<Repeated> {
    let pad = "x".repeat(4_000);
    let text = format!(r#"[null,null,"room:lobby","new_msg",{{"i":123456,"pad":"{pad}"}}]"#);
    Ok(decode(received(text)))
}

fn decode_binary() -> anyhow::Result<Repeated> {
    let mut bytes = b"\x02\x0a\x07room:lobbynew_msg".to_vec();
    bytes.resize(150, 7);
    let shared = bytes::Bytes::from(bytes);
    let frame = Frame::Binary(shared.slice(..));
    Ok(decode(frame))
}

/// Decodes a frame of kind 4 with this encoding, 0 for bytes and 1 for JSON.
fn supabase(encoding: u8) -> Repeated {
    let frame = user_broadcast(encoding);
    Box::new(move || drop(black_box(phx_supabase::V2.decode(black_box(frame.clone())))))
}

/// Decodes a frame of kind 4, and reads its parts, as a stream does.
#[expect(clippy::unnecessary_wraps, reason = "as the other operations")]
fn read_supabase() -> anyhow::Result<Repeated> {
    let frame = user_broadcast(0);
    Ok(Box::new(move || {
        let message = phx_supabase::V2.decode(black_box(frame.clone()));
        drop(black_box(message.map(|message| Broadcast::read(&message.payload))));
    }))
}

fn user_broadcast(encoding: u8) -> Frame {
    let mut bytes = [b"\x04\x0e\x06\x00", &[encoding][..], b"realtime:lobbycursor\""].concat();
    bytes.resize(99, b'7');
    bytes.push(b'"');
    let shared = bytes::Bytes::from(bytes);
    Frame::Binary(shared.slice(..))
}

fn encode_push() -> anyhow::Result<Repeated> {
    let payload = Payload::from_json_text(format!(r#"{{"i":1,"pad":"{}"}}"#, "x".repeat(80)))?;
    let push = Message::new("room:lobby", "new_msg", payload)
        .with_join_ref(Some(Ref::from(1)))
        .with_reference(Some(Ref::from(123_456)));
    Ok(Box::new(move || drop(black_box(V2.encode(black_box(&push))))))
}

/// A connected socket and its transport.
struct Connected {
    socket: Socket,
    transport: TransportId,
}

impl Connected {
    fn new() -> anyhow::Result<Self> {
        let mut config = Config::default();
        config.heartbeat_interval = None;
        config.max_buffered_pushes = usize::MAX;
        let mut socket = Socket::new(config, 1);
        socket.connect(Instant::EPOCH);
        let Some(Action::Connect { transport, .. }) = socket.poll_action() else {
            anyhow::bail!("nothing to connect");
        };
        socket.handle_opened(Instant::EPOCH, transport);
        Ok(Connected { socket, transport })
    }

    fn receive(&mut self, frame: Frame) {
        self.socket.handle_frame(Instant::EPOCH, self.transport, frame);
    }

    /// Takes the next frame to send, and returns its refs, as the server would echo them.
    fn send(&mut self) -> anyhow::Result<(Ref, Ref)> {
        let Some(Action::Send { frame, .. }) = self.socket.poll_action() else {
            anyhow::bail!("nothing to send");
        };
        let message = phx_proto::V2Server.decode(frame)?;
        Ok((message.join_ref.context("no join ref")?, message.reference.context("no ref")?))
    }

    fn join(&mut self, topic: &str) -> anyhow::Result<(ChannelId, Ref)> {
        let channel = self.socket.channel(topic, Payload::empty())?;
        self.socket.join(Instant::EPOCH, channel, None)?;
        let (join_ref, reference) = self.send()?;
        let reply = format!(
            r#"["{join_ref}","{reference}","{topic}","phx_reply",{{"status":"ok","response":{{}}}}]"#
        );
        self.receive(received(reply));
        while self.socket.poll_event().is_some() {}
        Ok((channel, join_ref))
    }
}

/// Passes a broadcast in and takes the event out.
fn dispatch(channels: u64) -> anyhow::Result<Repeated> {
    let mut connected = Connected::new()?;
    for index in 0..channels {
        connected.join(&format!("room:{index}"))?;
    }
    let pad = "x".repeat(80);
    let text = format!(r#"[null,null,"room:{}","msg",{{"i":1,"pad":"{pad}"}}]"#, channels / 2);
    let frame = received(text);
    Ok(Box::new(move || {
        connected.receive(frame.clone());
        let event = connected.socket.poll_event();
        debug_assert!(matches!(event, Some(Event::Message { .. })), "{event:?}");
        drop(black_box(event));
    }))
}

/// Number of replies made ahead, so that their making isn't counted. Counts need no more than this; longer timings
/// make the others as they go.
const AHEAD: usize = 40_000;

/// Replies, made from their numbers from 0 on.
struct Replies {
    next: u64,
    text: Box<dyn Fn(u64) -> String>,
    ahead: std::vec::IntoIter<Frame>,
}

impl Replies {
    /// Creates replies that are slices of one shared buffer.
    fn new(text: impl Fn(u64) -> String + 'static) -> Self {
        let mut all = String::new();
        let mut ends = Vec::new();
        for number in (0..).take(AHEAD) {
            all.push_str(&text(number));
            ends.push(all.len());
        }
        let all = bytes::Bytes::from(all.into_bytes());
        let mut from = 0;
        let slice = |end| Frame::Text(all.slice(std::mem::replace(&mut from, end)..end));
        let ahead: Vec<Frame> = ends.into_iter().map(slice).collect();
        Replies { next: 0, text: Box::new(text), ahead: ahead.into_iter() }
    }

    fn next(&mut self) -> Frame {
        let number = self.next;
        self.next += 1;
        self.ahead.next().unwrap_or_else(|| received((self.text)(number)))
    }
}

/// Sends a push and passes its reply in, beside the deadlines of `pending` other pushes.
fn push_and_reply(pending: u64) -> anyhow::Result<Repeated> {
    let mut connected = Connected::new()?;
    let (room, join_ref) = connected.join("room:0")?;
    let payload = Payload::from_json_text(r#"{"body":"hi"}"#)?;
    for _ in 0..pending {
        connected.socket.push(Instant::EPOCH, room, "wait", payload.clone(), None)?;
        connected.send()?;
    }
    let first = join_ref.to_string().parse::<u64>()? + pending + 1;
    let mut replies = Replies::new(move |number| {
        let reference = first + number;
        format!(
            r#"["{join_ref}","{reference}","room:0","phx_reply",{{"status":"ok","response":{{}}}}]"#
        )
    });
    Ok(Box::new(move || {
        let pushed = connected.socket.push(Instant::EPOCH, room, "new_msg", payload.clone(), None);
        debug_assert!(pushed.is_ok(), "{pushed:?}");
        let sent = connected.socket.poll_action();
        debug_assert!(matches!(sent, Some(Action::Send { .. })), "{sent:?}");
        drop(black_box(sent));
        connected.receive(replies.next());
        let event = connected.socket.poll_event();
        debug_assert!(matches!(event, Some(Event::RequestDone { .. })), "{event:?}");
        drop(black_box(event));
    }))
}

/// Creates, joins, leaves and removes a channel beside `channels` others.
fn join_and_leave(channels: u64) -> anyhow::Result<Repeated> {
    let mut connected = Connected::new()?;
    for index in 0..channels {
        connected.join(&format!("room:{index}"))?;
    }
    let (_, last) = connected.join("room:last")?;
    let last = last.to_string().parse::<u64>()?;
    let mut replies = Replies::new(move |number| {
        // The call of `join`, its frame and the leave take a number each; the last two are answered.
        let join_ref = last + 2 + number / 2 * 3;
        let reference = join_ref + number % 2;
        format!(
            r#"["{join_ref}","{reference}","room:x","phx_reply",{{"status":"ok","response":{{}}}}]"#
        )
    });
    Ok(Box::new(move || {
        let Ok(channel) = connected.socket.channel("room:x", Payload::empty()) else {
            return debug_assert!(false, "the channel of the time before is still there");
        };
        let socket = &mut connected.socket;
        let joining = socket.join(Instant::EPOCH, channel, None);
        debug_assert!(joining.is_ok(), "{joining:?}");
        drop(black_box(socket.poll_action()));
        connected.receive(replies.next());
        let joined = connected.socket.channel_state(channel);
        debug_assert_eq!(joined, Some(ChannelState::Joined));
        while let Some(event) = connected.socket.poll_event() {
            drop(black_box(event));
        }
        let socket = &mut connected.socket;
        let leaving = socket.leave(Instant::EPOCH, channel, None);
        debug_assert!(leaving.is_ok(), "{leaving:?}");
        drop(black_box(socket.poll_action()));
        connected.receive(replies.next());
        let left = connected.socket.channel_state(channel);
        debug_assert_eq!(left, Some(ChannelState::Closed));
        while let Some(event) = connected.socket.poll_event() {
            drop(black_box(event));
        }
        connected.socket.remove(Instant::EPOCH, channel);
    }))
}

/// Passes the join and the leave of one user among `users` in.
fn presence_diff(users: u64) -> anyhow::Result<Repeated> {
    let metas = |user: u64| format!(r#""user:{user:05}":{{"metas":[{{"phx_ref":"F{user}"}}]}}"#);
    let state: Vec<String> = (0..users).map(metas).collect();
    comes_and_goes(&format!("{{{}}}", state.join(",")), &format!("{{{}}}", metas(users + 1)))
}

/// Passes the join and the leave of one meta among `metas` of its key in.
fn presence_metas(metas: u64) -> anyhow::Result<Repeated> {
    let of = |metas: &[String]| format!(r#"{{"ann":{{"metas":[{}]}}}}"#, metas.join(","));
    let meta = |number: u64| format!(r#"{{"phx_ref":"F{number:05}"}}"#);
    let others: Vec<String> = (0..metas).map(meta).collect();
    comes_and_goes(&of(&others), &of(&[meta(metas)]))
}

/// Passes diffs in that add and remove one presence in the list of `state`.
fn comes_and_goes(state: &str, one: &str) -> anyhow::Result<Repeated> {
    let payload = |text: String| Payload::from_json_text(text);
    let join = payload(format!(r#"{{"joins":{one},"leaves":{{}}}}"#))?;
    let leave = payload(format!(r#"{{"joins":{{}},"leaves":{one}}}"#))?;
    let mut presence: Presence = Presence::new();
    presence.handle_joined();
    presence.handle_event("presence_state", &payload(state.to_owned())?)?;
    Ok(Box::new(move || {
        for diff in [&join, &leave] {
            drop(black_box(presence.handle_event("presence_diff", diff)));
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_does_what_it_asserts() {
        for operation in ALL {
            let mut repeated = operation.prepare().unwrap();
            (0..3).for_each(|_| repeated());
        }
    }
}
