//! Entries in words.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use phx_proto::Escaped;

use super::happening::About;
use crate::cause::{ErrorCause, GivenCause, OutcomeIs, OwnCause, StatusIs};
use crate::entry::{
    Action, Body, Entry, Event, LifecycleIs, Message, Name, Push, Ref, Returned, SendWhy,
};
use crate::names::MAX_NAMES;
use crate::time::Time;

/// Most channels, and most requests, that a timeline calls by their names at the same time. Further ones have numbers.
pub const MAX_THINGS: usize = 16_384;

/// A line, what it is about, and the words.
type Said = (u64, About, String);

/// The channel of calls without one.
const NO_CHANNEL: u64 = 0;

/// What a timeline remembers of the entries before.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// Topics and events, escaped and cut.
    names: HashMap<u32, Arc<str>>,
    channels: BTreeMap<u64, Channel>,
    requests: HashMap<u64, Request>,
    connection: Connection,
    /// The call whose result comes next, and its line.
    call: Option<(u64, Call)>,
    /// The latest transport that the driver reported as ended, and why.
    ended: Option<(u64, String)>,
}

#[derive(Debug)]
struct Channel {
    topic: Arc<str>,
    state: &'static str,
}

#[derive(Debug)]
struct Request {
    what: String,
    channel: u64,
}

#[derive(Clone, Copy, Debug, Default)]
enum Connection {
    #[default]
    None,
    Connecting,
    Open,
    Waiting,
}

#[derive(Debug)]
enum Call {
    Channel(u32),
    Request(u64, String),
    Other(&'static str),
}

impl Words {
    /// What happened by this entry, if that is anything of its own.
    pub(super) fn of(&mut self, line: u64, entry: &Entry) -> Option<Said> {
        let (about, words) = match entry {
            Entry::Name(name) | Entry::CutName(name) => {
                self.define(name);
                return None;
            }
            Entry::Channel(topic, _) | Entry::Replace(topic, _) => {
                self.call = Some((line, Call::Channel(*topic)));
                return None;
            }
            Entry::Join(channel, _) => return self.called(line, *channel, "join"),
            Entry::Leave(channel, _) => return self.called(line, *channel, "leave"),
            Entry::Push(push) => return self.pushed(line, push),
            Entry::Ping => return self.call_of(line, "ping"),
            Entry::ReconnectNow => return self.call_of(line, "reconnect now"),
            Entry::SwitchTransport => return self.call_of(line, "switch of the transport"),
            Entry::Returned(returned) => return self.returned(returned),
            Entry::Action(action) | Entry::Control(action) => return self.action(line, action),
            Entry::Event(event) => return self.event(line, event),
            Entry::Closed(transport, cause) => {
                self.ended = Some((*transport, given(cause)));
                return None;
            }
            Entry::Connect => (About::Connection, "connect was called".to_owned()),
            Entry::Disconnect(code, reason) => {
                let words = format!("disconnect was called: {}", close(*code, reason));
                (About::Connection, words)
            }
            Entry::Remove(channel) => {
                let words = format!("{} was removed", self.channel(*channel));
                self.channels.remove(channel);
                (About::Channel(*channel), words)
            }
            Entry::Cancel(request) => (
                self.about(*request),
                format!("{} was given up by the caller", self.request(*request)),
            ),
            Entry::MessagesLost(transport) => (
                About::Connection,
                format!(
                    "the transport of connection {transport} reports that messages are missing"
                ),
            ),
            Entry::Broadcast(topic, event, payload, _) => (
                About::Message,
                format!(
                    "message {} on {}, {}",
                    self.name(*event),
                    self.name(*topic),
                    size(payload)
                ),
            ),
            Entry::Message(message) => (About::Message, self.message(message)),
            Entry::Malformed(malformed) => (
                About::Message,
                format!(
                    "a frame of {} bytes is no message: {}",
                    malformed.frame,
                    Escaped::new(&malformed.why)
                ),
            ),
            Entry::Stale(transport) => {
                (About::Message, format!("a frame of the old connection {transport} was ignored"))
            }
            Entry::Lifecycle(lifecycle) => {
                let is = match lifecycle {
                    LifecycleIs::Active => "active",
                    LifecycleIs::Held => "held",
                    LifecycleIs::Suspending => "being suspended",
                };
                (About::Connection, format!("the program is {is}"))
            }
            Entry::Params(_, None) => {
                (About::Connection, "the params of a join couldn't be made".to_owned())
            }
            Entry::Gap(count) => {
                (About::Recording, format!("{count} entries of the recording are missing here"))
            }
            Entry::End => (About::Recording, "end of the session".to_owned()),
            _ => return None,
        };
        Some((line, about, words))
    }

