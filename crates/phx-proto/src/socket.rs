//! The client's side of one connection and its channels: the machine a driver feeds and polls.

#[macro_use]
mod observed;

mod actions;
mod attempt;
mod channel;
mod channels;
mod connection;
mod context;
mod dispatch;
mod event_queue;
mod heartbeat;
mod leaving;
mod pushes;
mod queue;
mod requests;
mod seq_map;
mod state;
mod timeouts;
mod timers;
mod topics;
mod turns;

use core::time::Duration;

use bytestring::ByteString;

use self::channel::Channel;
use self::channels::Channels;
use self::connection::Connection;
use self::context::Context;
use self::dispatch::Dispatch;
use self::requests::{Request, What};
pub use self::state::{ChannelState, ConnectionState, Params, TimeoutReason};
use crate::{
    Action, CallError, ChannelId, CloseCause, CloseCode, Config, Counters, DecodeError, Event,
    Frame, Instant, Lifecycle, Message, Outcome, ParamsRequestId, Payload, PingId, PushError,
    RequestId, TransportId, TransportProperties,
};

/// A Phoenix socket: channels multiplexed over one connection at a time.
///
/// It does no input or output, reads no clock and starts no task. A custom driver, or one of the adapters, feeds it and
/// polls it:
///
/// - *intents* ([`connect`](Self::connect), [`join`](Self::join), [`push`](Self::push) ...): what the
///   user wants. What is wrong with a call is its error, and the caller's data is handed back.
/// - *inputs* (`handle_*`): what happened, and when. They never fail.
/// - *outputs* (`poll_*`): actions to take, events to report, and the next deadline.
///
/// Inputs may come in any order, with or without polling in between. Time that runs backwards counts as standing still.
/// An input about a transport that isn't the current one changes nothing.
///
/// Equal configurations, seeds and inputs give equal outputs, so a session can be replayed.
///
/// See the [crate's front page](crate) for the loop around it.
#[derive(Debug)]
pub struct Socket {
    cx: Context,
    connection: Connection,
    channels: Channels,
}

