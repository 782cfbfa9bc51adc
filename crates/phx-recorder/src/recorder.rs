//! The observer that turns what it sees into entries.

use std::fmt;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use phx_proto::{
    Action as CoreAction, CallError, Config, DecodeError, Event as CoreEvent, Frame, Input,
    Instant, Lifecycle, Message as CoreMessage, Observer, Output, Params, Payload, Ref as CoreRef,
    SendReason, Serializer, Socket, TransportId, TransportProperties,
};

use crate::body::Bodies;
use crate::cause::{ErrorCause, GivenCause, OutcomeIs, OwnCause, StatusIs, delay, len_of, short};
use crate::decisions::Decisions;
use crate::digest::Digest;
use crate::entry::{
    Action, Body, Entry, Event, Hex, LifecycleIs, Malformed, Message, Properties, Push, Ref,
    Returned, SendWhy,
};
use crate::header::Header;
use crate::hidden::HiddenTopics;
use crate::log::Packed;
use crate::names::{Names, Of};
use crate::options::RecordingOptions;
use crate::sink::{Entries, Sink};
use crate::time::Time;

/// Outputs from one check of the running hash to the next.
const CHECK_EVERY: u32 = 256;

/// Makes a socket of which `sink` gets everything.
pub(crate) fn record(
    mut config: Config,
    seed: u64,
    options: RecordingOptions,
    sink: impl Sink + 'static,
) -> Socket {
    let entries = Entries::new(sink, Header::new(&config, seed, options));
    let decisions = Decisions::default();
    let decisions = decisions.note(&mut config).then_some(decisions);
    let serializer = Arc::clone(&config.serializer);
    let mut socket = Socket::new(config, seed);
    socket.observe(Box::new(Recorder {
        entries,
        bodies: Bodies::new(options.payloads),
        hidden: options.hides_topics.then(HiddenTopics::default),
        decisions,
        serializer,
        names: Names::default(),
        now: None,
        deadline: None,
        digest: Digest::default(),
        unchecked: 0,
        rested: Rested::No,
    }));
    socket
}

struct Recorder<S: Sink> {
    entries: Entries<S>,
    bodies: Bodies,
    /// Stand-ins of topics, if those are hidden.
    hidden: Option<HiddenTopics>,
    /// `None` if no function of the caller decides anything.
    decisions: Option<Decisions>,
    serializer: Arc<dyn Serializer>,
    names: Names,
    now: Option<Instant>,
    deadline: Option<Instant>,
    digest: Digest,
    /// Outputs since the last check.
    unchecked: u32,
    rested: Rested,
}

/// The poll that gave nothing and after which nothing happened: another of its kind needn't be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rested {
    No,
    Action,
    Control,
}

/// Not what was recorded: payloads may be in it.
impl<S: Sink> fmt::Debug for Recorder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

impl<S: Sink> Recorder<S> {
    fn add(&mut self, entry: Entry) {
        self.rested = Rested::No;
        self.entries.add(entry);
    }

    /// Adds what the caller's functions have decided since the last entry.
    fn add_decisions(&mut self) {
        while let Some(decided) = self.decisions.as_ref().and_then(Decisions::take) {
            self.add(Entry::Decided(decided));
        }
    }

    fn topic(&mut self, topic: &str) -> u32 {
        let entries = &mut self.entries;
        if let Some(hidden) = &mut self.hidden {
            let hidden = hidden.hide(topic);
            return self.names.number(Of::Topic, &hidden, &mut |entry| entries.add(entry));
        }
        self.names.number(Of::Topic, topic, &mut |entry| entries.add(entry))
    }

    fn event(&mut self, event: &str) -> u32 {
        let entries = &mut self.entries;
        self.names.number(Of::Event, event, &mut |entry| entries.add(entry))
    }

    fn params(params: &Params) -> Option<Body> {
        match params {
            Params::Fixed(payload) => Some(Bodies::of_secret(payload)),
            _ => None,
        }
    }