    fn define(&mut self, Name(number, text): &Name) {
        if self.names.len() < MAX_NAMES || self.names.contains_key(number) {
            self.names.insert(*number, Escaped::new(text).to_string().into());
        }
    }

    fn name(&self, number: u32) -> String {
        match self.names.get(&number) {
            Some(name) => format!("`{name}`"),
            None => format!("name {number}"),
        }
    }

    pub(super) fn channel(&self, channel: u64) -> String {
        match self.channels.get(&channel) {
            Some(known) => format!("`{}`", known.topic),
            None => format!("channel {channel}"),
        }
    }

    fn request(&self, request: u64) -> String {
        match self.requests.get(&request) {
            Some(known) => known.what.clone(),
            None => format!("request #{request}"),
        }
    }

    fn about(&self, request: u64) -> About {
        let channel = self.requests.get(&request).map_or(NO_CHANNEL, |known| known.channel);
        About::Request(request, channel)
    }

    fn set_state(&mut self, channel: u64, state: &'static str) {
        if let Some(known) = self.channels.get_mut(&channel) {
            known.state = state;
        }
    }

    fn called(&mut self, line: u64, channel: u64, what: &str) -> Option<Said> {
        let what = format!("{what} of {}", self.channel(channel));
        self.call = Some((line, Call::Request(channel, what)));
        None
    }

    fn call_of(&mut self, line: u64, what: &'static str) -> Option<Said> {
        self.call = Some((line, Call::Other(what)));
        None
    }

    fn pushed(&mut self, line: u64, push: &Push) -> Option<Said> {
        let no_reply = if push.no_reply { " without a reply" } else { "" };
        let what = format!(
            "push {}{no_reply} to {}, {}",
            self.name(push.event),
            self.channel(push.channel),
            size(&push.payload)
        );
        self.call = Some((line, Call::Request(push.channel, what)));
        None
    }

    fn returned(&mut self, returned: &Returned) -> Option<Said> {
        let (line, call) = self.call.take()?;
        let (about, words) = match (call, returned) {
            (Call::Channel(topic), Returned::Channel(id)) => {
                let topic = self.names.get(&topic).cloned();
                let topic = topic.unwrap_or_else(|| format!("channel {id}").into());
                let words = format!("channel of `{topic}` was made");
                if self.channels.len() < MAX_THINGS {
                    self.channels.insert(*id, Channel { topic, state: "not joined" });
                }
                (About::Channel(*id), words)
            }
            (Call::Channel(topic), Returned::Refused(why)) => {
                let topic = self.name(topic);
                (
                    About::Connection,
                    format!("a channel of {topic} was refused: {}", Escaped::new(why)),
                )
            }
            (Call::Request(channel, what), Returned::Request(id)) => {
                let (what, state) = (format!("#{id} {what}"), self.state(channel));
                let words = format!("{what}, {state}");
                if self.requests.len() < MAX_THINGS {
                    self.requests.insert(*id, Request { what, channel });
                }
                (About::Request(*id, channel), words)
            }
            (Call::Request(channel, what), Returned::Refused(why)) => {
                (About::Channel(channel), format!("{what} was refused: {}", Escaped::new(why)))
            }
            (Call::Other("ping"), Returned::Ping(id)) => {
                (About::Heartbeat, format!("ping {id} was called"))
            }
            (Call::Other(what), Returned::Refused(why)) => {
                (About::Connection, format!("{what} was refused: {}", Escaped::new(why)))
            }
            (Call::Other(what), _) => (About::Connection, format!("{what} was called")),
            _ => return None,
        };
        Some((line, about, words))
    }

    /// The state in which a request finds its channel and the connection.
    fn state(&self, channel: u64) -> String {
        let connection = match self.connection {
            Connection::None => "without a connection",
            Connection::Connecting => "while connecting",
            Connection::Open => "while connected",
            Connection::Waiting => "while waiting for the next attempt to connect",
        };
        match self.channels.get(&channel) {
            Some(known) => format!("{connection} and {}", known.state),
            None => connection.to_owned(),
        }
    }

    fn message(&self, message: &Message) -> String {
        let (topic, payload) = (self.name(message.topic), size(&message.payload));
        let reference = match &message.reference {
            Some(Ref::Number(number)) => format!(" to the frame with the ref {number}"),
            Some(Ref::Text(text)) => format!(" to the frame with the ref `{}`", Escaped::new(text)),
            None => String::new(),
        };
        match &message.status {
            Some(status) => {
                format!("reply `{}`{reference} on {topic}, {payload}", status_of(status))
            }
            None => format!("message {} on {topic}, {payload}", self.name(message.event)),
        }
    }