/// Intents: what the user wants.
impl Socket {
    /// A socket that isn't connected. `seed` feeds the jitter of its schedules.
    ///
    /// The settings aren't checked: that is [`Config::validate`]. With settings that can't work nothing panics or
    /// hangs. A limit of zero refuses what it limits, but for limits in bytes of what came, which still let one thing
    /// through; a time under a millisecond counts as one.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        Socket {
            cx: Context::new(config, seed),
            connection: Connection::new(),
            channels: Channels::new(),
        }
    }

    /// Connects, and stays connected until [`disconnect`](Self::disconnect).
    ///
    /// Always acts: a wait for the next attempt ends at once, a disconnect under way is overtaken, and the reconnect
    /// schedule starts over. If an attempt is under way or the socket is connected, that is all.
    ///
    /// # Examples
    ///
    /// ```
    /// use phx_proto::{Action, Config, Instant, Socket};
    ///
    /// let (mut socket, now) = (Socket::new(Config::default(), 42), Instant::EPOCH);
    /// socket.connect(now);
    /// let Some(Action::Connect { transport, attempt: 1, .. }) = socket.poll_action() else { panic!() };
    /// socket.handle_opened(now, transport); // Once a WebSocket is open.
    /// assert!(socket.is_connected());
    /// ```
    pub fn connect(&mut self, now: Instant) {
        input!(self, now, Input::Connect);
        self.connection.connect(&mut self.cx, &mut self.channels);
    }

    /// Disconnects, and stays so until [`connect`](Self::connect).
    ///
    /// Requests accepted while connected are still sent, then a close frame with `code` and `reason`; [`Event::Closed`]
    /// comes when the transport is closed, at the latest after [`Config::close_timeout`]. Channels stay known, and
    /// rejoin when the socket connects again. A wait for the next attempt ends with [`Event::RetryCancelled`]. If no
    /// connection is wanted anyway, no event comes.
    ///
    /// # Errors
    ///
    /// [`CallError`], and nothing is done, if a close frame can't hold `code` or `reason`.
    pub fn disconnect(
        &mut self,
        now: Instant,
        code: CloseCode,
        reason: &str,
    ) -> Result<(), CallError> {
        // Before the clock moves: a call that is refused changes nothing.
        CallError::check_close(code, reason)?;
        input!(self, now, Input::Disconnect(code, reason));
        self.connection.disconnect(&mut self.cx, &mut self.channels, code, reason);
        Ok(())
    }

    /// Connects anew, now: for when the network came back or changed.
    ///
    /// A wait ends at once; a connection or an attempt is dropped, as if it had been lost, and replaced. The reconnect
    /// schedule starts over. Returns `false`, and does nothing, if no connection is wanted: a disconnect always wins.
    pub fn reconnect_now(&mut self, now: Instant) -> bool {
        input!(self, now, Input::ReconnectNow);
        output!(self, done, self.connection.replace(&mut self.cx, &mut self.channels, true))
    }

    /// As [`reconnect_now`](Self::reconnect_now), but the schedule goes on: for another kind of transport.
    pub fn switch_transport(&mut self, now: Instant) -> bool {
        input!(self, now, Input::SwitchTransport);
        output!(self, done, self.connection.replace(&mut self.cx, &mut self.channels, false))
    }

    /// Makes a channel for a topic; [`join`](Self::join) joins it.
    ///
    /// # Errors
    ///
    /// [`CallError`]: above all, a topic has one channel at a time. One that is being left or is closed doesn't count.
    ///
    /// # Examples
    ///
    /// ```
    /// # use phx_proto::{Config, CallError, Payload, Socket};
    /// # let mut socket = Socket::new(Config::default(), 42);
    /// let lobby = socket.channel("room:lobby", Payload::json(&["any params"])?)?;
    /// let second = socket.channel("room:lobby", Payload::empty());
    /// assert!(matches!(second, Err(CallError::TopicTaken { owner, .. }) if owner == lobby));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn channel(
        &mut self,
        topic: impl Into<ByteString>,
        params: impl Into<Params>,
    ) -> Result<ChannelId, CallError> {
        let (topic, params) = (topic.into(), params.into());
        observe!(self.cx, Input::Channel(&topic, &params));
        output!(self, channel, self.channels.add(&mut self.cx, topic, params, false))
    }

    /// Like [`channel`](Self::channel), but takes the topic from a channel that has it: that one is left first, and
    /// closes with [`ChannelCloseCause::Replaced`](crate::ChannelCloseCause::Replaced).
    ///
    /// # Errors
    ///
    /// [`CallError`], but for a taken topic. The topic's channel stays as it is then.
    pub fn replace(
        &mut self,
        now: Instant,
        topic: impl Into<ByteString>,
        params: impl Into<Params>,
    ) -> Result<ChannelId, CallError> {
        let (topic, params) = (topic.into(), params.into());
        input!(self, now, Input::Replace(&topic, &params));
        output!(self, channel, self.channels.add(&mut self.cx, topic, params, true))
    }

    /// Forgets a channel. One that isn't closed is left first, and its topic is free at once.
    ///
    /// Its pushes still have their outcomes, but no more events of the channel itself come. Returns `false` if there is
    /// no such channel.
    pub fn remove(&mut self, now: Instant, channel: ChannelId) -> bool {
        input!(self, now, Input::Remove(channel));
        let known = self.channels.with_known(&mut self.cx, channel, Channel::forget);
        output!(self, done, known.is_some())
    }

    /// Joins a channel, and keeps it joined: it rejoins by itself until it is left or closed.
    ///
    /// A join is sent as soon as the socket is connected; once for every connection and attempt. The outcome of the
    /// returned id is the server's answer to the first attempt that has one, crashes excepted, or
    /// [`Outcome::TimedOut`] after `timeout` ([`Config::join_timeout`] if `None`), or
    /// [`Outcome::JoinCrashed`] if the attempts that the server answered until then had
    /// crashed. The attempts go on after that, and each waits as long for its answer. If the channel is left or closed
    /// before, the outcome is [`Outcome::ChannelClosed`].
    ///
    /// A channel that is closed, but wasn't replaced, begins a new life: everything is as at the first join, and if
    /// another channel hasn't taken the topic by then, it has the topic again.
    ///
    /// # Errors
    ///
    /// [`CallError`]: a channel is joined once, until it is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use phx_proto::{ChannelState, Config, Instant, CallError, Payload, Socket};
    /// # let (mut socket, now) = (Socket::new(Config::default(), 42), Instant::EPOCH);
    /// let lobby = socket.channel("room:lobby", Payload::empty())?;
    /// socket.join(now, lobby, None)?;
    /// assert_eq!(socket.channel_state(lobby), Some(ChannelState::Joining));
    /// assert_eq!(socket.join(now, lobby, None), Err(CallError::AlreadyJoined));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn join(
        &mut self,
        now: Instant,
        channel: ChannelId,
        timeout: Option<Duration>,
    ) -> Result<RequestId, CallError> {
        input!(self, now, Input::Join(channel, timeout));
        let timeout = timeout.unwrap_or(self.cx.config.join_timeout);
        let connected = self.connection.is_open();
        let join = |channel: &mut Channel, cx: &mut _| channel.join(cx, timeout, connected);
        let joined = self.channels.with_known(&mut self.cx, channel, join);
        output!(self, request, joined.unwrap_or(Err(CallError::UnknownChannel)))
    }

    /// Pushes an event to the server.
    ///
    /// While the channel isn't joined the push waits, in order, for the join. Its deadline counts from this call:
    /// `timeout`, or [`Config::push_timeout`] if `None`. The returned id has exactly one [`Outcome`](crate::Outcome).
    ///
    /// # Errors
    ///
    /// [`PushError`], with the event and the payload; nothing is sent.
    ///
    /// # Examples
    ///
    /// ```
    /// # use phx_proto::{Config, Event, Instant, Outcome, Payload, CallError, Socket};
    /// # let (mut socket, now) = (Socket::new(Config::default(), 42), Instant::EPOCH);
    /// let lobby = socket.channel("room:lobby", Payload::empty())?;
    /// let refused = socket.push(now, lobby, "shout", Payload::json("hello")?, None).unwrap_err();
    /// assert_eq!(refused.reason, CallError::NotJoined);
    ///
    /// socket.join(now, lobby, None)?;
    /// let shout = socket.push(now, lobby, refused.event, refused.payload, None)?;
    /// assert!(socket.cancel(shout));
    /// let Some(Event::RequestDone { push, outcome, .. }) = socket.poll_event() else { panic!() };
    /// assert_eq!((push, outcome), (shout, Outcome::Cancelled));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn push(
        &mut self,
        now: Instant,
        channel: ChannelId,
        event: impl Into<ByteString>,
        payload: Payload,
        timeout: Option<Duration>,
    ) -> Result<RequestId, PushError> {
        let (event, expects_reply) = (event.into(), true);
        input!(self, now, Input::push(channel, &event, &payload, expects_reply, timeout));
        let message = (event, payload);
        let pushed = self.channels.push(&mut self.cx, channel, message, expects_reply, timeout);
        output!(self, push, pushed)
    }

    /// Pushes an event to which no reply is expected: its frame has no ref, so the server sends none.
    ///
    /// It waits for the join, counts in every limit and can be cancelled like another [`push`](Self::push); the
    /// deadline limits the wait for the transport. The outcome is [`Outcome::Sent`] as soon as
    /// the transport has taken the frame. Whether the server receives it isn't known.
    ///
    /// phoenix.js has no such push: each of its pushes has a ref.
    ///
    /// # Errors
    ///
    /// [`PushError`], with the event and the payload; nothing is sent.
    pub fn push_without_reply(
        &mut self,
        now: Instant,
        channel: ChannelId,
        event: impl Into<ByteString>,
        payload: Payload,
        timeout: Option<Duration>,
    ) -> Result<RequestId, PushError> {
        let (event, expects_reply) = (event.into(), false);
        input!(self, now, Input::push(channel, &event, &payload, expects_reply, timeout));
        let message = (event, payload);
        let pushed = self.channels.push(&mut self.cx, channel, message, expects_reply, timeout);
        output!(self, push, pushed)
    }

    /// Leaves a channel. It closes when the server confirms that, when `timeout` ([`Config::leave_timeout`] if `None`)
    /// has passed, or when the connection ends; at once if the server doesn't know of it.
    ///
    /// Pushes accepted before while joined are still sent. What has no reply by the time the channel closes ends with
    /// [`Outcome::ChannelClosed`].
    ///
    /// # Errors
    ///
    /// [`CallError`] if there is nothing to leave.
    ///
    /// # Examples
    ///
    /// ```
    /// # use phx_proto::{ChannelState, Config, Instant, Payload, Socket};
    /// # let (mut socket, now) = (Socket::new(Config::default(), 42), Instant::EPOCH);
    /// let lobby = socket.channel("room:lobby", Payload::empty())?;
    /// socket.leave(now, lobby, None)?; // Never joined: closed at once.
    /// assert_eq!(socket.channel_state(lobby), Some(ChannelState::Closed));
    /// assert!(socket.remove(now, lobby));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn leave(
        &mut self,
        now: Instant,
        channel: ChannelId,
        timeout: Option<Duration>,
    ) -> Result<RequestId, CallError> {
        input!(self, now, Input::Leave(channel, timeout));
        let timeout = timeout.unwrap_or(self.cx.config.leave_timeout);
        let leave = |channel: &mut Channel, cx: &mut _| channel.leave(cx, timeout);
        let left = self.channels.with_known(&mut self.cx, channel, leave);
        output!(self, request, left.unwrap_or(Err(CallError::UnknownChannel)))
    }

    /// Gives up on a push or join: its outcome is [`Outcome::Cancelled`].
    ///
    /// A push that wasn't sent never will be. Of a join only the wait for its outcome ends; the channel goes on. A
    /// leave can't be cancelled. Returns `false`, and does nothing, if the outcome has been decided.
    pub fn cancel(&mut self, push: RequestId) -> bool {
        observe!(self.cx, Input::Cancel(push));
        // A leave goes on, so that server and client agree about the channel.
        let waits = match self.cx.requests.get(push.0).map(Request::what) {
            Some(What::Push { .. } | What::JoinCall { .. }) => {
                self.channels.finish(&mut self.cx, push, Outcome::Cancelled);
                true
            }
            _ => false,
        };
        output!(self, done, waits)
    }

    /// Asks the server for a sign of life; [`Event::Pong`] has the round-trip time. Without a reply in the time that a
    /// heartbeat has ([`Config::heartbeat_timeout`] after the last frame, [`Config::heartbeat_limit`] after the ping at
    /// the latest) it has none; the connection stays.
    ///
    /// # Errors
    ///
    /// [`CallError`] if the socket isn't connected, or 16 pings are under way.
    pub fn ping(&mut self, now: Instant) -> Result<PingId, CallError> {
        input!(self, now, Input::Ping);
        output!(self, ping, self.connection.ping(&mut self.cx))
    }
}

