//! A socket under replay: each entry of a recording goes into it, and what comes out is compared.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use phx_proto::{
    Action, ByteString, ChannelId, CloseCode, Config, DecodeCause, DecodeError, EncodeError,
    Event as CoreEvent, Frame, Instant, Lifecycle, Message as CoreMessage, Params, ParamsRequestId,
    Payload, Ref as CoreRef, RequestId, Serializer, Socket, TransportId, TransportProperties, V1,
    V2,
};

use super::error::ReplayError;
use super::ids::{Channels, Latest, MAX_LIVE, MAX_LIVE_BYTES};
use crate::cause::StatusIs;
use crate::decisions::Decisions;
use crate::entry::{
    Body, Decided, Entry, LifecycleIs, Malformed, Message, Name, Properties, Push, Ref,
};
use crate::filler::{MAX_FILLER, filler, is_filler};
use crate::header::Header;
use crate::log::Packed;
use crate::names::{MAX_NAME, MAX_NAMES};
use crate::options::RecordingOptions;
use crate::recorder::record;
use crate::sink::Sink;

/// Most bytes of payloads that a replay hands to its socket for sending: each of them is copied into a frame.
pub const MAX_SENT: u64 = 8 << 30;

/// Outputs that may differ in number before the first of them is compared.
const MAX_AHEAD: usize = 64;

/// Beginning of the core's error of a call for an error of the serializer.
const NOT_ENCODED: &str = "it can't be encoded: ";

/// A socket under replay, and what the recording calls its things.
pub(super) struct Run {
    socket: Socket,
    made: Made,
    /// Recorded outputs that the socket hasn't given yet, with their lines.
    expected: VecDeque<(u64, Entry)>,
    decisions: Decisions,
    unrecorded: Unrecorded,
    names: HashMap<u32, ByteString>,
    now: Instant,
    channels: Channels,
    requests: Latest<RequestId>,
    transports: Latest<TransportId>,
    params: Latest<ParamsRequestId>,
    /// The newest transport, of which messages come.
    newest: Option<TransportId>,
    sent: u64,
    compared: u64,
}

/// What the serializer would read from bytes that weren't recorded.
#[derive(Clone, Debug, Default)]
struct Unrecorded(Arc<Mutex<Answers>>);

#[derive(Debug, Default)]
struct Answers {
    /// The topic of the malformed frame that the socket is given.
    topic: Option<ByteString>,
    /// Why the call that is run next was refused, if it was.
    refused: Option<Box<str>>,
}

impl Unrecorded {
    fn lock(&self) -> MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the socket's own recorder gave and hasn't been compared.
#[derive(Clone, Debug, Default)]
struct Made(Arc<Mutex<VecDeque<Entry>>>);

impl Sink for Made {
    // They are compared with what was recorded.
    const DELIVERIES_WAIT: bool = false;

    fn begin(&mut self, _: Header) {}

    fn add(&mut self, _: u32, entry: Entry) {
        if is_output(&entry) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(entry);
        }
    }

    fn add_message(&mut self, _: u32, _: &Packed) {}
}

fn is_output(entry: &Entry) -> bool {
    matches!(
        entry,
        Entry::Deadline(_)
            | Entry::Returned(_)
            | Entry::Action(_)
            | Entry::Control(_)
            | Entry::NoAction
            | Entry::NoControl
            | Entry::Delivered
            | Entry::Event(_)
            | Entry::Check(_)
    )
}

/// The recorded session's serializer, without its errors about the bytes of payloads that weren't recorded.
#[derive(Debug)]
struct Replayed {
    inner: Arc<dyn Serializer>,
    unrecorded: Unrecorded,
}

impl Serializer for Replayed {
    fn vsn(&self) -> &str {
        self.inner.vsn()
    }

    fn encode(&self, message: &CoreMessage) -> Result<Frame, EncodeError> {
        match self.inner.encode(message) {
            Err(error @ EncodeError::Custom(_)) if is_filler(&message.payload) => {
                stand_in(self.vsn(), message).map_err(|_| error)
            }
            encoded => encoded,
        }
    }

