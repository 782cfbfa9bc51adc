//! Long-poll over the network: a session in the place of a connection, whose requests and answers are the packets.

use std::collections::BTreeMap;
use std::time::Duration;

use phx_proto::longpoll::{
    self, Answer, ExchangeKind, Session, SessionConfig, SessionEvent, Unanswered,
};
use phx_proto::{CloseCause, CloseCode, Frame, Instant, Request};

use super::client_link::ClientId;
use super::in_flight::{ConnectionId, Delivery, Packet};
use super::{Connectivity, Network};
use crate::{ExchangeId, HttpAnswer, HttpRequest};

/// A client's end of a session.
#[derive(Debug)]
pub(super) struct Polling {
    session: Session,
    /// The requests under way, with the server's numbers of those that have arrived.
    under_way: BTreeMap<longpoll::ExchangeId, Option<ExchangeId>>,
    /// True while there are kept connections: without one, a request is an attempt to connect.
    is_connected: bool,
    /// The session's entry among the network's deadlines.
    deadline: Option<Instant>,
}

impl Polling {
    pub(super) fn new(session: Session) -> Self {
        Polling { session, under_way: BTreeMap::new(), is_connected: false, deadline: None }
    }
}

/// Actions of clients.
impl Network {
    /// Starts a session.
    pub(crate) fn connect_session(
        &mut self,
        now: Instant,
        client: ClientId,
        request: &Request,
    ) -> ConnectionId {
        let place = self.line(client).token_place;
        let session = Session::new(request, SessionConfig::default(), place);
        let id = self.add_connection(now, client, None, Some(Polling::new(session)));
        self.drive(now, id);
        id
    }

    /// Returns the number of bytes of frames that the connection takes now; `None` if it takes none.
    pub(crate) fn room(&self, id: ConnectionId) -> Option<usize> {
        match self.connections.get(&id).map(|connection| &connection.polling) {
            Some(Some(polling)) => polling.session.room(),
            // A frame for a connection that has ended is lost.
            Some(None) | None => Some(usize::MAX),
        }
    }

    /// Sends the frames that a session has taken.
    pub(crate) fn flush(&mut self, now: Instant, id: ConnectionId) {
        self.drive(now, id);
    }

    /// Performs what a session asks for.
    pub(super) fn drive(&mut self, now: Instant, id: ConnectionId) {
        loop {
            let Some(connection) = self.connections.get_mut(&id) else { return };
            let client = connection.client;
            let Some(polling) = &mut connection.polling else { return };
            let exchange = polling.session.poll_exchange(now);
            let event = polling.session.poll_event();
            if exchange.is_none() && event.is_none() {
                break;
            }
            if let Some(exchange) = exchange {
                self.ask(now, id, &exchange);
            }
            match event {
                Some(SessionEvent::Opened) => {
                    if let Some(connection) = self.connections.get_mut(&id) {
                        connection.opened = true;
                    }
                    self.deliveries.push_back((id, Delivery::Opened));
                }
                Some(SessionEvent::Frame(frame)) => {
                    self.deliveries.push_back((id, Delivery::Frame(frame)));
                }
                Some(SessionEvent::Gap) => self.deliveries.push_back((id, Delivery::Gap)),
                Some(SessionEvent::Closed(cause)) => {
                    self.remember_place(id, client);
                    self.forget(now, id);
                    self.deliveries.push_back((id, Delivery::Closed(cause)));
                    return;
                }
                Some(_) | None => {}
            }
        }
        self.set_deadline(id);
    }

    /// Ends a session from the client's side: its requests are given up.
    pub(super) fn close_session(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.connections.get(&id) else { return };
        self.remember_place(id, connection.client);
        self.forget(now, id);
        let closed = CloseCause::frame(CloseCode::NORMAL, "");
        self.deliveries.push_back((id, Delivery::Closed(closed)));
    }

    /// Cuts the connections that carry a session's requests. The session goes on over new ones.
    pub(super) fn cut_session(&mut self, now: Instant, id: ConnectionId) {
        let Some(polling) = self.connections.get_mut(&id).and_then(|it| it.polling.as_mut()) else {
            return;
        };
        polling.is_connected = false;
        let under_way = std::mem::take(&mut polling.under_way);
        for (asked, arrived) in under_way {
            self.abandon_exchange(now, arrived);
            self.fail(now, id, asked, Unanswered::Unknown(CloseCause::io("cut")));
        }
        self.drive(now, id);
    }

    /// Lets the client's machine stand still: its sessions see no answers and no time.
    pub(crate) fn suspend(&mut self, client: ClientId) {
        self.line(client).unseen.get_or_insert_default();
    }

    /// Ends a suspension.
    pub(crate) fn wake(&mut self, now: Instant, client: ClientId) {
        let Some(unseen) = self.line(client).unseen.take() else { return };
        for flight in unseen {
            self.arrive(now, flight);
        }
        let sessions = self.connections.iter().filter(|(_, it)| it.client == client);
        let sessions: Vec<_> =
            sessions.filter(|(_, it)| it.polling.is_some()).map(|(id, _)| *id).collect();
        for id in sessions {
            self.ring_session(now, id);
        }
    }

    /// Calls the sessions whose deadline has come; returns true if there were any.
    pub(super) fn ring_sessions(&mut self, now: Instant) -> bool {
        let mut happened = false;
        while let Some((_, id)) = self.session_deadlines.first().filter(|(at, _)| *at <= now) {
            happened = true;
            self.ring_session(now, *id);
        }
        happened
    }

