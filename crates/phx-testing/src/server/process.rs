//! A channel's process: it runs the callbacks of one life of a channel, one at a time.

use std::sync::Arc;

use phx_proto::{Instant, Message, Payload, Status};

use super::action::SocketId;
use super::connect::Connection;
use super::envelope::{ChannelMessage, Envelope, ProcessId, SocketMessage};
use super::pubsub::Subscriber;
use super::{Server, World};
use crate::context::{Callback, Done, Incarnation};
use crate::{Channel, Context, Handled, Reason, SocketRef};

pub(super) struct Process {
    pub(super) life: Incarnation,
    channel: Box<dyn Channel>,
    busy_until: Instant,
}

/// The result of a join.
pub(super) struct Started {
    /// Time at which the join finished.
    pub(super) at: Instant,
    /// None if it failed.
    pub(super) process: Option<Process>,
    /// True if the callback crashed, or its reply couldn't be encoded.
    pub(super) crashed: bool,
    /// The reply, and what follows it.
    pub(super) mail: Vec<(Instant, Envelope)>,
}

impl Process {
    pub(super) fn start(
        process: ProcessId,
        socket: SocketId,
        connection: Arc<Connection>,
        mut channel: Box<dyn Channel>,
        join: Message,
        world: &mut World,
    ) -> Started {
        let server_topic = channel.server_topic(&join.topic, &join.payload);
        let life = Incarnation {
            process,
            socket,
            connection,
            server_topic: server_topic.unwrap_or_else(|| join.topic.clone()),
            topic: join.topic,
            join_ref: join.join_ref,
        };
        let mut ctx = Context::new(world, &life, Callback::Join, join.reference.clone());
        let result = channel.join(&mut ctx, join.payload);
        let Done { at, late, after_reply, withheld, crashed } = ctx.done();

        let (status, response) = match result {
            _ if crashed => (Status::Error, join_crashed()),
            Ok(response) => (Status::Ok, response),
            Err(reason) => (Status::Error, reason),
        };
        let joined = status == Status::Ok;
        let reply = Message::reply(life.topic.clone(), join.reference, status, response)
            .with_join_ref(life.join_ref.clone());
        let encoded = life.serializer().encode(&reply);
        let crashed = crashed || encoded.is_err();
        let (joined, frame) = match encoded {
            Ok(frame) => (joined, Some(frame)),
            Err(_) => {
                let mut reply = reply;
                reply.status = Some(Status::Error);
                reply.payload = join_crashed();
                (false, life.serializer().encode(&reply).ok())
            }
        };
        let mut mail: Vec<_> = frame
            .filter(|_| !withheld)
            .map(|frame| (at, Envelope::Socket(socket, SocketMessage::JoinReply(frame))))
            .into_iter()
            .collect();
        if joined {
            mail.push((at, Envelope::Channel(process, ChannelMessage::Subscribe)));
            mail.extend(late);
        } else if let Some(diff) = world.presence.remove(&life.server_topic, process) {
            mail.extend(world.diff_mail(at, &life.server_topic, &diff));
        }
        mail.extend(after_reply);
        let process = joined.then_some(Process { life, channel, busy_until: at });
        Started { at, process, crashed, mail }
    }

    fn handle(
        &mut self,
        world: &mut World,
        mail: ChannelMessage,
    ) -> (Option<SocketRef>, Handled, Done) {
        match mail {
            ChannelMessage::Push(push) => {
                let reference = push.reference.clone();
                let to = SocketRef::new(self.life.clone(), reference.clone());
                let mut ctx = Context::new(world, &self.life, Callback::HandleIn, reference);
                let handled = self.channel.handle_in(&mut ctx, &push.event, push.payload);
                (Some(to), handled, ctx.done())
            }
            ChannelMessage::Info(message) => {
                let mut ctx = Context::new(world, &self.life, Callback::HandleInfo, None);
                let handled = self.channel.handle_info(&mut ctx, message);
                (None, handled, ctx.done())
            }
            ChannelMessage::Leave { reference } => {
                let to = SocketRef::new(self.life.clone(), reference);
                let done = Context::new(world, &self.life, Callback::HandleIn, None).done();
                (Some(to), Handled::StopReply(Status::Ok, Payload::empty()), done)
            }
            ChannelMessage::Crash => {
                let done = Context::new(world, &self.life, Callback::HandleIn, None).done();
                (None, Handled::Crash, done)
            }
            ChannelMessage::Subscribe => {
                let life = &self.life;
                let subscriber = Subscriber {
                    process: life.process,
                    socket: life.socket,
                    topic: life.topic.clone(),
                    serializer: Arc::clone(life.serializer()),
                };
                world.pubsub.subscribe(&life.server_topic, subscriber);
                let done = Context::new(world, life, Callback::HandleInfo, None).done();
                (None, Handled::NoReply, done)
            }
        }
    }
}

