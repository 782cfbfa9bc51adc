//! Calls of the recorded client's user, made by the core's user at the same moment.
//!
//! Only users' calls are made here. Rejoins, reconnects and heartbeats must come from the core's own schedule.

use std::collections::VecDeque;

use phx_proto::{CallError, ChannelId, ChannelState, CloseCode, Frame, Params, Payload, RequestId};

use crate::Check;
use crate::client::{Awaited, Call, Channel, Client, show};
use crate::reported::{CallKind, Done, Reported};
use crate::table::{LeftOut, Refused, Rule};
use crate::wire::Parts;

impl Client {
    /// The recorded client sent its `number`th frame.
    pub(crate) fn client_frame(&mut self, number: usize, frame: &Frame) -> Check {
        match self.settings.left_out(number) {
            Some(LeftOut::NoCall) => return Ok(()),
            Some(LeftOut::Refused(reason)) => return self.refused(frame, reason),
            None => {
                let sends = if self.settings.early {
                    true
                } else {
                    self.issue(&Parts::of_client(frame)?)
                        .map_err(|why| format!("{why}\n  for {}", show(frame)))?
                };
                if sends {
                    self.expected.push_back((self.now, frame.clone()));
                } else {
                    self.frames_ruled_out += 1;
                }
            }
        }
        self.drain()
    }

    /// Makes the user's call; `false` if it sends nothing.
    pub(crate) fn issue(&mut self, frame: &Parts) -> Check<bool> {
        match (frame.topic.as_str(), frame.event.as_str()) {
            ("phoenix", "heartbeat") => {
                if self.settings.heartbeat().is_none() {
                    self.socket.ping(self.now).map_err(|error| error.to_string())?;
                }
                self.await_reply(frame, Awaited::Heartbeat);
                Ok(true)
            }
            (_, "phx_join") => self.join(frame).map(|()| true),
            (_, "phx_leave") => self.leave(frame),
            _ => self.push(frame).map(|()| true),
        }
    }

    fn join(&mut self, frame: &Parts) -> Check {
        let index = match self.live(&frame.topic) {
            Some(index) => index,
            None => {
                let id = self
                    .socket
                    .channel(frame.topic.as_str(), self.params_of(frame))
                    .map_err(|error| error.to_string())?;
                self.add_channel(id, &frame.topic)
            }
        };
        let state = self.channel(index)?.state;
        let index = match state {
            ChannelState::Joined if self.settings.allows(Rule::Deviation18) => {
                self.replace_unasked(index, frame)?
            }
            ChannelState::Joined => return Err("a rejoin of a channel that is joined".to_owned()),
            _ => index,
        };
        if !self.settings.fresh_params {
            self.params.get_mut(&frame.topic).and_then(VecDeque::pop_front);
        }
        // A channel that was joined before rejoins by itself: only the frame is expected.
        if self.channel(index)?.state == ChannelState::New {
            let id = self.channel(index)?.id;
            let call = self.socket.join(self.now, id, None).map_err(|error| error.to_string())?;
            self.add_call(call, CallKind::Join);
            self.channel(index)?.join_call = Some(call);
        }
        self.await_reply(frame, Awaited::Join(index));
        let channel = self.channel(index)?;
        channel.state = ChannelState::Joining;
        // V1 has no join_ref; the join's ref is what it would be.
        channel.join_ref = frame.reference.clone();
        Ok(())
    }

    /// The recorded client joins a topic that it has joined already. Deviation 18: the core refuses
    /// that and names the owner; asked to replace it, it leaves first.
    fn replace_unasked(&mut self, index: usize, frame: &Parts) -> Check<usize> {
        let owner = self.channel(index)?.id;
        let refused = self.socket.channel(frame.topic.as_str(), self.params_of(frame));
        if !matches!(refused, Err(CallError::TopicTaken { owner: o, .. }) if o == owner) {
            return Err(format!("a second channel of one topic: {refused:?}"));
        }
        let new = self.replace(index, self.params_of(frame))?;
        self.take_outputs()?;
        let (_, leave, _) = self.sent.pop_front().ok_or("replacing a channel leaves it first")?;
        let leave = Parts::of_client(&leave)?;
        let old = self.channel(index)?.join_ref.clone().unwrap_or_default();
        if leave.event != "phx_leave" || leave.join_ref != Some(self.refs.core(&old)) {
            return Err(format!("replacing a channel sent {leave:?}"));
        }
        Ok(new)
    }

    fn replace(&mut self, index: usize, params: Params) -> Check<usize> {
        let topic = self.channel(index)?.topic.clone();
        let id = self
            .socket
            .replace(self.now, topic.as_str(), params)
            .map_err(|error| error.to_string())?;
        self.channel(index)?.state = ChannelState::Leaving;
        self.rules.insert(Rule::Deviation18);
        Ok(self.add_channel(id, &topic))
    }

