//! Actions of users.

use std::time::Duration;

use phx_proto::{CallError, ChannelId, CloseCode, Params, RequestId};

use super::channels::{Call, CallKind, Channel, topic};
use super::plan::{MAX_PUSHES, Op, Push};
use super::violation::Rule;
use super::world::{Owner, World};
use crate::ledger::numbered::Numbered;

impl World {
    /// Performs a user's operation. While the machine sleeps, the program does nothing.
    pub(super) fn act_as_user(&mut self, client: usize, op: &Op) {
        if self.clients[client].suspended_since.is_some() {
            return;
        }
        match op {
            Op::Connect => {
                self.clients[client].wants_connection = true;
                self.with(client, |socket, now| socket.connect(now));
            }
            Op::Disconnect => self.disconnect(client),
            Op::ReconnectNow => {
                self.with(client, |socket, now| socket.reconnect_now(now));
            }
            Op::Ping => {
                if let Ok(ping) = self.with(client, |socket, now| socket.ping(now)) {
                    self.clients[client].pings.insert(ping);
                    self.clients[client].pulse.pings += 1;
                }
            }
            Op::Join { room, timeout } => self.join(client, *room, *timeout),
            Op::Push(push) => self.push(client, *push),
            Op::Burst { room, count } => {
                for _ in 0..*count {
                    self.push(client, Push::echo(*room));
                    self.collect();
                }
            }
            Op::Leave { room } => self.leave(client, *room),
            Op::Remove { room } => self.remove(client, *room),
            Op::Replace { room } => self.replace(client, *room),
            Op::Cancel { back } => self.cancel(client, *back),
            _ => {}
        }
    }

    pub(super) fn disconnect(&mut self, client: usize) {
        self.clients[client].wants_connection = false;
        let disconnected =
            self.with(client, |socket, now| socket.disconnect(now, CloseCode::NORMAL, ""));
        self.ensure(disconnected.is_ok(), Rule::States, || format!("{disconnected:?}"));
    }

    fn join(&mut self, client: usize, room: usize, timeout: Option<u64>) {
        let Some(channel) = self.channel_to_join(client, room) else { return };
        let timeout = timeout.map(Duration::from_millis);
        if let Ok(call) = self.with(client, |socket, now| socket.join(now, channel, timeout)) {
            self.accepted(client, call, channel, CallKind::Join, timeout);
            if let Some(channel) = self.clients[client].channels.get_mut(&channel) {
                channel.is_joining();
            }
        }
    }

    /// Returns the user's channel of the topic; a new one if that is being left, or is closed and isn't joined again.
    fn channel_to_join(&mut self, client: usize, room: usize) -> Option<ChannelId> {
        if let Some((channel, known)) = self.clients[client].channel_of(room) {
            if !known.is_closed && !known.is_left {
                return Some(channel);
            }
            if known.is_closed && self.settings.join_again && !known.is_replaced {
                return Some(channel);
            }
            if known.is_closed {
                self.remove(client, room);
            }
        }
        match self.with(client, |socket, _| socket.channel(topic(room), Params::OnRequest)) {
            Ok(channel) => {
                self.made(client, channel, room);
                Some(channel)
            }
            // Channels that are being left count until they are removed.
            Err(CallError::TooManyChannels { .. }) => {
                self.remove_closed(client);
                None
            }
            Err(error) => {
                self.violation(Rule::Limits, format!("no channel could be made: {error}"));
                None
            }
        }
    }

    fn made(&mut self, client: usize, channel: ChannelId, room: usize) {
        let client = &mut self.clients[client];
        client.current[room] = Some(channel);
        client.channels.insert(channel, Channel { room, ..Channel::default() });
    }