    fn push(&mut self, event: &str, payload: &Payload) -> (u32, Body) {
        (self.event(event), self.bodies.of(payload))
    }

    #[inline]
    fn message(&mut self, len: usize, message: &CoreMessage) {
        let (topic, event) = (self.topic(&message.topic), self.event(&message.event));
        let payload = match message.status {
            Some(phx_proto::Status::Error) => self.bodies.of_answer(&message.payload),
            _ => self.bodies.of(&message.payload),
        };
        let frame = len as u64;
        match Packed::message(message, (topic, event), &payload, frame) {
            Some(packed) => {
                self.rested = Rested::No;
                self.entries.add_message(&packed);
            }
            None => self.add(whole(message, (topic, event), payload, frame)),
        }
    }

    #[cold]
    fn malformed(&mut self, transport: TransportId, len: usize, error: &DecodeError) -> Entry {
        let topic = self.serializer.topic(&error.frame);
        Entry::Malformed(Malformed {
            transport: transport.as_u64(),
            frame: len as u64,
            binary: matches!(error.frame, Frame::Binary(_)),
            topic: topic.map(|topic| self.topic(&topic)),
            why: short(&error.reason.to_string()),
        })
    }

    fn entry(&mut self, input: Input<'_>) -> Option<Entry> {
        Some(match input {
            Input::Connect => Entry::Connect,
            Input::Disconnect(code, reason) => Entry::Disconnect(code.as_u16(), reason.into()),
            Input::ReconnectNow => Entry::ReconnectNow,
            Input::SwitchTransport => Entry::SwitchTransport,
            Input::Channel(topic, params) => {
                Entry::Channel(self.topic(topic), Self::params(params))
            }
            Input::Replace(topic, params) => {
                Entry::Replace(self.topic(topic), Self::params(params))
            }
            Input::Remove(channel) => Entry::Remove(channel.as_u64()),
            Input::Join(channel, timeout) => Entry::Join(channel.as_u64(), timeout.map(Time)),
            Input::Push { channel, event, payload, expects_reply, timeout, .. } => {
                let (event, payload) = self.push(event, payload);
                Entry::Push(Push {
                    channel: channel.as_u64(),
                    event,
                    payload,
                    no_reply: !expects_reply,
                    timeout: timeout.map(Time),
                })
            }
            Input::Leave(channel, timeout) => Entry::Leave(channel.as_u64(), timeout.map(Time)),
            Input::Cancel(request) => Entry::Cancel(request.as_u64()),
            Input::Ping => Entry::Ping,
            Input::Opened(transport, properties) => {
                Entry::Opened(transport.as_u64(), properties_of(properties))
            }
            Input::Gap(transport) => Entry::MessagesLost(transport.as_u64()),
            // Already added, as the most frequent one.
            Input::Frame(_, _, Ok(_)) => return None,
            Input::Frame(transport, len, Err(error)) => self.malformed(transport, len, error),
            Input::Stale(transport) => Entry::Stale(transport.as_u64()),
            Input::Unread(transport) => Entry::Unread(transport.as_u64()),
            Input::Lifecycle(lifecycle) => Entry::Lifecycle(match lifecycle {
                Lifecycle::Active => LifecycleIs::Active,
                Lifecycle::Held => LifecycleIs::Held,
                Lifecycle::Suspending => LifecycleIs::Suspending,
                _ => return None,
            }),
            Input::Closed(transport, cause) => {
                Entry::Closed(transport.as_u64(), Box::new(GivenCause::of(cause)))
            }
            Input::Params(request, params) => {
                Entry::Params(request.as_u64(), params.map(Bodies::of_secret))
            }
            Input::Timeout => Entry::Timeout,
            // An input of a later release of the core: a replay will show what is missing.
            _ => return None,
        })
    }

    /// Adds an output.
    fn put(&mut self, entry: Entry) {
        self.unchecked = self.unchecked.saturating_add(1);
        self.add(entry);
    }

