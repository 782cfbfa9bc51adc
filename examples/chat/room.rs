//! The room: what is said there, and who comes and goes.

use phx_tokio::{
    Channel, ConnectionState, JoinError, Messages, Presence, PresenceChange, PresenceChanges,
    PresenceItem, PushError, Socket, SocketStatus, StreamItem,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::screen::{notice, shown};

/// What people say.
#[derive(Serialize, Deserialize)]
pub(crate) struct Said {
    from: String,
    text: String,
}

/// What the server says of somebody's presence; nothing of it is needed here.
#[derive(Deserialize)]
pub(crate) struct Seen {}

/// A room that was joined, and everything that comes from it.
pub(crate) struct Room {
    pub(crate) channel: Channel,
    pub(crate) people: Presence<Seen>,
    heard: Messages<Said>,
    changes: PresenceChanges<Seen, Map<String, Value>>,
}

impl Room {
    pub(crate) async fn join(socket: &Socket, room: &str, name: &str) -> Result<Self, JoinError> {
        let channel = socket.channel(format!("room:{room}")).params(&json!({ "name": name }));
        let channel = channel.create()?;
        // Listening starts before the join, so that nothing is missed.
        let (heard, people) = (channel.on("shout"), channel.presence());
        let changes = people.changes();
        channel.join().await?;
        Ok(Room { channel, people, heard, changes })
    }

    /// Prints what happens, until the channel is closed.
    pub(crate) async fn show(mut self, mut status: SocketStatus) {
        let mut connection = Connection::default();
        let mut listed = false;
        loop {
            tokio::select! {
                biased; // The connection comes before what comes over it.
                state = status.next() => match state {
                    Some(state) => connection.show(state),
                    None => return,
                },
                item = self.heard.next() => match item {
                    Some(StreamItem::Message(said)) => {
                        println!("{}: {}", shown(&said.from), shown(&said.text));
                    }
                    Some(StreamItem::Gap) => notice("back in the room; messages may be missing here"),
                    Some(StreamItem::Lagged(count)) => notice(&format!("{count} messages lost")),
                    Some(_) => notice("somebody sent something that isn't a message"),
                    None => return,
                },
                item = self.changes.next() => match item {
                    Some(PresenceItem::Change(PresenceChange::Synced)) if !listed => {
                        listed = true;
                        notice(&who(&self.people));
                    }
                    Some(PresenceItem::Change(change)) if listed => show_change(&change),
                    Some(_) => {}
                    None => return,
                },
            }
        }
    }
}

/// Pushes a message to everybody in the room.
pub(crate) fn say(channel: &Channel, name: &str, text: &str) -> Result<(), PushError> {
    let said = Said { from: name.to_owned(), text: text.to_owned() };
    channel.push("shout", &said).detach()
}

/// Everybody's name.
pub(crate) fn who(people: &Presence<Seen>) -> String {
    let names = people.list_by(|name, _| shown(name));
    format!("here: {}", names.join(", "))
}

/// A second device of a person who is present isn't shown, nor is the end of one of two.
fn show_change<E>(change: &PresenceChange<Seen, E>) {
    match change {
        PresenceChange::Joined { key, before: None, .. } => {
            notice(&format!("{} joined", shown(key)));
        }
        PresenceChange::Left { key, after, .. } if after.metas().len() == 0 => {
            notice(&format!("{} left", shown(key)));
        }
        _ => {}
    }
}

/// What was last said about the connection, so that each thing is said once.
#[derive(Default)]
struct Connection {
    lost: bool,
}

impl Connection {
    fn show(&mut self, state: ConnectionState) {
        let lost = state != ConnectionState::Open;
        if lost != self.lost {
            self.lost = lost;
            notice(if lost { "connection lost, reconnecting" } else { "reconnected" });
        }
    }
}