/// Inputs: what happened, and when.
impl Socket {
    /// The transport is open: the server has accepted the upgrade. It is a WebSocket, or has the same properties.
    pub fn handle_opened(&mut self, now: Instant, transport: TransportId) {
        self.handle_opened_with(now, transport, TransportProperties::default());
    }

    /// The transport is open, and has these properties. Without a need for heartbeats none is sent nor waited for, but
    /// [`ping`](Self::ping) works; a frame that is too large for it ends its call with [`Outcome::TooLarge`].
    pub fn handle_opened_with(
        &mut self,
        now: Instant,
        transport: TransportId,
        properties: TransportProperties,
    ) {
        input!(self, now, Input::Opened(transport, properties));
        self.connection.opened(&mut self.cx, &mut self.channels, transport, properties);
    }

    /// The transport has lost messages that the server sent, it isn't known which or how many, and goes on: reported as
    /// [`Event::MessagesLost`].
    pub fn handle_gap(&mut self, now: Instant, transport: TransportId) {
        input!(self, now, Input::Gap(transport));
        // What the transport has lost had come: a sign of life as a frame is one.
        if self.connection.note_heard(&mut self.cx, transport) {
            self.cx.emit(Event::MessagesLost { transport });
        }
    }

    /// A frame came. Whatever it holds, and whether or not it can be decoded, it shows that the peer is alive: see
    /// [`Config::heartbeat_timeout`]. What belongs to the transport alone, such as a ping of the WebSocket layer, isn't
    /// handed over and doesn't count.
    pub fn handle_frame(&mut self, now: Instant, transport: TransportId, frame: Frame) {
        self.advance(now);
        let Socket { cx, connection, channels } = self;
        Dispatch { cx, connection, channels }.frame(transport, frame);
    }