    fn check(&self, message: &CoreMessage) -> Result<(), EncodeError> {
        match self.inner.check(message) {
            Err(EncodeError::Custom(_)) if is_filler(&message.payload) => {
                match &self.unrecorded.lock().refused {
                    Some(why) => {
                        let why = why.strip_prefix(NOT_ENCODED).unwrap_or(why);
                        Err(EncodeError::Custom(why.to_owned()))
                    }
                    None => Ok(()),
                }
            }
            checked => checked,
        }
    }

    fn decode(&self, frame: Frame) -> Result<CoreMessage, DecodeError> {
        self.inner.decode(frame)
    }

    fn topic(&self, _: &Frame) -> Option<ByteString> {
        self.unrecorded.lock().topic.clone()
    }
}

/// A frame of the kind and about the length of the one that was sent.
fn stand_in(vsn: &str, message: &CoreMessage) -> Result<Frame, EncodeError> {
    if !vsn.starts_with("1.") {
        return V2.encode(message);
    }
    let mut message = message.clone();
    message.payload = Payload::from_unchecked_json(message.payload.as_bytes().clone());
    V1.encode(&message)
}

impl Run {
    pub(super) fn new(header: &Header, serializer: Arc<dyn Serializer>) -> Self {
        let (made, decisions) = (Made::default(), Decisions::default());
        let unrecorded = Unrecorded::default();
        let serializer = Replayed { inner: serializer, unrecorded: unrecorded.clone() };
        let mut config = header.config.config(Arc::new(serializer), &decisions);
        for limit in [
            &mut config.max_channels,
            &mut config.max_pushes,
            &mut config.max_buffered_pushes,
            &mut config.max_events,
        ] {
            *limit = MAX_LIVE.min(*limit);
        }
        for limit in [&mut config.max_event_bytes, &mut config.max_buffered_bytes] {
            *limit = MAX_LIVE_BYTES.min(*limit);
        }
        Run {
            socket: record(config, header.seed, RecordingOptions::default(), made.clone()),
            made,
            expected: VecDeque::new(),
            decisions,
            unrecorded,
            names: HashMap::new(),
            now: Instant::EPOCH,
            channels: Channels::default(),
            requests: Latest::default(),
            transports: Latest::default(),
            params: Latest::default(),
            newest: None,
            sent: 0,
            compared: 0,
        }
    }

    /// The number of outputs that were compared.
    pub(super) fn compared(&self) -> u64 {
        self.compared
    }

    /// Notes a decision of the recorded session's functions, for the next calls of them.
    pub(super) fn decided(&self, line: u64, decided: Decided) -> Result<(), ReplayError> {
        if self.decisions.len() >= MAX_LIVE {
            return Err(invalid(line, "more decisions than a replay keeps"));
        }
        self.decisions.add(decided);
        Ok(())
    }

    /// Notes why the call that comes next was refused, if it was.
    pub(super) fn refused(&self, why: Option<&str>) {
        self.unrecorded.lock().refused = why.map(Into::into);
    }

    /// Replays an entry.
    pub(super) fn take(&mut self, line: u64, entry: Entry) -> Result<(), ReplayError> {
        if is_output(&entry) {
            self.poll(line, &entry)?;
            self.expected.push_back((line, entry));
        } else {
            self.input(line, entry)?;
        }
        self.compare(line)
    }

    /// Ends the session, as the recorded one ended, and compares what is left. Returns the number of outputs that were
    /// compared.
    pub(super) fn end(mut self, line: u64) -> Result<u64, ReplayError> {
        // The recorder's last check comes with it.
        self.socket = Socket::new(Config::default(), 0);
        self.compare(line)?;
        let made = self.made.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        match (self.expected.pop_front(), made) {
            (None, None) => Ok(self.compared),
            (Some((line, recorded)), made) => Err(parted(line, Some(&recorded), made.as_ref())),
            (None, Some(made)) => Err(parted(line, None, Some(&made))),
        }
    }

