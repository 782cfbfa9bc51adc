//! One client of a simulation: its core, and its connections.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use phx_proto::{
    Action, ChannelId, Event, Frame, Instant, Payload, Socket, TransportId, TransportKind,
};

use super::clock::Clock;
use crate::ConnectRequest;
use crate::network::{ConnectionId, Delivery};

pub(super) struct Client {
    pub(super) socket: Socket,
    pub(super) request: ConnectRequest,
    /// The kind of its next transports.
    pub(super) transport: TransportKind,
    /// Connections whose end the client hasn't seen, and their kinds; the newest is the one in use.
    pub(super) connections: BTreeMap<TransportId, (ConnectionId, TransportKind)>,
    pub(super) params: Option<Box<ParamsFn>>,
    pub(super) clock: Clock,
    /// True while its transports take no frames.
    pub(super) is_blocked: bool,
    /// Deliveries while the client is suspended.
    pub(super) held: Option<VecDeque<(ConnectionId, Delivery)>>,
    /// Its entry among the simulation's alarms.
    pub(super) alarm: Option<Instant>,
    /// Events that the test hasn't taken yet.
    pub(super) events: VecDeque<Event>,
    pub(super) sent: Vec<Frame>,
}

pub(super) type ParamsFn = dyn FnMut(ChannelId) -> Option<Payload> + Send;

impl Client {
    pub(super) fn new(socket: Socket, request: ConnectRequest) -> Self {
        Client {
            socket,
            request,
            transport: TransportKind::default(),
            connections: BTreeMap::new(),
            params: None,
            clock: Clock::default(),
            is_blocked: false,
            held: None,
            alarm: None,
            events: VecDeque::new(),
            sent: Vec::new(),
        }
    }
}

impl Client {
    /// The next action of its core that is possible: `takes_frames` says if its transport has room.
    pub(super) fn poll_action(&mut self, takes_frames: bool) -> Option<Action> {
        if takes_frames && !self.is_blocked {
            self.socket.poll_action()
        } else {
            self.socket.poll_control()
        }
    }

    /// The connection in use.
    pub(super) fn newest(&self) -> Option<ConnectionId> {
        self.connections.last_key_value().map(|(_, (connection, _))| *connection)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("connections", &self.connections).finish_non_exhaustive()
    }
}