    /// A frame that the driver has decoded itself with [`Config::serializer`]; `len` is its length in bytes. The same as
    /// [`handle_frame`](Self::handle_frame), which must be given those longer than [`Config::max_frame_size`].
    pub fn handle_decoded(
        &mut self,
        now: Instant,
        transport: TransportId,
        len: usize,
        decoded: Result<Message, DecodeError>,
    ) {
        self.advance(now);
        let Socket { cx, connection, channels } = self;
        Dispatch { cx, connection, channels }.decoded(transport, len, decoded);
    }

    /// The driver has chosen not to read from the transport, up to now: that no frame came says nothing about the peer.
    ///
    /// Call it whenever the driver wakes while it holds back reading, before
    /// [`handle_timeout`](Self::handle_timeout). The reply to a heartbeat may be among what isn't read, so reading must
    /// go on early enough before [`Config::heartbeat_limit`] has passed since
    /// [`unanswered_since`](Self::unanswered_since): then the connection counts as dead all the same.
    pub fn handle_unread(&mut self, now: Instant, transport: TransportId) {
        input!(self, now, Input::Unread(transport));
        self.connection.note_heard(&mut self.cx, transport);
    }

    /// Attempts to connect make sense again, or no longer do. Whether a connection is wanted stays as it is.
    pub fn handle_lifecycle(&mut self, now: Instant, lifecycle: Lifecycle) {
        input!(self, now, Input::Lifecycle(lifecycle));
        self.connection.lifecycle(&mut self.cx, &mut self.channels, lifecycle);
    }