impl Server {
    pub(super) fn deliver_to_channel(&mut self, id: ProcessId, mail: ChannelMessage) {
        let Some(process) = self.channels.get_mut(&id) else {
            return;
        };
        if process.busy_until > self.world.now() {
            self.world.defer(process.busy_until, Envelope::Channel(id, mail));
            return;
        }
        let left = matches!(mail, ChannelMessage::Leave { .. });
        let event = match &mail {
            ChannelMessage::Push(push) => Some(push.event.clone()),
            _ => None,
        };
        let (to, handled, done) = process.handle(&mut self.world, mail);
        process.busy_until = done.at;
        let topic = process.life.topic.clone();
        let (reply, reason) = match handled {
            _ if done.crashed => (None, Some(Reason::Crashed)),
            Handled::NoReply => (None, None),
            Handled::Stop => (None, Some(Reason::Stopped)),
            Handled::Crash => (None, Some(Reason::Crashed)),
            Handled::Reply(status, response) => (Some((status, response)), None),
            Handled::StopReply(status, response) => {
                let reason = if left { Reason::Left } else { Reason::Stopped };
                (Some((status, response)), Some(reason))
            }
        };
        let replied = match (reply, to) {
            (None, _) => true,
            (Some((status, response)), Some(to)) => {
                to.post(&mut self.world, done.at, status, response).is_ok()
            }
            (Some(_), None) => false,
        };
        self.world.post_all(done.late);
        let reason = if replied { reason } else { Some(Reason::Crashed) };
        if let Some(reason) = reason {
            if reason == Reason::Crashed {
                self.app.report_crash(&topic, event);
            }
            let mail = self.end_channel(id, reason);
            self.world.post_all(mail);
        }
    }

    /// Ends a process: the envelopes notify its socket, and subscribers that its presences left.
    #[must_use]
    pub(super) fn end_channel(
        &mut self,
        id: ProcessId,
        reason: Reason,
    ) -> Vec<(Instant, Envelope)> {
        let Some(mut process) = self.channels.remove(&id) else {
            return Vec::new();
        };
        // A join in its place kills a process that sleeps; all else waits until it wakes.
        let start = match reason {
            Reason::Duplicate => self.world.now(),
            _ => process.busy_until.max(self.world.now()),
        };
        let mut ctx = Context::new(&mut self.world, &process.life, Callback::Terminate, None);
        ctx.sleep(start.saturating_duration_since(ctx.now()));
        process.channel.terminate(&mut ctx, reason);
        let at = ctx.done().at;

        let Incarnation { process: id, socket, topic, server_topic, join_ref, .. } = &process.life;
        self.world.pubsub.unsubscribe(server_topic, *id);
        let ended = SocketMessage::Ended {
            process: *id,
            topic: topic.clone(),
            join_ref: join_ref.clone(),
            crashed: reason == Reason::Crashed,
        };
        let mut mail = vec![(at, Envelope::Socket(*socket, ended))];
        if let Some(diff) = self.world.presence.remove(server_topic, *id) {
            mail.extend(self.world.diff_mail(at, server_topic, &diff));
        }
        mail
    }
}

fn join_crashed() -> Payload {
    Payload::from_json_text(r#"{"reason":"join crashed"}"#).unwrap_or_default()
}
