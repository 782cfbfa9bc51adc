//! One client of a simulation: its core, its connection, and the faults that are set on it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use phx_proto::{ChannelId, Event, Frame, Payload, Socket, TransportId};

use super::Connectivity;
use super::flight::Flight;
use crate::{ConnectRequest, Refusal, SocketId};

pub(super) struct Client {
    pub(super) socket: Socket,
    pub(super) request: ConnectRequest,
    /// Those the client hasn't seen the end of; the newest is the one in use.
    pub(super) connections: BTreeMap<TransportId, Connection>,
    pub(super) params: Option<Box<ParamsFn>>,
    pub(super) latency: Duration,
    pub(super) connectivity: Connectivity,
    pub(super) refusals: VecDeque<Refusal>,
    /// What hasn't been taken by the test yet.
    pub(super) events: VecDeque<Event>,
    pub(super) sent: Vec<Frame>,
}

pub(super) type ParamsFn = dyn FnMut(ChannelId) -> Option<Payload> + Send;

/// A transport of the client, from its attempt to connect to its end.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// The server's side of it, once the server has accepted it.
    pub(super) socket: Option<SocketId>,
    pub(super) half_open: bool,
    /// What arrived while the connection is stalled.
    pub(super) held: Option<VecDeque<Flight>>,
}

impl Client {
    pub(super) fn new(socket: Socket, request: ConnectRequest) -> Self {
        Client {
            socket,
            request,
            connections: BTreeMap::new(),
            params: None,
            latency: Duration::ZERO,
            connectivity: Connectivity::Online,
            refusals: VecDeque::new(),
            events: VecDeque::new(),
            sent: Vec::new(),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("connections", &self.connections)
            .field("connectivity", &self.connectivity)
            .finish_non_exhaustive()
    }
}