    /// The transport is closed, or couldn't be opened: then [`CloseCause::Io`] is reported as
    /// [`CloseCause::ConnectFailed`]. After an [`Action::Close`] any cause will do: the socket knows why it closed it.
    pub fn handle_closed(&mut self, now: Instant, transport: TransportId, cause: CloseCause) {
        input!(self, now, Input::Closed(transport, &cause));
        self.connection.closed(&mut self.cx, &mut self.channels, transport, cause);
    }

    /// The params that [`Action::RequestParams`] asked for; `None` if they couldn't be made: the join is retried.
    pub fn handle_params(
        &mut self,
        now: Instant,
        request: ParamsRequestId,
        params: Option<Payload>,
    ) {
        input!(self, now, Input::Params(request, params.as_ref()));
        let made = |channel: &mut Channel, cx: &mut _| channel.params_made(cx, request.0, params);
        self.channels.with_request(&mut self.cx, request.0, made);
    }

    /// Time passed. Call it at [`poll_timeout`](Self::poll_timeout)'s moment; early or late is harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        input!(self, now, Input::Timeout);
        timeouts::fire_due(&mut self.cx, &mut self.connection, &mut self.channels);
    }
}

/// Outputs: actions to take, events to report, and the next deadline.
impl Socket {
    /// The next action for the driver. Poll until there is nothing more, after every other call.
    ///
    /// A frame counts as sent once it has been polled: poll when the transport can take one, and call
    /// [`poll_control`](Self::poll_control) while it can't. Until then a push can still be timed out, cancelled, or
    /// wait for another connection. The [crate's front page](crate) has the loop around it.
    #[must_use]
    pub fn poll_action(&mut self) -> Option<Action> {
        let Socket { cx, connection, channels } = self;
        output!(self, action, actions::next(cx, connection, channels))
    }