    fn action(&mut self, line: u64, action: &Action) -> Option<Said> {
        let (about, words) = match action {
            Action::Connect(transport, attempt) => {
                self.connection = Connection::Connecting;
                let words = format!("connecting: connection {transport}, attempt {attempt}");
                (About::Connection, words)
            }
            Action::Send(_, SendWhy::Join(channel), _) => {
                self.set_state(*channel, "joining");
                (
                    About::Channel(*channel),
                    format!("the join of {} was sent", self.channel(*channel)),
                )
            }
            Action::Send(_, SendWhy::Leave(channel), _) => (
                About::Channel(*channel),
                format!("the leave of {} was sent", self.channel(*channel)),
            ),
            Action::Send(_, SendWhy::Push(request), _) => {
                (self.about(*request), format!("{} was sent", self.request(*request)))
            }
            Action::Send(_, SendWhy::Heartbeat, _) => {
                (About::Heartbeat, "a heartbeat was sent".to_owned())
            }
            Action::Close(transport, code, reason) => {
                let words = format!("closing connection {transport}: {}", close(*code, reason));
                (About::Connection, words)
            }
            Action::MakeParams(channel, _) => {
                let channel_name = self.channel(*channel);
                (About::Channel(*channel), format!("params for {channel_name} were asked for"))
            }
            Action::Send(..) | Action::Other => return None,
        };
        Some((line, about, words))
    }

    fn event(&mut self, line: u64, event: &Event) -> Option<Said> {
        let (about, words) = match event {
            Event::Opened(transport) => {
                self.connection = Connection::Open;
                (About::Connection, format!("connection {transport} is open"))
            }
            Event::Closed(transport, was_open, own, retry) => {
                (About::Connection, self.closed(*transport, *was_open, *own, *retry))
            }
            Event::RetryCancelled => {
                self.connection = Connection::None;
                (About::Connection, "the next attempt to connect was cancelled".to_owned())
            }
            Event::Joined(channel, len, is_rejoin) => {
                self.set_state(*channel, "joined");
                let again = if *is_rejoin { " again" } else { "" };
                let name = self.channel(*channel);
                (
                    About::Channel(*channel),
                    format!("joined {name}{again}, a response of {len} bytes"),
                )
            }
            Event::JoinFailed(channel, cause, retry) => {
                self.set_state(*channel, "not joined, since the join failed");
                let name = self.channel(*channel);
                let words =
                    format!("the join of {name} failed: {}{}", cause_of(cause), next(*retry));
                (About::Channel(*channel), words)
            }
            Event::ChannelErrored(channel, cause, retry) => {
                self.set_state(*channel, "waiting for the next join");
                let name = self.channel(*channel);
                (About::Channel(*channel), format!("{name}: {}{}", cause_of(cause), next(*retry)))
            }
            Event::ChannelClosed(channel, cause) => {
                self.set_state(*channel, "closed");
                let name = self.channel(*channel);
                (About::Channel(*channel), format!("{name} is closed: {}", cause_of(cause)))
            }
            Event::RequestDone(request, channel, outcome) => {
                let words = format!("{}: {}", self.request(*request), outcome_of(outcome));
                self.requests.remove(request);
                (About::Request(*request, *channel), words)
            }
            Event::Pong(ping, Some(Time(after))) => {
                (About::Heartbeat, format!("ping {ping} was answered after {after:?}"))
            }
            Event::Pong(ping, None) => (About::Heartbeat, format!("ping {ping} had no answer")),
            Event::HeartbeatAnswered(Time(after)) => {
                (About::Heartbeat, format!("the heartbeat was answered after {after:?}"))
            }
            Event::EventsLost(count) => (
                About::Connection,
                format!("{count} events were lost: the program took them too slowly"),
            ),
            Event::UnjoinedMessage
            | Event::Malformed(_)
            | Event::MessagesLost(_)
            | Event::Other => {
                return None;
            }
        };
        Some((line, about, words))
    }

