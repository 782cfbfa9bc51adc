//! The server's side of a recording, passed to the core, and the reports that it requires.

use phx_proto::{ChannelState, CloseCause, CloseCode, ConnectionState, Frame, TransportId};

use crate::Check;
use crate::client::{Attempt, Awaited, Client, TOLERANCE, show};
use crate::reported::{CallKind, Done, Reported};
use crate::wire::{Content, Parts};

impl Client {
    /// The server accepted the upgrade.
    pub(crate) fn opened(&mut self, conn: u32) -> Check {
        let transport = self.attempt(conn)?;
        self.tries = 0;
        self.socket.handle_opened(self.now, transport);
        self.drain()?;
        self.expect_reported(&[Reported::Opened])
    }

    /// The upgrade was refused, or the connection couldn't be made.
    pub(crate) fn not_opened(&mut self, conn: u32, cause: CloseCause) -> Check {
        let transport = self.attempt(conn)?;
        self.socket.handle_closed(self.now, transport, cause);
        self.drain()?;
        let retry_in = Some(self.settings.reconnect());
        self.expect_reported(&[Reported::Closed { was_open: false, code: 1006, retry_in }])
    }

    /// The core's attempt to connect that this recorded connection answers. The user asked for the
    /// first one only.
    fn attempt(&mut self, conn: u32) -> Check<TransportId> {
        if self.transports.is_empty() {
            self.socket.connect(self.now);
            self.take_outputs()?;
        } else {
            self.tries += 1;
        }
        let attempt = self.attempts.pop_front();
        let Attempt { transport, at, number } =
            attempt.ok_or("the core doesn't connect by itself")?;
        if at + TOLERANCE < self.now {
            return Err(format!("the core connected at {at:?}, {:?} was recorded", self.now));
        }
        if number != self.tries + 1 {
            return Err(format!("attempt {number} after {} tries", self.tries));
        }
        self.transports.insert(conn, transport);
        Ok(transport)
    }

    /// The server sent a frame.
    pub(crate) fn server_frame(&mut self, conn: u32, frame: &Frame) -> Check {
        self.drain()?;
        let transport = *self.transports.get(&conn).ok_or("a frame of no connection")?;
        let recorded = Parts::of_server(frame);
        let expected = if self.socket.is_connected() && !self.disconnected {
            self.consequences(recorded)?
        } else {
            // The transport is closed.
            Vec::new()
        };
        self.socket.handle_frame(self.now, transport, self.refs.rewrite(frame)?);
        self.drain()?;
        self.expect_reported(&expected)
            .and_then(|()| self.expect_states())
            .map_err(|why| format!("{why}\n  after {}", show(frame)))
    }

    /// Returns the reports that a frame requires, by the rules of the protocol.
    fn consequences(&mut self, frame: Option<Parts>) -> Check<Vec<Reported>> {
        let Some(frame) = frame else { return Ok(vec![Reported::Malformed]) };
        let Parts { join_ref, reference, topic, event, status, payload } = frame;
        let payload = Content::of(&payload)?;
        if let Some(status) = status {
            let Some(awaited) = reference.as_ref().and_then(|it| self.awaited.remove(it)) else {
                return Ok(Vec::new());
            };
            let outcome = Done::Reply { status, response: payload };
            return self.answer(awaited, outcome, reference.as_deref());
        }
        let retry_in = Some(self.settings.rejoin());
        // V1 and broadcasts have no join ref: they belong to the topic.
        let index = match &join_ref {
            Some(_) => self.channels.iter().position(|it| it.join_ref == join_ref),
            None => self.channels.iter().rposition(|it| it.topic == topic),
        };
        let Some(index) = index else { return Ok(Vec::new()) };
        let channel = self.channel(index)?;
        Ok(match (event.as_str(), channel.state) {
            ("phx_close", ChannelState::Leaving) => {
                channel.state = ChannelState::Closed;
                vec![Reported::ChannelClosed { topic, by_server: None }]
            }
            ("phx_close", ChannelState::Joined) => {
                channel.state = ChannelState::Closed;
                vec![Reported::ChannelClosed { topic, by_server: Some(payload) }]
            }
            ("phx_error", ChannelState::Joined) => {
                channel.state = ChannelState::Errored;
                vec![Reported::Errored { topic, crash: Some(payload), retry_in }]
            }
            ("phx_close" | "phx_error", _) => Vec::new(),
            (_, ChannelState::Joined) => vec![Reported::Message { topic, event, payload }],
            _ => Vec::new(),
        })
    }