    fn called(&mut self, returned: Returned) {
        returned.hash(&mut self.digest);
        self.put(Entry::Returned(returned));
    }

    fn polled(&mut self, action: Option<&CoreAction>, rested: Rested) {
        let Some(action) = action else {
            if self.rested != rested {
                self.put(if rested == Rested::Action { Entry::NoAction } else { Entry::NoControl });
                self.rested = rested;
            }
            return;
        };
        if let CoreAction::Send { frame, .. } = action {
            // Not its length: topics and payloads of a replay may be others.
            frame.is_text().hash(&mut self.digest);
        }
        let action = action_of(action);
        action.hash(&mut self.digest);
        self.put(match rested {
            Rested::Control => Entry::Control(action),
            Rested::Action | Rested::No => Entry::Action(action),
        });
    }

    fn reported(&mut self, event: &CoreEvent) {
        let event = match event {
            CoreEvent::Message { channel, payload, .. } => {
                self.digest.write_u64(channel.as_u64());
                self.digest.write_usize(payload.len());
                self.unchecked = self.unchecked.saturating_add(1);
                self.rested = Rested::No;
                return self.entries.add_delivered();
            }
            CoreEvent::UnjoinedMessage { payload, .. } => {
                payload.len().hash(&mut self.digest);
                Event::UnjoinedMessage
            }
            other => event_of(other),
        };
        event.hash(&mut self.digest);
        self.put(Entry::Event(event));
    }

    fn check(&mut self) {
        self.unchecked = 0;
        // It belongs to the entries before, and changes nothing.
        self.entries.add(Entry::Check(Hex(self.digest.finish())));
    }
}

impl<S: Sink> Observer for Recorder<S> {
    fn input(&mut self, now: Instant, deadline: Option<Instant>, input: Input<'_>) {
        self.add_decisions();
        if self.deadline != deadline {
            self.deadline = deadline;
            deadline.hash(&mut self.digest);
            self.add(Entry::Deadline(deadline.map(Time::from)));
        }
        if self.now != Some(now) {
            self.now = Some(now);
            self.add(Entry::At(now.into()));
        }
        if let Input::Frame(_, len, Ok(message)) = input {
            self.message(len, message);
        } else if let Some(entry) = self.entry(input) {
            self.add(entry);
        }
    }

    fn output(&mut self, output: Output<'_>) {
        self.add_decisions();
        let refused = |error: &CallError| Returned::Refused(short(&error.to_string()));
        match output {
            Output::Channel(made) => {
                self.called(made.map_or_else(refused, |id| Returned::Channel(id.as_u64())));
            }
            Output::Request(made) => {
                self.called(made.map_or_else(refused, |id| Returned::Request(id.as_u64())));
            }
            Output::Ping(made) => {
                self.called(made.map_or_else(refused, |id| Returned::Ping(id.as_u64())));
            }
            Output::Done(did) => self.called(Returned::Did(did)),
            Output::Action(action) => self.polled(action, Rested::Action),
            Output::Control(action) => self.polled(action, Rested::Control),
            Output::Event(event) => self.reported(event),
            _ => {}
        }
        if self.unchecked >= CHECK_EVERY {
            self.check();
        }
    }
}

/// The socket is dropped.
impl<S: Sink> Drop for Recorder<S> {
    fn drop(&mut self) {
        self.add_decisions();
        self.check();
        self.entries.add(Entry::End);
    }
}

/// The entry of a message that isn't packed.
#[cold]
fn whole(message: &CoreMessage, (topic, event): (u32, u32), payload: Body, frame: u64) -> Entry {
    let (join_ref, reference) = refs(message);
    let status = message.status.as_ref().map(StatusIs::of);
    if join_ref.is_none() && reference.is_none() && status.is_none() {
        return Entry::Broadcast(topic, event, payload, frame);
    }
    Entry::Message(Message { join_ref, reference, topic, event, status, payload, frame })
}