    fn compare(&mut self, line: u64) -> Result<(), ReplayError> {
        let made = Arc::clone(&self.made.0);
        let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.expected.is_empty() && !made.is_empty() {
            let (Some((line, recorded)), Some(made)) =
                (self.expected.pop_front(), made.pop_front())
            else {
                break;
            };
            if recorded != made {
                return Err(parted(line, Some(&recorded), Some(&made)));
            }
            self.compared = self.compared.saturating_add(1);
        }
        if made.len() > MAX_AHEAD {
            return Err(parted(line, None, made.front()));
        }
        match self.expected.front() {
            Some((line, recorded)) if self.expected.len() > MAX_AHEAD => {
                Err(parted(*line, Some(recorded), None))
            }
            _ => Ok(()),
        }
    }

    /// Polls what the recording says was polled.
    fn poll(&mut self, line: u64, entry: &Entry) -> Result<(), ReplayError> {
        match entry {
            Entry::Action(_) | Entry::NoAction => {
                let action = self.socket.poll_action();
                self.note_action(action.as_ref());
            }
            Entry::Control(_) | Entry::NoControl => {
                let action = self.socket.poll_control();
                self.note_action(action.as_ref());
            }
            Entry::Delivered | Entry::Event(_) => match self.socket.poll_event() {
                None => return Err(parted(line, Some(entry), None)),
                Some(CoreEvent::RequestDone { push, .. }) => {
                    self.requests.forget(push.as_u64());
                }
                Some(_) => {}
            },
            _ => {}
        }
        Ok(())
    }

    fn note_action(&mut self, action: Option<&Action>) {
        match action {
            Some(Action::Connect { transport, .. }) => {
                self.transports.add(transport.as_u64(), *transport);
                self.newest = Some(*transport);
            }
            Some(Action::RequestParams { request, .. }) => {
                self.params.add(request.as_u64(), *request);
            }
            _ => {}
        }
    }