    fn answer(
        &mut self,
        awaited: Awaited,
        outcome: Done,
        reference: Option<&str>,
    ) -> Check<Vec<Reported>> {
        let Done::Reply { status, response } = outcome.clone() else {
            return Err("not a reply".to_owned());
        };
        let retry_in = Some(self.settings.rejoin());
        match awaited {
            Awaited::Heartbeat => Ok(vec![Reported::Alive]),
            Awaited::Push(push) => {
                // A reply that comes after the timeout is ignored.
                let late = self.calls.get(&push).is_none_or(|call| call.done);
                let reported = Reported::Done { call: CallKind::Push, outcome };
                Ok(if late { Vec::new() } else { vec![reported] })
            }
            Awaited::Leave(index) => {
                let channel = self.channel(index)?;
                if channel.state != ChannelState::Leaving {
                    return Ok(Vec::new());
                }
                channel.state = ChannelState::Closed;
                let topic = channel.topic.clone();
                Ok(vec![Reported::ChannelClosed { topic, by_server: None }])
            }
            Awaited::Join(index) => {
                let channel = self.channel(index)?;
                if channel.join_ref.as_deref() != reference
                    || channel.state != ChannelState::Joining
                {
                    return Ok(Vec::new());
                }
                let (topic, call) = (channel.topic.clone(), channel.join_call);
                // Of a crash the call of `join` isn't notified: another attempt may succeed in time.
                let crashed = response == Content::parse(r#"{"reason":"join crashed"}"#)?;
                let mut reported = if status == "ok" {
                    channel.state = ChannelState::Joined;
                    let rejoined = std::mem::replace(&mut channel.was_joined, true);
                    vec![Reported::Joined { topic, response, rejoined }]
                } else {
                    channel.state = ChannelState::Errored;
                    vec![Reported::Rejected { topic, response, retry_in }]
                };
                let waits = call.and_then(|call| self.calls.get(&call)).is_some_and(|it| !it.done);
                if waits && !crashed {
                    reported.push(Reported::Done { call: CallKind::Join, outcome });
                }
                Ok(reported)
            }
        }
    }

    /// The connection ended: by the server's close frame, by its answer to the client's, or by neither (1006).
    pub(crate) fn server_close(&mut self, conn: u32, code: u16, reason: &str) -> Check {
        let transport = *self.transports.get(&conn).ok_or("a close of no connection")?;
        let mut expected = Vec::new();
        match self.socket.connection_state() {
            // The answer to the user's disconnect.
            ConnectionState::Closing => {
                expected.push(Reported::Closed { was_open: true, code: 1000, retry_in: None });
            }
            ConnectionState::Open => {
                expected = self.connection_ends();
                let retry_in = Some(self.settings.reconnect());
                expected.push(Reported::Closed { was_open: true, code, retry_in });
            }
            // A late report about a connection that never opened.
            _ => {}
        }
        let cause = match code {
            1006 => CloseCause::io(reason),
            code => CloseCause::frame(CloseCode::from_u16(code), reason),
        };
        self.socket.handle_closed(self.now, transport, cause);
        self.drain()?;
        self.expect_reported(&expected)?;
        self.expect_states()?;
        self.expect_no_push_waits()?;
        let state = self.socket.connection_state();
        let wanted = match self.disconnected {
            true => state == ConnectionState::Closed,
            false => matches!(state, ConnectionState::Waiting | ConnectionState::Connecting),
        };
        if wanted { Ok(()) } else { Err(format!("{state:?} after close {code}")) }
    }

    /// Returns the reports of every channel at the end of its connection, in the order of the channels.
    pub(crate) fn connection_ends(&mut self) -> Vec<Reported> {
        let mut reported = Vec::new();
        for channel in &mut self.channels {
            let topic = channel.topic.clone();
            match channel.state {
                ChannelState::Joined => {
                    reported.push(Reported::Errored { topic, crash: None, retry_in: None });
                }
                ChannelState::Joining => reported.push(Reported::JoinCut { topic }),
                ChannelState::Leaving => {
                    channel.state = ChannelState::Closed;
                    reported.push(Reported::ChannelClosed { topic, by_server: None });
                    continue;
                }
                _ => continue,
            }
            channel.state = ChannelState::Errored;
        }
        reported
    }

    /// Deviation 7: pushes sent on a connection fail at once when it ends.
    pub(crate) fn expect_no_push_waits(&self) -> Check {
        let waiting = self.calls.values().any(|call| call.kind == CallKind::Push && !call.done);
        if waiting { Err("a push waits for a reply that can't come".to_owned()) } else { Ok(()) }
    }
}