    fn leave(&mut self, frame: &Parts) -> Check<bool> {
        let index = match self.live(&frame.topic) {
            Some(index) => index,
            None => {
                let id = self
                    .socket
                    .channel(frame.topic.as_str(), Payload::empty())
                    .map_err(|error| error.to_string())?;
                self.add_channel(id, &frame.topic)
            }
        };
        let known_to_server =
            matches!(self.channel(index)?.state, ChannelState::Joined | ChannelState::Joining);
        if known_to_server && self.settings.allows(Rule::Deviation18) {
            let next = self.params.get(&frame.topic).and_then(VecDeque::front).cloned();
            self.replace(index, next.ok_or("replaced by no other join")?.into())?;
            self.await_reply(frame, Awaited::Leave(index));
            return Ok(true);
        }
        let id = self.channel(index)?.id;
        let call = self.socket.leave(self.now, id, None).map_err(|error| error.to_string())?;
        self.add_call(call, CallKind::Leave);
        if known_to_server {
            self.channel(index)?.state = ChannelState::Leaving;
            self.await_reply(frame, Awaited::Leave(index));
            return Ok(true);
        }
        self.rules.insert(Rule::NothingToLeave);
        self.channel(index)?.state = ChannelState::Closed;
        self.take_outputs()?;
        let left = Reported::Done { call: CallKind::Leave, outcome: Done::Left };
        if !self.fresh.contains(&left) {
            return Err("the leave isn't done at once".to_owned());
        }
        self.expect_reported(&[Reported::ChannelClosed {
            topic: frame.topic.clone(),
            by_server: None,
        }])?;
        Ok(false)
    }

    fn push(&mut self, frame: &Parts) -> Check {
        let index = self.live(&frame.topic).ok_or("a push to a topic that isn't joined")?;
        let id = self.channel(index)?.id;
        let timeout = self.settings.timeout(&frame.event);
        let call = self
            .socket
            .push(self.now, id, frame.event.as_str(), frame.payload.clone(), timeout)
            .map_err(|error| error.to_string())?;
        self.add_call(call, CallKind::Push);
        self.await_reply(frame, Awaited::Push(call));
        Ok(())
    }

    /// The recorded client made a push that the core refuses: nothing is sent or reported, and topic, event and payload
    /// are returned.
    fn refused(&mut self, frame: &Frame, reason: Refused) -> Check {
        let Parts { topic, event, payload, .. } = Parts::of_client(frame)?;
        let index = match self.live(&topic) {
            Some(index) => index,
            None => {
                let id = self
                    .socket
                    .channel(topic.as_str(), Payload::empty())
                    .map_err(|error| error.to_string())?;
                self.add_channel(id, &topic)
            }
        };
        let id = self.channel(index)?.id;
        match self.socket.push(self.now, id, event.as_str(), payload.clone(), None) {
            Err(error)
                if reason.is(&error.reason)
                    && *error.event == *event
                    && error.payload == payload => {}
            other => return Err(format!("instead of refusing {}: {other:?}", show(frame))),
        }
        self.drain()?;
        self.expect_reported(&[])
    }

    /// The recorded client closed the connection; `echo` is the answer to the server's close, which
    /// the WebSocket library sends.
    pub(crate) fn client_close(&mut self, conn: u32, code: u16, reason: &str, echo: bool) -> Check {
        if echo {
            return Ok(());
        }
        // 1005 says that the frame held no code. The core always sends one.
        let code = if code == 1005 { 1000 } else { code };
        let connection_ends = self.connection_ends();
        self.socket
            .disconnect(self.now, CloseCode::from_u16(code), reason)
            .map_err(|error| error.to_string())?;
        self.disconnected = true;
        self.drain()?;
        self.expect_reported(&connection_ends)?;
        self.expect_states()?;
        self.expect_no_push_waits()?;
        let transport = *self.transports.get(&conn).ok_or("a close of no connection")?;
        match self.closes.pop_front() {
            Some((t, c, r)) if (t, c, r.as_str()) == (transport, code, reason) => Ok(()),
            other => Err(format!("close {code} {reason:?} recorded, the core's: {other:?}")),
        }
    }

    fn params_of(&self, join: &Parts) -> Params {
        if self.settings.fresh_params { Params::OnRequest } else { join.payload.clone().into() }
    }

    fn await_reply(&mut self, frame: &Parts, awaited: Awaited) {
        if let Some(reference) = &frame.reference {
            self.awaited.insert(reference.clone(), awaited);
        }
    }

    fn add_call(&mut self, push: RequestId, kind: CallKind) {
        self.calls.insert(push, Call { kind, done: false });
    }

    fn add_channel(&mut self, id: ChannelId, topic: &str) -> usize {
        self.channels.push(Channel {
            id,
            topic: topic.to_owned(),
            join_ref: None,
            state: ChannelState::New,
            was_joined: false,
            join_call: None,
        });
        self.channels.len() - 1
    }

    /// Returns the channel that has the topic.
    pub(crate) fn live(&self, topic: &str) -> Option<usize> {
        self.channels.iter().rposition(|channel| {
            channel.topic == topic
                && !matches!(channel.state, ChannelState::Leaving | ChannelState::Closed)
        })
    }

    pub(crate) fn channel(&mut self, index: usize) -> Check<&mut Channel> {
        self.channels.get_mut(index).ok_or_else(|| format!("no channel {index}"))
    }
}