fn refs(message: &CoreMessage) -> (Option<Ref>, Option<Ref>) {
    let of = |reference: &CoreRef| match reference.as_number() {
        Some(number) => Ref::Number(number),
        None => Ref::Text(short(&reference.to_text())),
    };
    (message.join_ref.as_ref().map(of), message.reference.as_ref().map(of))
}

fn properties_of(properties: TransportProperties) -> Option<Box<Properties>> {
    (properties != TransportProperties::default()).then(|| {
        Box::new(Properties {
            needs_heartbeats: properties.needs_heartbeats,
            max_sent_frame: properties.max_sent_frame.map(|max| max as u64),
            max_sent_binary_frame: properties.max_sent_binary_frame.map(|max| max as u64),
            max_read_pause: properties.max_read_pause.map(Time),
            outlives_pauses: properties.outlives_pauses,
        })
    })
}

fn action_of(action: &CoreAction) -> Action {
    match action {
        CoreAction::Connect { transport, attempt, .. } => {
            Action::Connect(transport.as_u64(), *attempt)
        }
        CoreAction::Send { transport, why, may_compress, .. } => {
            let why = match why {
                SendReason::Join(channel) => SendWhy::Join(channel.as_u64()),
                SendReason::Leave(channel) => SendWhy::Leave(channel.as_u64()),
                SendReason::Push(request) => SendWhy::Push(request.as_u64()),
                SendReason::Heartbeat => SendWhy::Heartbeat,
                _ => SendWhy::Other,
            };
            Action::Send(transport.as_u64(), why, *may_compress)
        }
        CoreAction::Close { transport, code, reason, .. } => {
            Action::Close(transport.as_u64(), code.as_u16(), short(reason))
        }
        CoreAction::RequestParams { channel, request, .. } => {
            Action::MakeParams(channel.as_u64(), request.as_u64())
        }
        _ => Action::Other,
    }
}

fn event_of(event: &CoreEvent) -> Event {
    match event {
        CoreEvent::Opened { transport, .. } => Event::Opened(transport.as_u64()),
        CoreEvent::Closed { transport, was_open, cause, retry_in, .. } => {
            Event::Closed(transport.as_u64(), *was_open, OwnCause::of(cause), delay(*retry_in))
        }
        CoreEvent::RetryCancelled => Event::RetryCancelled,
        CoreEvent::Joined { channel, response, rejoined, .. } => {
            Event::Joined(channel.as_u64(), len_of(response), *rejoined)
        }
        CoreEvent::JoinFailed { channel, cause, retry_in, .. } => {
            Event::JoinFailed(channel.as_u64(), ErrorCause::of_error(cause), delay(*retry_in))
        }
        CoreEvent::ChannelErrored { channel, cause, retry_in, .. } => {
            Event::ChannelErrored(channel.as_u64(), ErrorCause::of_error(cause), delay(*retry_in))
        }
        CoreEvent::ChannelClosed { channel, cause, .. } => {
            Event::ChannelClosed(channel.as_u64(), ErrorCause::of_close(cause))
        }
        CoreEvent::RequestDone { push, channel, outcome, .. } => {
            Event::RequestDone(push.as_u64(), channel.as_u64(), OutcomeIs::of(outcome))
        }
        CoreEvent::Pong { ping, round_trip, .. } => Event::Pong(ping.as_u64(), delay(*round_trip)),
        CoreEvent::HeartbeatAnswered { round_trip, .. } => {
            Event::HeartbeatAnswered(Time(*round_trip))
        }
        CoreEvent::Malformed { transport, .. } => Event::Malformed(transport.as_u64()),
        CoreEvent::MessagesLost { transport, .. } => Event::MessagesLost(transport.as_u64()),
        CoreEvent::EventsLost { count, .. } => Event::EventsLost(*count),
        _ => Event::Other,
    }
}
