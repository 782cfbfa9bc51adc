//! The entries of a recording, each a line of JSON: a string, or an object with one key.

use serde::{Deserialize, Serialize};

use crate::cause::{ErrorCause, GivenCause, OutcomeIs, OwnCause, StatusIs};
use crate::time::Time;

/// One line after the header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry {
    /// The time of what follows, until the next one.
    At(Time),
    /// A topic, an event or a status, which has this number from here on.
    Name(Name),
    /// The same of a name that is too long: its beginning, and a hash of all of it.
    CutName(Name),
    /// The moment that `poll_timeout` gave, since it changed.
    Deadline(Option<Time>),
    /// What a function of the caller decided for the next entry but those of this kind, or for the call before.
    Decided(Decided),

    Connect,
    Disconnect(u16, Box<str>),
    ReconnectNow,
    SwitchTransport,
    Channel(u32, Option<Body>),
    Replace(u32, Option<Body>),
    Remove(u64),
    Join(u64, Option<Time>),
    Push(Push),
    Leave(u64, Option<Time>),
    Cancel(u64),
    Ping,
    Opened(u64, Option<Box<Properties>>),
    MessagesLost(u64),
    /// A message without refs and status: topic, event, payload, and the bytes of its frame.
    Broadcast(u32, u32, Body, u64),
    Message(Message),
    Malformed(Malformed),
    Stale(u64),
    Unread(u64),
    Lifecycle(LifecycleIs),
    Closed(u64, Box<GivenCause>),
    Params(u64, Option<Body>),
    Timeout,

    /// What a call returned.
    Returned(Returned),
    /// An action that `poll_action` gave.
    Action(Action),
    /// An action that `poll_control` gave.
    Control(Action),
    /// `poll_action` gave nothing.
    NoAction,
    /// `poll_control` gave nothing.
    NoControl,
    /// `poll_event` gave a message to a channel.
    Delivered,
    /// `poll_event` gave another event.
    Event(Event),

    /// The running hash of the outputs so far.
    Check(Hex),
    /// This many entries are missing here.
    Gap(u64),
    /// The socket was dropped: the recording is complete.
    End,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Name(pub(crate) u32, pub(crate) Box<str>);

/// A hash as text: not every reader of JSON keeps 64 bits of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hex(pub(crate) u64);

impl Serialize for Hex {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:016x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let text = String::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map(Hex).map_err(|_| D::Error::custom("not a hash"))
    }
}

/// What is recorded of a payload: its length, if it is JSON of which nothing else is kept; otherwise an object. The second
/// kind is JSON, too, and apart since it needs no allocation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Body {
    Json(u64),
    Hashed(Hashed),
    Other(Box<OtherBody>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hashed {
    pub(crate) len: u64,
    pub(crate) hash: Hex,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OtherBody {
    pub(crate) len: u64,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) binary: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) uncompressed: bool,
    /// The two reasons of Phoenix itself that the client acts on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Reason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hash: Option<Hex>,
    /// The JSON text, or the bytes in base 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) whole: Option<Box<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Reason {
    #[serde(rename = "join crashed")]
    JoinCrashed,
    #[serde(rename = "unmatched topic")]
    UnmatchedTopic,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Push {
    pub(crate) channel: u64,
    pub(crate) event: u32,
    pub(crate) payload: Body,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) no_reply: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timeout: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Message {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) join_ref: Option<Ref>,
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<Ref>,
    pub(crate) topic: u32,
    pub(crate) event: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<StatusIs>,
    pub(crate) payload: Body,
    pub(crate) frame: u64,
}

/// A ref of this client is a number; of another text the beginning is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Ref {
    Number(u64),
    Text(Box<str>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Malformed {
    pub(crate) transport: u64,
    pub(crate) frame: u64,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) binary: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) topic: Option<u32>,
    pub(crate) why: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Properties {
    pub(crate) needs_heartbeats: bool,
    pub(crate) max_sent_frame: Option<u64>,
    pub(crate) max_sent_binary_frame: Option<u64>,
    pub(crate) max_read_pause: Option<Time>,
    pub(crate) outlives_pauses: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LifecycleIs {
    Active,
    Held,
    Suspending,
}

/// What a policy or a schedule of the caller returned.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Decided {
    Reconnect(Again),
    Rejoin(Again),
    Close(Again),
    ReconnectDelay(Time),
    RejoinDelay(Time),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Again {
    Backoff,
    After(Time),
    Stop,
}

#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Returned {
    Channel(u64),
    Request(u64),
    Ping(u64),
    Refused(Box<str>),
    Did(bool),
}

#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    Connect(u64, u32),
    /// Transport, on whose behalf, and whether it may be compressed.
    Send(u64, SendWhy, bool),
    Close(u64, u16, Box<str>),
    MakeParams(u64, u64),
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SendWhy {
    Join(u64),
    Leave(u64),
    Push(u64),
    Heartbeat,
    Other,
}

#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Event {
    Opened(u64),
    /// Transport, whether it was open, the cause unless the driver gave it, and the delay of the next attempt.
    Closed(u64, bool, Option<OwnCause>, Option<Time>),
    RetryCancelled,
    /// Channel, length of the response, and whether it was a rejoin.
    Joined(u64, u64, bool),
    JoinFailed(u64, ErrorCause, Option<Time>),
    ChannelErrored(u64, ErrorCause, Option<Time>),
    ChannelClosed(u64, ErrorCause),
    RequestDone(u64, u64, OutcomeIs),
    Pong(u64, Option<Time>),
    HeartbeatAnswered(Time),
    UnjoinedMessage,
    Malformed(u64),
    MessagesLost(u64),
    EventsLost(u64),
    Other,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
fn is_false(value: &bool) -> bool {
    !value
}