    fn closed(
        &mut self,
        transport: u64,
        was_open: bool,
        own: Option<OwnCause>,
        retry: Option<Time>,
    ) -> String {
        self.connection = if retry.is_some() { Connection::Waiting } else { Connection::None };
        for channel in self.channels.values_mut() {
            if channel.state == "joined" || channel.state == "joining" {
                channel.state = "waiting for the connection";
            }
        }
        let happened = if was_open { "ended" } else { "didn't open" };
        let mut words = format!("connection {transport} {happened}");
        let given = self.ended.take().filter(|(ended, _)| *ended == transport);
        let cause = match own {
            Some(OwnCause::Disconnected) => Some("it was disconnected".to_owned()),
            Some(OwnCause::Replaced) => Some("another took its place".to_owned()),
            Some(OwnCause::ConnectTimedOut) => Some("it didn't open in time".to_owned()),
            Some(OwnCause::HeartbeatTimedOut) => {
                Some("no answer to a heartbeat came in time".to_owned())
            }
            Some(OwnCause::Suspended) => Some("the machine was suspended".to_owned()),
            None => given.map(|(_, cause)| cause),
        };
        if let Some(cause) = cause {
            // A string takes everything.
            let _ = write!(words, ": {cause}");
        }
        words.push_str(&next(retry));
        words
    }
}

fn size(body: &Body) -> String {
    let kind = match body {
        Body::Other(body) if body.binary => "bytes",
        _ => "bytes of JSON",
    };
    format!("{} {kind}", body.len())
}

fn next(retry: Option<Time>) -> String {
    match retry {
        Some(Time(Duration::ZERO)) => "; the next attempt is at once".to_owned(),
        Some(Time(delay)) => format!("; the next attempt is in {delay:?}"),
        None => String::new(),
    }
}

fn status_of(status: &StatusIs) -> String {
    match status {
        StatusIs::Ok => "ok".to_owned(),
        StatusIs::Error => "error".to_owned(),
        StatusIs::Other(name) => Escaped::new(name).to_string(),
    }
}

/// A code, and a reason if there is one.
fn close(code: u16, reason: &str) -> String {
    if reason.is_empty() {
        return code.to_string();
    }
    format!("{code} `{}`", Escaped::new(reason))
}

fn given(cause: &GivenCause) -> String {
    match cause {
        GivenCause::Frame(code, reason) => {
            format!("the server closed it with {}", close(*code, reason))
        }
        GivenCause::Io(error) | GivenCause::Other(error) => Escaped::new(error).to_string(),
        GivenCause::ConnectFailed(error) => format!("can't connect: {}", Escaped::new(error)),
        GivenCause::InvalidRequest(error) => {
            format!("the request can't be made: {}", Escaped::new(error))
        }
        GivenCause::Tls(_, error) => format!("TLS failed: {}", Escaped::new(error)),
        GivenCause::Refused(status, retry_after, _) => {
            let after = retry_after.map(|Time(after)| format!(", retry after {after:?}"));
            format!("the server refused it with HTTP {status}{}", after.unwrap_or_default())
        }
        GivenCause::Stopped => "the client was stopped".to_owned(),
    }
}

fn cause_of(cause: &ErrorCause) -> String {
    let words = match cause {
        ErrorCause::Disconnected => "the connection ended",
        ErrorCause::Crashed(_) => "it crashed on the server",
        ErrorCause::ClosedByServer(_) => "the server closed it",
        ErrorCause::Forgotten => "the server doesn't know it any more",
        ErrorCause::Rejected(status, len) => {
            let status = status_of(status);
            return format!("the server rejected the join with `{status}`, {len} bytes");
        }
        ErrorCause::TimedOut => "no answer to the join came in time",
        ErrorCause::NoParams => "the params of the join couldn't be made",
        ErrorCause::EncodeFailed => "the join can't be written as a frame",
        ErrorCause::TooLarge => "the join is larger than the transport takes",
        ErrorCause::Left => "it was left",
        ErrorCause::Replaced => "another channel took its topic",
        ErrorCause::Stopped => "the client was stopped",
        ErrorCause::Other => "another cause",
    };
    words.to_owned()
}

fn outcome_of(outcome: &OutcomeIs) -> String {
    let words = match outcome {
        OutcomeIs::Reply(status, len) => {
            return format!("the server replied `{}`, {len} bytes", status_of(status));
        }
        OutcomeIs::Sent => "sent; no reply was wanted",
        OutcomeIs::Left => "left",
        OutcomeIs::TimedOut => "it failed: it was sent, and no reply came in time",
        OutcomeIs::NotSent => "it failed: it couldn't be sent in time",
        OutcomeIs::JoinCrashed => "it failed: the join crashed on the server",
        OutcomeIs::Disconnected => "it failed: the connection ended before the reply",
        OutcomeIs::ChannelCrashed => "it failed: the channel crashed before the reply",
        OutcomeIs::ChannelClosed => "it failed: the channel was closed before the reply",
        OutcomeIs::Cancelled => "the caller gave it up",
        OutcomeIs::Evicted => "it failed: too many pushes waited, and a later one took its place",
        OutcomeIs::EncodeFailed => "it failed: it can't be written as a frame",
        OutcomeIs::TooLarge => "it failed: it is larger than the transport takes",
        OutcomeIs::Other => "another outcome",
    };
    words.to_owned()
}
