//! Supabase Realtime: a project's connection and channels, and records of broadcasts.

use std::convert::identity;

use clap::Args;
use phx_supabase::{Broadcast, ChannelBuilder, Client, ConnectError, USER_BROADCAST};
use phx_tokio::{ByteString, Channel, ChannelState, Payload, Socket, SocketBuilder};
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::connect::{Connect, parsed};
use crate::failure::Failure;
use crate::record::{Kind, Record};
use crate::session::{JoinParams, channel};
use crate::value;

/// Prefix of the topics of all channels.
const TOPIC: &str = "realtime:";

/// Options of a Supabase project, and the connection that they or their absence mean.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Supabase")]
pub(crate) struct Supabase {
    /// Key of the Supabase project at the URL, which must be https unless it is on this machine. Its heartbeats,
    /// params of joins and rejoins are those of Supabase. `@FILE` keeps the key out of the list of processes.
    #[arg(long, value_name = "KEY", value_parser = value::text, conflicts_with_all = ["heartbeat_interval", "rejoin_closed", "transport"])]
    supabase: Option<String>,

    /// Access token of a user of the project, instead of the key's rights. `@FILE` keeps it out of the list of
    /// processes.
    #[arg(long, value_name = "TOKEN", requires = "supabase", value_parser = value::text)]
    access_token: Option<String>,

    /// Join private channels.
    #[arg(long, requires = "supabase")]
    private: bool,
}

impl Supabase {
    /// Returns the topic that an argument means.
    pub(crate) fn topic(&self, argument: &str) -> String {
        match self.supabase {
            Some(_) => topic(argument),
            None => argument.to_owned(),
        }
    }

    /// Returns the params, unless there are some and a project makes its own.
    pub(crate) fn params(&self, params: JoinParams) -> Result<JoinParams, Failure> {
        match self.supabase.is_some() && params.is_given() {
            true => Err(Failure::usage("params of a join cannot be used with --supabase")),
            false => Ok(params),
        }
    }

    /// Returns the event and the payload that a push of these sends: in a project a broadcast.
    pub(crate) fn pushed(
        &self,
        event: &str,
        payload: Payload,
    ) -> Result<(ByteString, Payload), Failure> {
        if self.supabase.is_none() {
            return Ok((event.into(), payload));
        }
        let payload = Broadcast::new(event, payload).to_payload();
        Ok((USER_BROADCAST, payload.map_err(|error| Failure::usage(error.to_string()))?))
    }

    /// Returns the function for the records of messages: in a project of the broadcasts that they hold.
    pub(crate) fn read(&self) -> fn(Record) -> Record {
        if self.supabase.is_some() { broadcast } else { identity }
    }

    /// Connects to the socket or the project at `url`. `watched` adds hooks.
    pub(crate) async fn open(
        &self,
        url: &str,
        connect: &Connect,
        warn_of: impl Fn(&str) + Clone + Send + Sync + 'static,
        watched: impl FnOnce(SocketBuilder) -> SocketBuilder,
    ) -> Result<Connection, Failure> {
        let Some(key) = &self.supabase else {
            let socket = connect.open(watched(connect.builder(url, warn_of)?)).await?;
            return Ok(Connection { socket, project: None });
        };
        let settings = connect.settings(&parsed(url)?)?;
        let mut builder = Client::builder(url, key);
        if let Some(token) = &self.access_token {
            builder = builder.access_token(token);
        }
        if connect.is_v1() {
            builder = builder.v1();
        }
        let client =
            builder.spawn(|endpoint| watched(connect.builder_to(endpoint, settings, warn_of)));
        let client = client.map_err(|error| match error {
            ConnectError::Socket(error) => error.into(),
            other => Failure::usage(other.to_string()),
        })?;
        connect.opened(client.socket()).await?;
        let socket = client.socket().clone();
        let project = Project { client, private: self.private, channels: Vec::new() };
        Ok(Connection { socket, project: Some(project) })
    }
}

/// Connection of a command.
pub(crate) struct Connection {
    socket: Socket,
    project: Option<Project>,
}

struct Project {
    client: Client,
    private: bool,
    /// Keeps the channels' settings, of which their joins are made.
    channels: Vec<phx_supabase::Channel>,
}

impl Connection {
    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Makes a channel that isn't joined yet; with `replace` it takes the topic from another one.
    pub(crate) fn channel(
        &mut self,
        topic: &str,
        params: JoinParams,
        replace: bool,
    ) -> Result<Channel, Failure> {
        self.channel_with(topic, params, replace, identity)
    }

    /// As [`channel`](Self::channel), with presence in a project's channel.
    pub(crate) fn channel_with_presence(
        &mut self,
        topic: &str,
        params: JoinParams,
    ) -> Result<Channel, Failure> {
        // The server makes the key.
        self.channel_with(topic, params, false, |builder| builder.presence_key(""))
    }

    fn channel_with(
        &mut self,
        topic: &str,
        params: JoinParams,
        replace: bool,
        settle: impl FnOnce(ChannelBuilder) -> ChannelBuilder,
    ) -> Result<Channel, Failure> {
        let Some(project) = &mut self.project else {
            return channel(&self.socket, topic, params, replace);
        };
        if replace {
            return Err(Failure::usage("with --supabase leave a channel before joining it again"));
        }
        let builder = project.client.channel(channel_name(topic)).private(project.private);
        let channel = settle(builder.ack(true)).create();
        let channel = channel.map_err(|error| Failure::usage(error.to_string()))?;
        let client_channel = channel.as_channel().clone();
        project.channels.retain(|it| it.as_channel().state() != ChannelState::Closed);
        project.channels.push(channel);
        Ok(client_channel)
    }
}

/// Returns the topic of the channel with this name, which may be its topic.
pub(crate) fn topic(name: &str) -> String {
    format!("{TOPIC}{}", channel_name(name))
}

/// Returns the topics that the kit's server has for a channel: those of its public and its private room.
pub(crate) fn rooms(name: &str) -> [String; 2] {
    [topic(name), format!("realtime-private:{}", channel_name(name))]
}

fn channel_name(name: &str) -> &str {
    name.strip_prefix(TOPIC).unwrap_or(name)
}

/// Returns the record of a broadcast, if this record is one of a message that holds it.
fn broadcast(record: Record) -> Record {
    let (Kind::Message, Some(event), Some(payload)) = (record.kind, &record.event, &record.payload)
    else {
        return record;
    };
    if *event != USER_BROADCAST && &**event != "broadcast" {
        return record;
    }
    let Some(broadcast) = Broadcast::read(payload) else { return record };
    match checked_meta(&broadcast) {
        Some(meta) => record.event(&broadcast.event).payload(&broadcast.payload).more("meta", meta),
        None => {
            let record = Record { payload: None, kind: Kind::Malformed, ..record };
            let detail = "the payload or the metadata of a broadcast isn't JSON";
            record.event(&broadcast.event).detail(detail).more("count", 1)
        }
    }
}

/// Returns the metadata, `null` without any; `None` if it or the payload isn't JSON, which is unchecked in a frame of
/// kind 4.
fn checked_meta(broadcast: &Broadcast) -> Option<Value> {
    if !broadcast.payload.is_binary() {
        broadcast.payload.decode::<IgnoredAny>().ok()?;
    }
    broadcast.meta.as_ref().map_or(Some(Value::Null), |meta| meta.decode().ok())
}