    /// The next action that needs no transport that can take a frame: never [`Action::Send`].
    #[must_use]
    pub fn poll_control(&mut self) -> Option<Action> {
        let Socket { cx, connection, channels } = self;
        output!(self, control, actions::next_control(cx, connection, channels))
    }

    /// Returns `true` if a frame waits for the transport: while the transport can't take one, a driver may have to
    /// prepare it for that.
    #[must_use]
    pub fn has_unsent_frames(&self) -> bool {
        self.connection.sending_transport().is_some() && !self.cx.requests.is_drained()
    }

    /// The next event for the user. Poll until there is nothing more, after every other call.
    #[must_use]
    #[inline]
    pub fn poll_event(&mut self) -> Option<Event> {
        // Asked after each frame, and often in vain.
        if self.cx.events.is_at_rest() {
            return None;
        }
        #[cfg(feature = "observer")]
        if self.cx.observer.is_some() {
            return self.poll_observed_event();
        }
        self.cx.events.poll()
    }

    /// The moment to call [`handle_timeout`](Self::handle_timeout); `None`: not until something else happens. Changes
    /// with every other call.
    ///
    /// # Examples
    ///
    /// ```
    /// # use phx_proto::{Config, ConnectionState, Instant, Socket};
    /// # let (mut socket, now) = (Socket::new(Config::default(), 42), Instant::EPOCH);
    /// socket.connect(now);
    /// let deadline = socket.poll_timeout().unwrap();
    /// assert_eq!(deadline, now + socket.config().connect_timeout);
    /// socket.handle_timeout(deadline);
    /// assert_eq!(socket.connection_state(), ConnectionState::Waiting);
    /// ```
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.cx.timers.next_at()
    }

    /// The reason for [`poll_timeout`](Self::poll_timeout)'s deadline.
    #[must_use]
    pub fn timeout_reason(&self) -> Option<TimeoutReason> {
        self.cx.timers.next().map(|(_, why)| why)
    }
}

/// For recorders.
#[cfg(feature = "observer")]
impl Socket {
    /// The next event, reported to the observer. Apart: without one, a large event isn't copied for it.
    #[inline(never)]
    fn poll_observed_event(&mut self) -> Option<Event> {
        output!(self, event, self.cx.events.poll())
    }

    /// Sets the observer: it sees everything that goes into this socket and comes out of it from now on.
    pub fn observe(&mut self, observer: alloc::boxed::Box<dyn crate::Observer>) {
        self.cx.observer = Some(observer);
    }
}

/// State that can be read from outside.
impl Socket {
    /// The state of the connection.
    #[must_use]
    pub fn connection_state(&self) -> ConnectionState {
        self.connection.state()
    }

    /// Returns `true` while the socket is connected.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connection.is_open()
    }

    /// The moment since which the oldest heartbeat or ping waits for its reply; `None` if none does.
    #[must_use]
    pub fn unanswered_since(&self) -> Option<Instant> {
        self.connection.unanswered_since(&self.cx)
    }

    /// The state of a channel; `None` if it was removed.
    #[must_use]
    pub fn channel_state(&self, channel: ChannelId) -> Option<ChannelState> {
        self.channels.known(channel).map(|channel| channel.state(&self.cx))
    }

    /// A channel's topic; `None` if it was removed.
    #[must_use]
    pub fn topic(&self, channel: ChannelId) -> Option<&ByteString> {
        self.channels.known(channel).map(Channel::topic)
    }

    /// The channel that owns a topic. Channels that are being left or closed own none.
    #[must_use]
    pub fn channel_of(&self, topic: &str) -> Option<ChannelId> {
        self.cx.topics.owner(topic)
    }

    /// Counts of what happened so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.cx.counters
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.cx.config
    }

    /// Moves the clock; it never runs backwards.
    fn advance(&mut self, now: Instant) {
        self.cx.now = self.cx.now.max(now);
    }
}