    fn ring_session(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let client = connection.client;
        let Some(polling) = &mut connection.polling else { return };
        if let Some(at) = polling.deadline.take() {
            self.session_deadlines.remove(&(at, id));
        }
        // When its machine wakes, it is called.
        if self.clients.get(client.0).is_none_or(|line| line.unseen.is_none()) {
            polling.session.handle_timeout(now);
            self.drive(now, id);
        }
    }

    /// The server has answered a request.
    pub(super) fn answer(&mut self, now: Instant, exchange: ExchangeId, answer: HttpAnswer) {
        let Some((id, asked)) = self.exchanges.remove(&exchange) else { return };
        self.depart(now, id, Packet::Answer(asked, answer));
    }

    /// A request has arrived.
    pub(super) fn request_arrives(
        &mut self,
        now: Instant,
        id: ConnectionId,
        asked: longpoll::ExchangeId,
        request: HttpRequest,
    ) {
        let socket = self.server.session_of(&request);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.socket = socket.or(connection.socket);
        let Some(polling) = &mut connection.polling else { return };
        // Otherwise its connection was cut behind it.
        let Some(arrived) = polling.under_way.get_mut(&asked) else { return };
        let exchange = self.server.handle_request(now, request);
        *arrived = Some(exchange);
        self.exchanges.insert(exchange, (id, asked));
    }

    /// An answer has arrived.
    pub(super) fn answer_arrives(
        &mut self,
        now: Instant,
        id: ConnectionId,
        asked: longpoll::ExchangeId,
        answer: &HttpAnswer,
    ) {
        let Some(polling) = self.connections.get_mut(&id).and_then(|it| it.polling.as_mut()) else {
            return;
        };
        if polling.under_way.remove(&asked).is_none() {
            return;
        }
        polling.is_connected = true;
        let headers = answer.headers().iter();
        let retry_after = headers.filter(|(name, _)| name == "retry-after");
        let retry_after = retry_after.filter_map(|(_, value)| value.parse().ok()).next();
        let answer = Answer::new(answer.status(), answer.body().clone())
            .with_retry_after(retry_after.map(Duration::from_secs));
        let had_room = polling.session.room().is_some();
        polling.session.handle_answer(now, asked, answer);
        if !had_room && polling.session.room().is_some() {
            self.deliveries.push_back((id, Delivery::Ready));
        }
        self.drive(now, id);
    }

    /// Sends a request, over a new connection if there is none.
    fn ask(&mut self, now: Instant, id: ConnectionId, exchange: &longpoll::Exchange) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(line) = self.clients.get_mut(connection.client.0) else { return };
        let Some(polling) = &mut connection.polling else { return };
        let asked = exchange.id();
        if !polling.is_connected {
            match line.connectivity {
                Connectivity::Online => {}
                Connectivity::Offline => {
                    let refused = Unanswered::NotRead(CloseCause::io("connection refused"));
                    return self.fail(now, id, asked, refused);
                }
                Connectivity::Silent => return,
            }
        }
        polling.under_way.insert(asked, None);
        let refusal = match exchange.kind() {
            ExchangeKind::Create => line.refusals.pop_front(),
            _ => None,
        };
        let cargo = match refusal {
            Some(refusal) => Packet::Answer(asked, refusal.into()),
            None => {
                let request = HttpRequest::new(exchange.method(), exchange.target())
                    .with_body(exchange.body().clone());
                let request = exchange
                    .headers()
                    .fold(request, |request, (name, value)| request.with_header(name, value));
                Packet::Request(asked, request)
            }
        };
        self.depart(now, id, cargo);
    }

    fn fail(
        &mut self,
        now: Instant,
        id: ConnectionId,
        asked: longpoll::ExchangeId,
        why: Unanswered,
    ) {
        if let Some(polling) = self.connections.get_mut(&id).and_then(|it| it.polling.as_mut()) {
            polling.session.handle_unanswered(now, asked, why);
        }
    }

    /// The server notices that a request's connection has ended.
    pub(super) fn abandon_exchange(&mut self, now: Instant, exchange: Option<ExchangeId>) {
        let Some(exchange) = exchange else { return };
        if self.exchanges.remove(&exchange).is_some() {
            self.server.handle_abandoned(now, exchange);
        }
    }

    /// Ends what the network does for a session that is forgotten.
    pub(super) fn forget_session(&mut self, now: Instant, id: ConnectionId, polling: Polling) {
        if let Some(at) = polling.deadline {
            self.session_deadlines.remove(&(at, id));
        }
        for arrived in polling.under_way.into_values() {
            self.abandon_exchange(now, arrived);
        }
    }

    fn set_deadline(&mut self, id: ConnectionId) {
        let Some(polling) = self.connections.get_mut(&id).and_then(|it| it.polling.as_mut()) else {
            return;
        };
        let next = polling.session.poll_timeout();
        let old = std::mem::replace(&mut polling.deadline, next);
        if old != next {
            old.map(|at| self.session_deadlines.remove(&(at, id)));
            next.map(|at| self.session_deadlines.insert((at, id)));
        }
    }

    /// A client remembers where its server reads tokens.
    fn remember_place(&mut self, id: ConnectionId, client: ClientId) {
        let Some(polling) = self.connections.get(&id).and_then(|it| it.polling.as_ref()) else {
            return;
        };
        let place = polling.session.token_place();
        self.line(client).token_place = place;
    }

    /// Gives a session a frame, which leaves with the next [flush](Self::flush).
    pub(super) fn send_over_session(polling: &mut Polling, frame: Frame) {
        // A frame without room is one that its driver sent unasked: lost, as over a connection that has ended.
        let _ = polling.session.send(frame);
    }
}