    #[expect(clippy::too_many_lines, reason = "a line or two for each kind of input")]
    fn input(&mut self, line: u64, entry: Entry) -> Result<(), ReplayError> {
        let now = self.now;
        match entry {
            Entry::At(at) => self.now = at.into(),
            Entry::Name(name) | Entry::CutName(name) => self.define(line, name)?,
            Entry::Connect => self.socket.connect(now),
            Entry::Disconnect(code, reason) => {
                let code = CloseCode::from_u16(code);
                self.socket
                    .disconnect(now, code, &reason)
                    .map_err(|_| invalid(line, "a close that can't be sent"))?;
            }
            Entry::ReconnectNow => drop(self.socket.reconnect_now(now)),
            Entry::SwitchTransport => drop(self.socket.switch_transport(now)),
            Entry::Channel(topic, params) => {
                let (topic, params) = (self.name(line, topic)?, self.join_params(line, params)?);
                if let Ok(channel) = self.socket.channel(topic, params) {
                    self.channels.add(channel, &self.socket);
                }
            }
            Entry::Replace(topic, params) => {
                let (topic, params) = (self.name(line, topic)?, self.join_params(line, params)?);
                if let Ok(channel) = self.socket.replace(now, topic, params) {
                    self.channels.add(channel, &self.socket);
                }
            }
            Entry::Remove(channel) => {
                let channel = self.channel(line, channel)?;
                self.socket.remove(now, channel);
            }
            Entry::Join(channel, timeout) => {
                let channel = self.channel(line, channel)?;
                let joined = self.socket.join(now, channel, timeout.map(|it| it.0));
                self.note_request(joined.ok());
            }
            Entry::Push(push) => self.push(line, &push)?,
            Entry::Leave(channel, timeout) => {
                let channel = self.channel(line, channel)?;
                let left = self.socket.leave(now, channel, timeout.map(|it| it.0));
                self.note_request(left.ok());
            }
            Entry::Cancel(request) => {
                let known = self.requests.get(request);
                let known = known.ok_or_else(|| invalid(line, "a request that wasn't made"))?;
                self.socket.cancel(known);
            }
            Entry::Ping => drop(self.socket.ping(now)),
            Entry::Opened(transport, properties) => {
                let transport = self.transport(line, transport)?;
                let properties = properties.map(|it| properties_of(&it)).unwrap_or_default();
                self.socket.handle_opened_with(now, transport, properties);
            }
            Entry::MessagesLost(transport) => {
                let transport = self.transport(line, transport)?;
                self.socket.handle_gap(now, transport);
            }
            Entry::Broadcast(topic, event, payload, frame) => {
                let payload = received(line, &payload)?;
                let message =
                    CoreMessage::new(self.name(line, topic)?, self.name(line, event)?, payload);
                self.message(line, frame, message)?;
            }
            Entry::Message(message) => {
                let frame = message.frame;
                let message = self.core_message(line, &message)?;
                self.message(line, frame, message)?;
            }
            Entry::Malformed(malformed) => self.malformed(line, &malformed)?,
            Entry::Stale(transport) => {
                let transport = self.transport(line, transport)?;
                self.socket.handle_frame(now, transport, Frame::text(""));
            }
            Entry::Unread(transport) => {
                let transport = self.transport(line, transport)?;
                self.socket.handle_unread(now, transport);
            }
            Entry::Lifecycle(lifecycle) => self.socket.handle_lifecycle(
                now,
                match lifecycle {
                    LifecycleIs::Active => Lifecycle::Active,
                    LifecycleIs::Held => Lifecycle::Held,
                    LifecycleIs::Suspending => Lifecycle::Suspending,
                },
            ),
            Entry::Closed(number, cause) => {
                let transport = self.transport(line, number)?;
                let cause = cause.cause().ok_or_else(|| invalid(line, "an unknown cause"))?;
                self.socket.handle_closed(now, transport, cause);
                self.transports.forget(number);
            }
            Entry::Params(number, params) => {
                let request = self.params.get(number);
                let request =
                    request.ok_or_else(|| invalid(line, "params that weren't asked for"))?;
                self.params.forget(number);
                let params = match params {
                    Some(params) => Some(self.sent(line, &params)?),
                    None => None,
                };
                self.socket.handle_params(now, request, params);
            }
            Entry::Timeout => self.socket.handle_timeout(now),
            Entry::Gap(_) => return Err(ReplayError::Gap { line }),
            // Outputs aren't inputs, decisions come before their input, and at the end nothing is done.
            _ => {}
        }
        Ok(())
    }

    fn define(&mut self, line: u64, Name(number, text): Name) -> Result<(), ReplayError> {
        if self.names.len() >= MAX_NAMES && !self.names.contains_key(&number) {
            return Err(invalid(line, "more names than a recording has at a time"));
        }
        if text.len() > MAX_NAME {
            return Err(invalid(line, "a name that is longer than any"));
        }
        self.names.insert(number, ByteString::from(&*text));
        Ok(())
    }

    fn name(&self, line: u64, number: u32) -> Result<ByteString, ReplayError> {
        let name = self.names.get(&number).cloned();
        name.ok_or_else(|| invalid(line, "a name that no line before gives"))
    }

    fn channel(&self, line: u64, channel: u64) -> Result<ChannelId, ReplayError> {
        let known = self.channels.get(channel);
        known.ok_or_else(|| invalid(line, "a channel that was never made"))
    }

    fn transport(&self, line: u64, transport: u64) -> Result<TransportId, ReplayError> {
        let known = self.transports.get(transport);
        known.ok_or_else(|| invalid(line, "a transport that was never asked for"))
    }

    fn note_request(&mut self, request: Option<RequestId>) {
        if let Some(request) = request {
            self.requests.add(request.as_u64(), request);
        }
    }

    /// A payload that is copied into a frame.
    fn sent(&mut self, line: u64, body: &Body) -> Result<Payload, ReplayError> {
        self.sent = self.sent.saturating_add(body.len());
        if self.sent > MAX_SENT {
            return Err(invalid(line, "more bytes of payloads than a replay sends"));
        }
        received(line, body)
    }