    pub(super) fn push(&mut self, client: usize, push: Push) {
        let Push { room, event, binary, timeout } = push;
        let Some((channel, _)) = self.clients[client].channel_of(room) else { return };
        let timeout = timeout.map(Duration::from_millis);
        let number = self.pushes + 1;
        let payload = Numbered::new(0, number).payload(binary);
        // The server receives the push within this call, and must know its owner.
        self.push_owners.insert(number, Owner { client, channel, call: None });
        let pushed = self.with(client, |socket, now| {
            socket.push(now, channel, format!("{event:?}"), payload.clone(), timeout)
        });
        self.pushes = number;
        match pushed {
            Ok(push) => {
                self.push_owners.insert(number, Owner { client, channel, call: Some(push) });
                self.accepted(client, push, channel, CallKind::Push { number }, timeout);
            }
            Err(error) => {
                self.ensure(
                    error.payload == payload,
                    Rule::Limits,
                    || "a refused push lost its payload",
                );
                if matches!(error.reason, CallError::UnknownChannel | CallError::Encode(_)) {
                    self.violation(Rule::States, format!("a push was refused: {error}"));
                }
            }
        }
    }

    fn accepted(
        &mut self,
        client: usize,
        call: RequestId,
        channel: ChannelId,
        kind: CallKind,
        timeout: Option<Duration>,
    ) {
        let called = self.now();
        let usual = Duration::from_millis(self.settings.timeout);
        let known = &mut self.clients[client];
        let new = Call {
            channel,
            kind,
            called,
            timeout: timeout.unwrap_or(usual),
            slept: known.slept(),
            is_cancelled: false,
            is_done: false,
            is_ok: false,
        };
        let open = known.open_calls();
        let twice = known.calls.insert(call, new).is_some();
        self.ensure(!twice, Rule::OneOutcome, || format!("{call:?} was given twice"));
        self.ensure(open < MAX_PUSHES, Rule::Limits, || {
            format!("{open} calls are open, and one was accepted")
        });
    }

    fn leave(&mut self, client: usize, room: usize) {
        let Some((channel, _)) = self.clients[client].channel_of(room) else { return };
        // Events of this moment come after the call, when the channel counts as left.
        if let Ok(call) = self.with(client, |socket, now| socket.leave(now, channel, None)) {
            self.accepted(client, call, channel, CallKind::Leave, None);
            if let Some(channel) = self.clients[client].channels.get_mut(&channel) {
                channel.is_wanted = false;
                channel.is_left = true;
                channel.is_joined = false;
            }
        }
    }

    pub(super) fn remove(&mut self, client: usize, room: usize) {
        let Some((channel, _)) = self.clients[client].channel_of(room) else { return };
        let known = self.with(client, |socket, now| socket.remove(now, channel));
        self.ensure(known, Rule::States, || "a channel that was never removed was unknown");
        let client = &mut self.clients[client];
        client.current[room] = None;
        if let Some(channel) = client.channels.get_mut(&channel) {
            channel.is_wanted = false;
            channel.is_joined = false;
            channel.is_left = true;
            channel.is_removed = true;
        }
    }

    fn replace(&mut self, client: usize, room: usize) {
        let replaced =
            self.with(client, |socket, now| socket.replace(now, topic(room), Params::OnRequest));
        match replaced {
            Ok(new) => {
                if let Some(old) = self.clients[client].current[room]
                    && let Some(old) = self.clients[client].channels.get_mut(&old)
                {
                    old.is_wanted = false;
                    old.is_replaced = true;
                    old.is_joined = false;
                }
                self.made(client, new, room);
                self.join(client, room, None);
            }
            // Replaced channels count until they are removed.
            Err(CallError::TooManyChannels { .. }) => self.remove_closed(client),
            Err(error) => self.violation(Rule::States, format!("a replacement failed: {error}")),
        }
    }

    pub(super) fn remove_closed(&mut self, client: usize) {
        let current = self.clients[client].current;
        let mut gone = Vec::new();
        for (channel, known) in &mut self.clients[client].channels {
            if known.is_closed && !known.is_removed && !current.contains(&Some(*channel)) {
                known.is_removed = true;
                gone.push(*channel);
            }
        }
        for channel in gone {
            self.with(client, |socket, now| socket.remove(now, channel));
        }
    }

    fn cancel(&mut self, client: usize, back: usize) {
        let Some((call, _)) = self.clients[client].calls.iter().rev().nth(back) else { return };
        let call = *call;
        let cancelled = self.with(client, |socket, _| socket.cancel(call));
        if let Some(call) = self.clients[client].calls.get_mut(&call) {
            call.is_cancelled |= cancelled;
        }
    }
}
