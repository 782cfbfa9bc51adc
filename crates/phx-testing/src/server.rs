//! The server's side of the protocol, sans-IO: frames and times in, frames and closes out.
//!
//! Its structure is Phoenix's: a process for each connection and one for each joined channel, which send each other
//! messages. Processes run when a message is due and block when they sleep, all in the time that the driver passes.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use phx_proto::{ByteString, CloseCode, EncodeError, Frame, Instant, Message, Payload, Status};

use crate::SocketRef;

mod action;
mod builder;
mod connect;
mod deadline;
mod envelope;
mod http;
mod longpoll;
mod params;
mod payload;
mod presence;
mod process;
mod pubsub;
mod socket;
mod world;

pub use action::{Accepted, Action, SocketId};
pub use builder::{ChannelCrash, ServerBuilder};
pub(crate) use connect::Connection;
pub use connect::{ConnectInfo, ConnectRequest, UpgradeRejection};
pub(crate) use envelope::{ChannelMessage, Envelope, ProcessId, SocketMessage};
pub use http::{ExchangeId, HttpAnswer, HttpRequest, HttpServer};
#[cfg(feature = "listener")]
pub(crate) use longpoll::MAX_BODY;
pub use presence::PresenceError;
pub(crate) use world::World;

use builder::App;
use connect::Handshake;
use deadline::Deadline;
use longpoll::LongPoll;
use process::Process;
use socket::Socket;

/// A Phoenix server: connections, channels, and shared state.
///
/// After every call, poll the actions until there are none, and call [`handle_timeout`](Server::handle_timeout) at
/// the time of [`poll_timeout`](Server::poll_timeout). A time that moves backwards counts as no change.
///
/// # Panics
///
/// If a channel's callback panics, and if channels send themselves messages without end at one moment.
///
/// # Examples
///
/// ```
/// use phx_proto::{Frame, Instant};
/// use phx_testing::{Action, ConnectRequest, Handlers, Server};
///
/// let mut server = Server::builder().channel("room:*", Handlers::new).build();
/// let now = Instant::EPOCH;
/// let request = ConnectRequest::new("/socket/websocket?vsn=2.0.0");
/// let socket = server.connect(now, &request).expect("accepted").socket;
///
/// server.handle_frame(now, socket, Frame::text(r#"["1","1","room:a","phx_join",{}]"#));
/// let Some(Action::Send { frame, .. }) = server.poll_action() else { panic!("no reply") };
/// assert_eq!(
///     frame.as_bytes(),
///     r#"["1","1","room:a","phx_reply",{"response":{},"status":"ok"}]"#,
/// );
/// ```
pub struct Server {
    gate: Handshake,
    app: App,
    world: World,
    clock: Instant,
    sockets: BTreeMap<SocketId, Socket>,
    channels: BTreeMap<ProcessId, Process>,
    deadlines: BTreeSet<(Instant, Deadline)>,
    longpoll: LongPoll,
    actions: VecDeque<Action>,
    /// Ids given to sockets and processes.
    made: u64,
    closed: bool,
}

/// Envelope delivered at one moment; more is a channel that sends to itself without end.
const MAX_DELIVERIES: u32 = 1_000_000;

impl Server {
    /// Returns a builder of a server: settings and channels.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// Handles a client's upgrade request.
    ///
    /// # Errors
    ///
    /// [`UpgradeRejection`], the HTTP answer: 404 for another path, 403 for an unknown `vsn` or subprotocol, 500
    /// for a token that isn't base64, 503 after [`shutdown`](Server::shutdown), or the application's rejection.
    pub fn connect(
        &mut self,
        now: Instant,
        request: &ConnectRequest,
    ) -> Result<Accepted, UpgradeRejection> {
        self.advance(now);
        if self.closed {
            return Err(UpgradeRejection::new(503));
        }
        let passed = self.gate.pass(request)?;
        let socket = SocketId(self.next_id());
        self.open(socket, Connection { id: passed.id, info: passed.info }, None);
        Ok(Accepted { socket, protocol: passed.protocol })
    }

    /// Handles a frame from a client.
    pub fn handle_frame(&mut self, now: Instant, socket: SocketId, frame: Frame) {
        self.post_to(now, socket, SocketMessage::Received(frame));
    }

    /// Handles frames that arrived together from a client, as in one segment of TCP. A socket's process reads them
    /// all before it sends its channels' messages, so the order of the answers differs from that of single frames;
    /// and of two leaves that arrive together one is answered.
    pub fn handle_frames(
        &mut self,
        now: Instant,
        socket: SocketId,
        frames: impl IntoIterator<Item = Frame>,
    ) {
        self.advance(now);
        for frame in frames {
            self.world.post(self.clock, Envelope::Socket(socket, SocketMessage::Received(frame)));
        }
        self.run();
    }