    fn join_params(&mut self, line: u64, params: Option<Body>) -> Result<Params, ReplayError> {
        Ok(match params {
            Some(params) => Params::Fixed(self.sent(line, &params)?),
            None => Params::OnRequest,
        })
    }

    fn push(&mut self, line: u64, push: &Push) -> Result<(), ReplayError> {
        let (channel, event) = (self.channel(line, push.channel)?, self.name(line, push.event)?);
        let payload = self.sent(line, &push.payload)?;
        let timeout = push.timeout.map(|timeout| timeout.0);
        let now = self.now;
        let pushed = if push.no_reply {
            self.socket.push_without_reply(now, channel, event, payload, timeout)
        } else {
            self.socket.push(now, channel, event, payload, timeout)
        };
        self.note_request(pushed.ok());
        Ok(())
    }

    fn core_message(&self, line: u64, message: &Message) -> Result<CoreMessage, ReplayError> {
        let payload = received(line, &message.payload)?;
        let (topic, event) = (self.name(line, message.topic)?, self.name(line, message.event)?);
        let mut made = CoreMessage::new(topic, event, payload);
        made.join_ref = message.join_ref.as_ref().map(core_ref);
        made.reference = message.reference.as_ref().map(core_ref);
        made.status = message.status.as_ref().map(StatusIs::status);
        Ok(made)
    }

    fn message(&mut self, line: u64, len: u64, message: CoreMessage) -> Result<(), ReplayError> {
        let newest = self.newest.ok_or_else(|| invalid(line, "a message without a transport"))?;
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        self.socket.handle_decoded(self.now, newest, len, Ok(message));
        Ok(())
    }

    fn malformed(&mut self, line: u64, malformed: &Malformed) -> Result<(), ReplayError> {
        let transport = self.transport(line, malformed.transport)?;
        let topic = malformed.topic.map(|topic| self.name(line, topic)).transpose()?;
        self.unrecorded.lock().topic = topic;
        let bytes = filler(malformed.frame.min(MAX_FILLER)).unwrap_or_default();
        let frame = if malformed.binary { Frame::Binary(bytes) } else { Frame::Text(bytes) };
        let len = usize::try_from(malformed.frame).unwrap_or(usize::MAX);
        let error = DecodeError::new(DecodeCause::Custom((*malformed.why).to_owned()), frame);
        self.socket.handle_decoded(self.now, transport, len, Err(error));
        Ok(())
    }
}

fn received(line: u64, body: &Body) -> Result<Payload, ReplayError> {
    body.payload()
        .ok_or_else(|| invalid(line, "a payload that is larger than any, or contradicts itself"))
}

fn core_ref(reference: &Ref) -> CoreRef {
    match reference {
        Ref::Number(number) => CoreRef::from(*number),
        Ref::Text(text) => CoreRef::from(&**text),
    }
}

fn properties_of(recorded: &Properties) -> TransportProperties {
    let narrow = |max: Option<u64>| max.map(|max| usize::try_from(max).unwrap_or(usize::MAX));
    let mut properties = TransportProperties::default();
    properties.needs_heartbeats = recorded.needs_heartbeats;
    properties.max_sent_frame = narrow(recorded.max_sent_frame);
    properties.max_sent_binary_frame = narrow(recorded.max_sent_binary_frame);
    properties.max_read_pause = recorded.max_read_pause.map(|pause| pause.0);
    properties.outlives_pauses = recorded.outlives_pauses;
    properties
}

fn invalid(line: u64, what: &'static str) -> ReplayError {
    ReplayError::Invalid { line, what }
}

fn parted(line: u64, recorded: Option<&Entry>, replayed: Option<&Entry>) -> ReplayError {
    let shown = |entry: Option<&Entry>| match entry {
        Some(entry) => serde_json::to_string(entry).unwrap_or_default(),
        None => "nothing".to_owned(),
    };
    ReplayError::Parted { line, recorded: shown(recorded), replayed: shown(replayed) }
}