    /// Handles a WebSocket ping from a client: the client isn't idle.
    pub fn handle_ping(&mut self, now: Instant, socket: SocketId) {
        self.advance(now);
        self.defer_idle(socket, self.clock);
    }

    /// Handles a close frame from a client: the server answers with 1000, whatever its code.
    pub fn handle_close(&mut self, now: Instant, socket: SocketId) {
        self.post_to(now, socket, SocketMessage::Closing);
    }

    /// Handles a connection that ended without a close frame, or whose upgrade failed.
    pub fn handle_lost(&mut self, now: Instant, socket: SocketId) {
        self.advance(now);
        self.end(socket);
        self.run();
    }

    /// Advances the server to `now`, and runs the timers that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
    }

    /// Returns the next action to perform, in order.
    #[must_use]
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Returns when to call [`handle_timeout`](Server::handle_timeout); `None` if no timer is set.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        self.world.next_due().into_iter().chain(deadline).min()
    }

    /// Sends an event to every client that has joined a topic: `Endpoint.broadcast`.
    pub fn broadcast(
        &mut self,
        now: Instant,
        topic: impl Into<ByteString>,
        event: impl Into<ByteString>,
        payload: Payload,
    ) {
        self.advance(now);
        self.world.broadcast(self.clock, &Message::new(topic, event, payload), None);
        self.run();
    }

    /// Pushes an event to one client. Returns false if it hasn't joined the topic, or its serializer can't carry
    /// the payload.
    pub fn push(
        &mut self,
        now: Instant,
        socket: SocketId,
        topic: &str,
        event: impl Into<ByteString>,
        payload: Payload,
    ) -> bool {
        self.advance(now);
        let Some(process) = self.process_of(socket, topic) else {
            return false;
        };
        let life = &process.life;
        let push =
            Message::new(life.topic.clone(), event, payload).with_join_ref(life.join_ref.clone());
        let Ok(frame) = life.serializer().encode(&push) else {
            return false;
        };
        self.post_to(now, socket, SocketMessage::Send(frame));
        true
    }

    /// Replies to a push whose [`SocketRef`] a channel kept.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if the connection's serializer can't carry the response.
    pub fn reply(
        &mut self,
        now: Instant,
        to: &SocketRef,
        status: Status,
        response: Payload,
    ) -> Result<(), EncodeError> {
        self.advance(now);
        to.post(&mut self.world, self.clock, status, response)?;
        self.run();
        Ok(())
    }

    /// Sends a message to a channel's [`handle_info`](crate::Channel::handle_info). Returns false if the client
    /// hasn't joined the topic.
    pub fn send(
        &mut self,
        now: Instant,
        socket: SocketId,
        topic: &str,
        message: impl Any + Send,
    ) -> bool {
        self.advance(now);
        let Some(process) = self.process_of(socket, topic) else {
            return false;
        };
        let mail = Envelope::Channel(process.life.process, ChannelMessage::Info(Box::new(message)));
        self.post(now, mail);
        true
    }

    /// Sends a frame unchanged, well-formed or not.
    pub fn send_frame(&mut self, now: Instant, socket: SocketId, frame: Frame) {
        self.post_to(now, socket, SocketMessage::Send(frame));
    }

    /// Closes every connection with this id with 1001 (1000 before Phoenix 1.8.8): the broadcast of
    /// "disconnect".
    pub fn disconnect(&mut self, now: Instant, id: impl Into<String>) {
        self.post(now, Envelope::Disconnect(id.into()));
    }

    /// Closes every connection that has a channel with 1012, as a deploy does. New connections are
    /// still accepted.
    pub fn drain(&mut self, now: Instant) {
        self.post(now, Envelope::Drain);
    }

    /// [Drains](Server::drain), closes the remaining connections with 1000, and refuses new ones.
    pub fn shutdown(&mut self, now: Instant) {
        self.drain(now);
        self.closed = true;
        let left: Vec<_> = self.sockets.keys().copied().collect();
        for socket in left {
            self.close(now, socket, CloseCode::NORMAL);
        }
    }

    /// Closes one connection.
    pub fn close(&mut self, now: Instant, socket: SocketId, code: CloseCode) {
        self.close_because(now, socket, code, "");
    }

    /// Closes one connection with a reason, which Phoenix never sends but a proxy in front of it may.
    pub fn close_because(
        &mut self,
        now: Instant,
        socket: SocketId,
        code: CloseCode,
        reason: impl Into<ByteString>,
    ) {
        self.post_to(now, socket, SocketMessage::Close(code, reason.into()));
    }

    /// Ends one connection without a close frame.
    pub fn kill_transport(&mut self, now: Instant, socket: SocketId) {
        self.post_to(now, socket, SocketMessage::Kill);
    }

    /// Returns the present connections, the oldest first.
    pub fn sockets(&self) -> impl Iterator<Item = SocketId> + '_ {
        self.sockets.keys().copied()
    }

    /// Returns the topics that a connection has joined, in alphabetical order.
    pub fn topics(&self, socket: SocketId) -> impl Iterator<Item = &ByteString> + '_ {
        self.sockets.get(&socket).into_iter().flat_map(Socket::topics)
    }

    /// Returns the path of the socket, such as `/socket`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.gate.path
    }

    /// The largest frame taken, in bytes.
    #[cfg(feature = "listener")]
    pub(crate) fn max_frame_size(&self) -> usize {
        self.app.max_frame_size
    }

    #[cfg(feature = "deflate")]
    pub(crate) fn compresses(&self) -> bool {
        self.app.compresses
    }

    /// Lets everything happen that is due by `now`, in the order of its time.
    fn advance(&mut self, now: Instant) {
        self.clock = self.clock.max(now);
        self.run();
    }

    fn run(&mut self) {
        let (mut moment, mut deliveries) = (self.world.now(), 0_u32);
        loop {
            if self.world.now() > moment {
                (moment, deliveries) = (self.world.now(), 0);
            }
            deliveries += 1;
            if deliveries > MAX_DELIVERIES {
                stuck(moment);
            }
            let deadline = self.deadlines.first().copied().filter(|(at, _)| *at <= self.clock);
            let mail = self.world.next_due().filter(|at| *at <= self.clock);
            match (deadline, mail) {
                (Some((at, deadline)), mail) if mail.is_none_or(|mail| at < mail) => {
                    self.world.set_now(at);
                    match deadline {
                        Deadline::Idle(socket) => {
                            self.close_now(socket, CloseCode::from_u16(1002));
                        }
                        Deadline::Exchange(exchange) => self.exchange_timed_out(exchange),
                    }
                }
                _ => match self.world.take_due(self.clock) {
                    Some(mail) => self.deliver(mail),
                    None => break,
                },
            }
        }
        self.world.set_now(self.clock);
    }

    fn deliver(&mut self, mail: Envelope) {
        match mail {
            Envelope::Socket(socket, mail) => self.deliver_to_socket(socket, mail),
            Envelope::Channel(process, mail) => self.deliver_to_channel(process, mail),
            Envelope::Disconnect(id) => {
                let going_away = self.app.version.disconnects_as_going_away();
                let code = if going_away { CloseCode::GOING_AWAY } else { CloseCode::NORMAL };
                self.close_all(code, |socket| socket.has_id(&id));
            }
            Envelope::Drain => self.close_all(CloseCode::RESTART, Socket::has_channels),
        }
    }

    fn close_all(&mut self, code: CloseCode, which: impl Fn(&Socket) -> bool) {
        for (id, _) in self.sockets.iter().filter(|(_, socket)| which(socket)) {
            let close = SocketMessage::Close(code, ByteString::new());
            self.world.post(self.world.now(), Envelope::Socket(*id, close));
        }
    }

    fn post_to(&mut self, now: Instant, socket: SocketId, mail: SocketMessage) {
        self.post(now, Envelope::Socket(socket, mail));
    }

    fn post(&mut self, now: Instant, mail: Envelope) {
        self.advance(now);
        self.world.post(self.clock, mail);
        self.run();
    }

    fn next_id(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    fn process_of(&self, socket: SocketId, topic: &str) -> Option<&Process> {
        self.channels.get(&self.sockets.get(&socket)?.process_of(topic)?)
    }
}

#[expect(clippy::panic, reason = "documented: a test that can't go on must not hang")]
fn stuck(now: Instant) -> ! {
    panic!("at {now:?} the channels keep sending without time passing");
}

impl ServerBuilder {
    /// Builds the server, without connections.
    #[must_use]
    pub fn build(self) -> Server {
        let mut gate = self.gate;
        gate.auth_token &= self.app.version.takes_auth_tokens();
        Server {
            gate,
            app: self.app,
            world: World::new(self.seed),
            clock: Instant::EPOCH,
            sockets: BTreeMap::new(),
            channels: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            longpoll: LongPoll::new(self.http, self.poll_window, self.seed),
            actions: VecDeque::new(),
            made: 0,
            closed: false,
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("app", &self.app)
            .field("sockets", &self.sockets.len())
            .field("channels", &self.channels.len())
            .finish_non_exhaustive()
    }
}
